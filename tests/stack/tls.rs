//! What stands before a service and speaks TLS: certificates of an authority that a test makes, HTTP/1.1 or HTTP/2,
//! and, where it is told to, a look at the client's own certificate.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::http::{Door, enter};

/// A certificate authority of a test's own.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// What a server sends beside its own certificate.
    between: Vec<CertificateDer<'static>>,
}

/// A certificate, those between it and its root, and the private key.
#[derive(Debug)]
pub(crate) struct Certified {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    /// All of the chain in PEM.
    pub(crate) pem: String,
}

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validity {
    Now,
    Past,
}

/// What a front asks its clients for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clients<'a> {
    Anybody,
    /// Those with a certificate of this authority.
    Of(&'a Authority),
    /// Those who have none, too: whoever is behind it may refuse them. A certificate must be of this authority.
    PerhapsOf(&'a Authority),
}

/// Which HTTP a front offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    One,
    OneAndTwo,
}

/// One connection that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handshake {
    /// What was agreed on by ALPN.
    pub(crate) protocol: String,
    /// The name that the client asked for.
    pub(crate) name: String,
    /// How many certificates the client has shown.
    pub(crate) certificates: usize,
}

impl Authority {
    /// A root.
    pub(crate) fn new(name: &str) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority(name), key()).expect("it can be signed");
        Self { issuer, between: Vec::new() }
    }

    /// An authority that this one has signed, whose certificate servers send along.
    pub(crate) fn below(&self, name: &str) -> Self {
        let issuer = CertifiedIssuer::signed_by(authority(name), key(), &self.issuer).expect("it can be signed");
        let between = std::iter::once(issuer.der().clone()).chain(self.between.iter().cloned()).collect();
        Self { issuer, between }
    }

    /// Its certificate.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for these names (or, of a client, this one).
    pub(crate) fn certify(&self, names: &[&str], validity: Validity) -> Certified {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("these are names");
        if validity == Validity::Past {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        }
        let key = key();
        let own = params.signed_by(&key, &self.issuer).expect("it can be signed");
        let chain: Vec<_> = std::iter::once(own.der().clone()).chain(self.between.iter().cloned()).collect();
        let pem = own.pem() + &if self.between.is_empty() { String::new() } else { self.pem() };
        Certified { chain, key, pem }
    }
}

impl Certified {
    /// The private key.
    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The certificate without those between it and its root, as of a server that is set up badly.
    pub(crate) fn alone(mut self) -> Self {
        self.chain.truncate(1);
        self
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("there is chance enough")
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A server that lets requests through to a service; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Front {
    address: SocketAddr,
    task: JoinHandle<()>,
    handshakes: Arc<Mutex<Vec<Handshake>>>,
}

impl Front {
    /// Stands before `door` on a free port of 127.0.0.1.
    pub(crate) async fn start(door: Door, certified: &Certified, clients: Clients<'_>, offered: Offered) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of 127.0.0.1 can be bound");
        let address = listener.local_addr().expect("a bound socket has an address");
        let acceptor = TlsAcceptor::from(Arc::new(configuration(certified, clients, offered)));
        let handshakes: Arc<Mutex<Vec<Handshake>>> = Arc::default();
        let seen = Arc::clone(&handshakes);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((socket, _)) = listener.accept().await else {
                    continue;
                };
                let _ = socket.set_nodelay(true);
                let (acceptor, door, seen) = (acceptor.clone(), door.clone(), Arc::clone(&seen));
                connections.spawn(async move {
                    // A client that does not trust us goes away; what it makes of that is the test's business.
                    let Ok(stream) = acceptor.accept(socket).await else { return };
                    let (_, tls) = stream.get_ref();
                    let protocol = tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
                    let protocol = protocol.unwrap_or_default();
                    let name = tls.server_name().unwrap_or_default().to_owned();
                    let certificates = tls.peer_certificates().map_or(0, <[_]>::len);
                    let is_two = protocol == "h2";
                    let handshake = Handshake { protocol, name, certificates };
                    seen.lock().expect("no test panics while it holds this").push(handshake);
                    let service = hyper::service::service_fn(move |request| enter(door.clone(), request));
                    let io = TokioIo::new(stream);
                    if is_two {
                        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        let _ = http.serve_connection(io, service).await;
                    } else {
                        let mut http = hyper::server::conn::http1::Builder::new();
                        let _ = http.timer(TokioTimer::new()).serve_connection(io, service).await;
                    }
                });
            }
        });
        Self { address, task, handshakes }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://NAME:PORT`.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("https://{name}:{}", self.address.port())
    }

    /// The connections that were made so far.
    pub(crate) fn handshakes(&self) -> Vec<Handshake> {
        self.handshakes.lock().expect("no test panics while it holds this").clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn configuration(certified: &Certified, clients: Clients, offered: Offered) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().expect("the provider has them");
    let builder = match clients {
        Clients::Anybody => builder.with_no_client_auth(),
        Clients::Of(authority) | Clients::PerhapsOf(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.issuer.der().clone()).expect("it is a certificate");
            let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            if matches!(clients, Clients::PerhapsOf(_)) {
                verifier = verifier.allow_unauthenticated();
            }
            builder.with_client_cert_verifier(verifier.build().expect("it has a root"))
        }
    };
    let key = PrivateKeyDer::try_from(certified.key.serialize_der()).expect("it is a key");
    let mut config = builder.with_single_cert(certified.chain.clone(), key).expect("the key is the certificate's");
    config.alpn_protocols = match offered {
        Offered::One => vec![b"http/1.1".to_vec()],
        Offered::OneAndTwo => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    config
}
