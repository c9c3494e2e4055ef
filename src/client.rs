//! An HTTP client of the process: built at its first use, kept while it is warm, and built anew after the process was
//! frozen, because the connections in its pool are dead by then and nobody has told it. Proxies are those of
//! `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, redirect, retry};
use thiserror::Error;

use crate::deadline::LastUse;
use crate::trust::{Http, Trust};

/// Why there is no client.
#[derive(Debug, Error)]
#[error("the HTTPS client cannot be built")]
pub enum ClientError {
    /// TLS.
    Tls(#[from] rustls::Error),
    /// HTTP.
    Http(#[from] reqwest::Error),
}

/// The clients that one kind of service is spoken to with, one at a time. They follow no redirect and repeat nothing:
/// that is for those to decide who know what they ask.
pub struct Clients {
    trust: Trust,
    http: Http,
    connect: Duration,
    warm: Mutex<Option<Warm>>,
}

struct Warm {
    client: Client,
    used: LastUse,
}

impl Clients {
    /// No client yet. A connection may take as long as `connect` to be made.
    pub fn new(trust: Trust, http: Http, connect: Duration) -> Self {
        Self { trust, http, connect, warm: Mutex::new(None) }
    }

    /// The client to use now.
    pub fn client(&self) -> Result<Client, ClientError> {
        let mut warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(warm) = warm.as_mut()
            && warm.used.is_recent()
        {
            return Ok(warm.client.clone());
        }
        let client = Client::builder()
            .user_agent(concat!("codepipeline-artifactory/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(self.trust.client(self.http)?)
            // reqwest's own read time-out runs while a body is sent, too, and would end every long upload.
            .connect_timeout(self.connect)
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            .build()?;
        *warm = Some(Warm { client: client.clone(), used: LastUse::now() });
        Ok(client)
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clients that trust {:?}", self.trust)
    }
}
