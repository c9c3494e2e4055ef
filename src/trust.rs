//! Whom TLS connections trust: the system's root certificates and those that the stack adds. Reading the system's is
//! most of what starting a process takes, so it is done once for all connections, beside whatever else there is to do,
//! and only who meets a server's certificate before that waits for it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::bundle::{Bundle, BundleError, Identity};

/// The system's root certificates (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others), as far as they can be read. Those
/// of them that no library understands are left out, as every client does.
static SYSTEM: LazyLock<Vec<TrustAnchor<'static>>> = LazyLock::new(|| {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store.roots
});

/// The root certificates of a process. Cloning shares them.
#[derive(Clone)]
pub struct Trust(Arc<Roots>);

struct Roots {
    added: Vec<TrustAnchor<'static>>,
    /// Whom servers that ask for it are told that we are.
    identity: Option<Identity>,
    /// Whether any server has asked.
    asked: AtomicBool,
    provider: Arc<CryptoProvider>,
    /// `None` where there is no root certificate at all.
    verifier: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
}

/// What a server that asked for a certificate was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The one that we have.
    Ours,
    /// None, since we have none.
    Nothing,
}

impl Shown {
    /// As the end of "was shown".
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Nothing => "none",
        }
    }
}

/// The versions of HTTP that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    /// HTTP/1.1 alone.
    One,
    /// HTTP/2 where the server offers it, else HTTP/1.1.
    OneOrTwo,
}

impl Trust {
    /// The system's root certificates.
    pub fn system() -> Self {
        Self::of(Vec::new(), None, provider())
    }

    /// The system's root certificates, and what is in this PEM text.
    pub fn with_added(pem: &str) -> Result<Self, BundleError> {
        let provider = provider();
        let Bundle { roots, identity } = Bundle::parse(pem, &provider)?;
        Ok(Self::of(roots, identity, provider))
    }

    /// What servers that asked for a certificate were shown; `None` where none has asked so far.
    pub fn shown(&self) -> Option<Shown> {
        let shown = if self.0.identity.is_some() { Shown::Ours } else { Shown::Nothing };
        self.0.asked.load(Ordering::Relaxed).then_some(shown)
    }

    fn of(added: Vec<TrustAnchor<'static>>, identity: Option<Identity>, provider: Arc<CryptoProvider>) -> Self {
        let (asked, verifier) = (AtomicBool::new(false), OnceLock::new());
        Self(Arc::new(Roots { added, identity, asked, provider, verifier }))
    }

    /// Reads the certificates now, which takes some milliseconds; whoever needs them meanwhile waits for it.
    pub fn read(&self) {
        let _ = self.0.verifier();
    }

    /// What a client's TLS connections go by: TLS 1.2 or 1.3, and a certificate of our own where one was added.
    pub fn client(&self, http: Http) -> Result<ClientConfig, rustls::Error> {
        let verifier = Arc::clone(&self.0);
        let identity = Arc::<Roots>::clone(&self.0);
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.0.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(identity);
        config.alpn_protocols = match http {
            Http::One => vec![b"http/1.1".to_vec()],
            Http::OneOrTwo => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        Ok(config)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl Roots {
    fn verifier(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        let build = || {
            let roots = RootCertStore { roots: [SYSTEM.as_slice(), &self.added].concat() };
            let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider));
            builder.build().ok()
        };
        self.verifier.get_or_init(build).as_ref()
    }
}

/// Everything is decided by rustls' own verifier, once it is there.
impl ServerCertVerifier for Roots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let none = || rustls::Error::General("this system has no root certificates".to_owned());
        let verifier = self.verifier().ok_or_else(none)?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The one certificate that we have is shown to whoever asks, whatever it asks for: the server says best what is wrong.
impl ResolvesClientCert for Roots {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.identity.as_ref().map(|Identity(certified)| Arc::clone(certified))
    }

    fn has_certs(&self) -> bool {
        self.identity.is_some()
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the system's root certificates and {} more, identity: {:?}", self.added.len(), self.identity)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_before_a_certificate_is_met() {
        let trust = Trust::system();
        trust.client(Http::OneOrTwo).unwrap();
        assert!(trust.0.verifier.get().is_none());
        trust.read();
        assert!(trust.0.verifier.get().is_some());
    }
}
