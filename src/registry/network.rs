//! Why no answer came: the network between here and Artifactory, proxies and certificates included, with the address
//! that was asked and what a person can do about it.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fmt, io};

use reqwest::Url;
use reqwest::header::HeaderMap;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::error::Class;
use super::reply::is_json;
use crate::trust::{Shown, Trust};

/// Most names of a server's certificate that are told.
const MOST_NAMES: usize = 3;
/// Longest of them, in characters; a host's name has no more.
const LONGEST_NAME: usize = 253;
/// What to do where a server does not take our certificate, or misses one.
pub(super) const IDENTIFY: &str = "Put a private key and its certificate, one that the server takes, behind the root \
                                   certificates in the secret that the stack's CaCertificates names (README, Networks).";

/// Why no answer came. Of addresses host and port are told: the rest of a redirected one may be a signature.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No connection, so nothing was sent.
    #[error("no connection could be made to {host}")]
    Connect {
        /// Host and port.
        host: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The proxy is not there, or does not let us through.
    #[error("the proxy makes no connection to {host}: {refusal}")]
    Proxy {
        /// Host and port behind it.
        host: String,
        /// What is known of it.
        refusal: ProxyRefusal,
    },
    /// We do not trust the server's certificate.
    #[error("the certificate of {host} {distrust}")]
    Certificate {
        /// Host and port.
        host: String,
        /// Why not.
        distrust: Distrust,
    },
    /// The server does not take our certificate, or misses one.
    #[error("{host} asks for a client certificate and {refusal}")]
    Identity {
        /// Host and port.
        host: String,
        /// What it has against us.
        refusal: IdentityRefusal,
    },
    /// No TLS with this server.
    #[error("no TLS connection could be made to {host}: {problem}")]
    Tls {
        /// Host and port.
        host: String,
        /// What is wrong.
        problem: String,
    },
    /// The connection broke, or what came over it was not HTTP.
    #[error("the connection broke")]
    Broken(#[source] reqwest::Error),
    /// Nothing moved in either direction.
    #[error("nothing was heard for {} s", .0.as_secs_f32())]
    Silent(Duration),
}

/// What is wrong with a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distrust {
    /// Nobody whom we trust has issued it.
    Issuer,
    /// It is another host's; the names that it has.
    Name(Vec<String>),
    /// It was valid once.
    Expired,
    /// It will be valid one day.
    NotYet,
    /// Something else, in the TLS library's words.
    Other(String),
}

/// What a proxy does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyRefusal {
    /// It wants a user and password, or others: 407.
    Password,
    /// Any other answer than 200. Which, the HTTP client does not tell.
    Refused,
    /// It answers a request for an `http://` address, or one that it has looked into, in place of the server.
    Answers,
    /// It gives no answer, for this reason.
    Silent(String),
}

/// What a server has against us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityRefusal {
    /// We have shown no certificate.
    Missing,
    /// We have shown one that it does not take, for this reason.
    Refused(AlertDescription),
    /// It breaks off and has answered nothing so far. Its reason often arrives too late to be seen: with TLS 1.3 a
    /// client has begun to speak by then (RFC 8446, 4.4.2.4).
    BreaksOff(Shown),
}

/// What is known of the network of one job's connection.
pub(super) struct Reach {
    trust: Trust,
    answered: AtomicBool,
    let_in: AtomicBool,
}

impl Reach {
    /// Nothing so far.
    pub(super) fn new(trust: Trust) -> Self {
        Self { trust, answered: AtomicBool::new(false), let_in: AtomicBool::new(false) }
    }

    /// There was an answer, whatever it said.
    pub(super) fn answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// There was a good answer.
    pub(super) fn let_in(&self) {
        self.let_in.store(true, Ordering::Relaxed);
    }

    /// Whether this answer is for want of a certificate that the server takes, and what it was shown: nginx agrees on the
    /// connection all the same, and then answers every request with 400. Artifactory itself refuses in JSON.
    pub(super) fn unidentified(&self, status: u16, headers: &HeaderMap) -> Option<Shown> {
        let said_by_artifactory = is_json(headers) || self.let_in.load(Ordering::Relaxed);
        self.trust.shown().filter(|_| status == 400 && !said_by_artifactory)
    }

    /// What a failed request means.
    pub(super) fn error(&self, error: reqwest::Error) -> NetworkError {
        let host = error.url().map(host).unwrap_or_default();
        match (NetworkError::of(error), self.trust.shown()) {
            (NetworkError::Broken(_), Some(shown)) if !self.answered.load(Ordering::Relaxed) => {
                NetworkError::Identity { host, refusal: IdentityRefusal::BreaksOff(shown) }
            }
            (error, _) => error,
        }
    }
}

impl NetworkError {
    /// What a failed request means.
    fn of(error: reqwest::Error) -> Self {
        let host = error.url().map(host).unwrap_or_default();
        let (is_connect, source) = (error.is_connect() || error.is_builder(), error.without_url());
        if let Some(refusal) = tunnel(&source) {
            return Self::Proxy { host, refusal };
        }
        let tls = tls(&source);
        if let Some(rustls::Error::AlertReceived(alert)) = tls
            && let Some(refusal) = identity(*alert)
        {
            return Self::Identity { host, refusal };
        }
        match tls {
            Some(rustls::Error::InvalidCertificate(error)) => Self::Certificate { host, distrust: distrust(error) },
            Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                Self::Tls { host, problem: "what answers there does not speak TLS".to_owned() }
            }
            Some(error) if is_connect => Self::Tls { host, problem: error.to_string() },
            _ if is_connect => Self::Connect { host, source },
            _ => Self::Broken(source),
        }
    }

    /// A proxy has answered in the place of the server at this address.
    pub(super) fn answered_by_proxy(url: &Url) -> Self {
        Self::Proxy { host: host(url), refusal: ProxyRefusal::Answers }
    }

    /// Whether the server cannot have seen the request.
    pub(super) fn is_unsent(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Proxy { .. }
            | Self::Certificate { .. }
            // With TLS 1.3 it is refused after we have begun to speak, but before we are listened to.
            | Self::Identity { refusal: IdentityRefusal::Missing | IdentityRefusal::Refused(_), .. }
            | Self::Tls { .. } => true,
            Self::Identity { refusal: IdentityRefusal::BreaksOff(_), .. } | Self::Broken(_) | Self::Silent(_) => false,
        }
    }

    /// Whether it may be gone in a few seconds.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Certificate { .. }
            | Self::Identity { refusal: IdentityRefusal::Missing | IdentityRefusal::Refused(_), .. }
            | Self::Tls { .. }
            | Self::Proxy { refusal: ProxyRefusal::Password, .. } => false,
            Self::Identity { refusal: IdentityRefusal::BreaksOff(_), .. }
            | Self::Connect { .. }
            | Self::Proxy { .. }
            | Self::Broken(_)
            | Self::Silent(_) => true,
        }
    }

    /// What kind of failure it is: of the set-up where only another one helps.
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Certificate { distrust: Distrust::Issuer | Distrust::Name(_), .. }
            | Self::Identity { .. }
            | Self::Tls { .. }
            | Self::Proxy { refusal: ProxyRefusal::Password, .. } => Class::Configuration,
            Self::Certificate { distrust: Distrust::Expired | Distrust::NotYet | Distrust::Other(_), .. }
            | Self::Connect { .. }
            | Self::Proxy {
                refusal: ProxyRefusal::Refused | ProxyRefusal::Answers | ProxyRefusal::Silent(_), ..
            }
            | Self::Broken(_)
            | Self::Silent(_) => Class::Unavailable,
        }
    }

    /// What a person can do about it; empty where it is about Artifactory's health alone.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Connect { .. } => {
                "Check that ArtifactoryHost is right and that the function can reach it (DNS, network, proxy); if it \
                 can, retry the stage later."
            }
            Self::Certificate { distrust: Distrust::Issuer, .. } => {
                "Put the root certificate of its issuer into the stack's CaCertificates (CA_CERTIFICATES); a server \
                 must send the certificates between its own and that root itself."
            }
            Self::Certificate { distrust: Distrust::Name(_), .. } => {
                "Write into ArtifactoryHost a name that the server's certificate is for, or give the server one for \
                 this name."
            }
            Self::Certificate { distrust: Distrust::Expired, .. } => {
                "Renew the server's certificate, then retry the stage."
            }
            Self::Certificate { distrust: Distrust::NotYet | Distrust::Other(_), .. } => {
                "Give the server another certificate, then retry the stage."
            }
            Self::Identity { .. } => IDENTIFY,
            Self::Tls { .. } => "Check scheme and port of ArtifactoryHost; the server must speak TLS 1.2 or 1.3.",
            Self::Proxy { refusal: ProxyRefusal::Password, .. } => {
                "Put the proxy's user and password, percent-encoded, into the stack's HttpsProxy (HTTPS_PROXY): \
                 http://user:password@host:port."
            }
            Self::Proxy { refusal: ProxyRefusal::Refused, .. } => {
                "See the proxy's log: it must allow CONNECT to this host and port, and reach it; or name the host in \
                 the stack's NoProxy (NO_PROXY). Then retry the stage."
            }
            Self::Proxy { refusal: ProxyRefusal::Answers, .. } => {
                "See the proxy's log: it must allow this host and port, and reach it; or name the host in the stack's \
                 NoProxy (NO_PROXY). Then retry the stage."
            }
            Self::Proxy { refusal: ProxyRefusal::Silent(_), .. } => {
                "Check the stack's HttpsProxy (HTTPS_PROXY), and that the function can reach it; or name the host in \
                 the stack's NoProxy (NO_PROXY). Then retry the stage."
            }
            Self::Broken(_) | Self::Silent(_) => "",
        }
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer => f.write_str("was issued by nobody whom this function trusts"),
            Self::Name(names) if names.is_empty() => f.write_str("is not for this name"),
            Self::Name(names) => write!(f, "is not for this name, but for {}", names.join(", ")),
            Self::Expired => f.write_str("has expired"),
            Self::NotYet => f.write_str("is not valid yet"),
            Self::Other(problem) => write!(f, "is not valid: {problem}"),
        }
    }
}

impl fmt::Display for ProxyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password => f.write_str("it was not given the user and password that it wants (407)"),
            Self::Refused => f.write_str("it refuses, or does not reach it"),
            Self::Answers => f.write_str("it answers itself"),
            Self::Silent(reason) => write!(f, "it cannot be reached, or breaks off: {reason}"),
        }
    }
}

impl fmt::Display for IdentityRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("was shown none"),
            Self::BreaksOff(shown) => write!(f, "was shown {}, and breaks off", shown.name()),
            Self::Refused(alert) => write!(f, "was shown ours, and refuses it ({alert:?})"),
        }
    }
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Every cause, also those in an I/O error, which counts as one with what is in it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inside) => Some(inside),
            None => error.source(),
        }
    })
}

fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// What became of CONNECT. The HTTP client's own type for it has no name, only words.
fn tunnel(error: &(dyn Error + 'static)) -> Option<ProxyRefusal> {
    const WORDS: &str = "tunnel error: ";
    let words = causes(error).map(ToString::to_string).find(|words| words.starts_with(WORDS))?;
    Some(match words.trim_start_matches(WORDS) {
        "proxy authorization required" => ProxyRefusal::Password,
        "unsuccessful" => ProxyRefusal::Refused,
        words => {
            // If not the tunnel's own end, what is behind it says the most.
            let innermost = causes(error).last().map(ToString::to_string).unwrap_or_default();
            ProxyRefusal::Silent(innermost.strip_prefix(WORDS).map_or(innermost.clone(), |_| words.to_owned()))
        }
    })
}

fn distrust(error: &CertificateError) -> Distrust {
    match error {
        CertificateError::UnknownIssuer => Distrust::Issuer,
        CertificateError::NotValidForName => Distrust::Name(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            // The library tells them as `DnsName("repo.corp")`.
            let plain = |name: &String| name.split('"').nth(1).unwrap_or(name).chars().take(LONGEST_NAME).collect();
            Distrust::Name(presented.iter().take(MOST_NAMES).map(plain).collect())
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Distrust::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Distrust::NotYet,
        other => Distrust::Other(other.to_string()),
    }
}

/// What an alert says about our certificate (RFC 8446, 6.2); `None` where it is about something else.
fn identity(alert: AlertDescription) -> Option<IdentityRefusal> {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => Some(IdentityRefusal::Missing),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError => Some(IdentityRefusal::Refused(alert)),
        _ => None,
    }
}
