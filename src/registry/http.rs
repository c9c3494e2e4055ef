//! The HTTP client of the process: built at its first use, kept while it is warm, and built anew after the process
//! was frozen, because the connections in its pool are dead by then and nobody has told it.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Certificate, Client, redirect, retry};
use thiserror::Error;

use super::retry::Pacing;
use crate::deadline::Clock;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a client may lie unused, by the wall clock, before its connections are not trusted any more. The
/// pool's own clock stands still while the process is frozen.
const FRESH_MILLIS: u64 = 20_000;

/// Why there is no HTTP client.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The extra certificates are no PEM, or none are in it.
    #[error("CA_CERTIFICATES holds no certificate in PEM form that can be read")]
    Certificates(#[source] Option<reqwest::Error>),
    /// The client could not be built.
    #[error("the HTTPS client cannot be built, CA_CERTIFICATES or the system's own certificates are at fault")]
    Build(#[source] reqwest::Error),
}

/// Makes connections to Artifactory. One per process; proxies are those of `HTTPS_PROXY`, `HTTP_PROXY` and
/// `NO_PROXY`.
pub struct Http {
    roots: Vec<Certificate>,
    pacing: Pacing,
    clock: Clock,
    warm: Mutex<Option<Warm>>,
}

struct Warm {
    client: Client,
    used_millis: u64,
}

impl Http {
    /// A factory that trusts `roots` (PEM, one or more certificates) besides the system's own.
    pub fn new(roots: Option<&[u8]>) -> Result<Self, HttpError> {
        let roots = match roots {
            None => Vec::new(),
            Some(pem) => {
                let roots = Certificate::from_pem_bundle(pem).map_err(|error| HttpError::Certificates(Some(error)))?;
                if roots.is_empty() {
                    return Err(HttpError::Certificates(None));
                }
                roots
            }
        };
        Ok(Self { roots, pacing: Pacing::default(), clock: Clock::default(), warm: Mutex::new(None) })
    }

    /// The same with another patience, for tests that must not wait.
    #[must_use]
    pub fn with_pacing(mut self, pacing: Pacing) -> Self {
        self.pacing = pacing;
        self
    }

    /// The same by another clock than the system's.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    pub(super) fn pacing(&self) -> Pacing {
        self.pacing
    }

    /// Builds the client now (reading the system's certificates takes its time), so that the first job need not.
    pub fn warm(&self) -> Result<(), HttpError> {
        self.client().map(drop)
    }

    pub(super) fn client(&self) -> Result<Client, HttpError> {
        let now = self.clock.epoch_millis();
        let mut warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(warm) = warm.as_mut().filter(|warm| now.abs_diff(warm.used_millis) < FRESH_MILLIS) {
            warm.used_millis = now;
            return Ok(warm.client.clone());
        }
        let client = self.build()?;
        *warm = Some(Warm { client: client.clone(), used_millis: now });
        Ok(client)
    }

    fn build(&self) -> Result<Client, HttpError> {
        Client::builder()
            .user_agent(concat!("codepipeline-artifactory/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            // reqwest's own read time-out runs while a body is sent, too, and would end every long upload; the time
            // without movement is watched in wire.rs.
            .redirect(redirect::Policy::none())
            .referer(false)
            // Retries exist once, in wire.rs.
            .retry(retry::never())
            .tls_certs_merge(self.roots.iter().cloned())
            .build()
            .map_err(HttpError::Build)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http with {} extra certificates", self.roots.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_that_cannot_be_read_are_an_error_and_not_ignored() {
        for pem in ["", "not PEM", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(Http::new(Some(pem.as_bytes())), Err(HttpError::Certificates(_))), "{pem}");
        }
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(Http::new(Some(nonsense.as_bytes())).and_then(|http| http.warm()).is_err());
        Http::new(None).and_then(|http| http.warm()).unwrap();
    }
}
