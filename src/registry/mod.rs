//! Artifactory over HTTP: a [`Registry`] is one job's authenticated connection to one base. It looks, sends what a
//! plan describes, and sees that it arrived.

mod auth;
pub mod body;
mod budget;
mod builds;
mod compare;
mod error;
mod form;
mod http;
mod listing;
mod look;
mod network;
mod properties;
mod purpose;
mod reply;
mod repository;
mod retry;
mod send;
mod simple;
mod storage;
mod tags;
pub mod url;
mod wire;

use std::fmt;

use reqwest::header::AUTHORIZATION;
use tokio::sync::{Mutex, OnceCell};

use self::auth::Session;
use self::budget::Budget;
pub(crate) use self::error::following;
pub use self::error::{At, Class, NetworkError, Purpose, RegistryError, Seen};
pub use self::http::Http;
pub use self::look::{Care, Found, Other};
pub use self::repository::{Builds, Deployment, Policy, RepositoryClass, RepositoryFacts, Taken};
pub use self::retry::Pacing;
pub use self::send::Sent;
pub use self::tags::{Came, Tagged};
use self::url::Base;
use self::wire::{Request, Take, Wire};
use crate::credential::Credential;
use crate::deadline::Deadline;

/// An authenticated connection to one Artifactory for one job.
#[must_use = "disconnect it at the end, so that its token is revoked"]
pub struct Registry {
    base: Base,
    deadline: Deadline,
    session: Session,
    wire: Wire,
    /// Whether the user sees what is in the repository, once that was asked.
    sees: OnceCell<bool>,
    /// Held by whoever compares archives.
    comparing: Mutex<()>,
}

/// What went over a connection, for the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of request bodies that were sent, repeated ones included.
    pub bytes_sent: u64,
    /// Attempts beyond the first of each request.
    pub retries: u32,
}

impl Registry {
    /// Connects: a password is exchanged for a token here, so a wrong one is an error here.
    pub async fn connect(
        http: &Http,
        base: &Base,
        credential: &Credential,
        deadline: Deadline,
    ) -> Result<Self, RegistryError> {
        let wire = Wire::new(http.client()?, http.reach(), http.pacing(), http.hidden());
        let session = Session::open(&wire, base, credential, deadline).await?;
        Ok(Self { base: base.clone(), deadline, session, wire, sees: OnceCell::new(), comparing: Mutex::new(()) })
    }

    /// What went over the connection so far.
    pub fn stats(&self) -> Stats {
        let (bytes_sent, retries) = self.wire.stats();
        Stats { bytes_sent, retries }
    }

    /// Revokes a token that was minted for this connection. Best effort, bounded, never an error.
    pub async fn disconnect(self) {
        self.session.close(&self.wire, &self.base, self.deadline).await;
    }

    /// Sends a read, authorized; a token that is refused in mid-job is renewed once.
    async fn read<T: Take>(
        &self,
        mut request: Request<'_>,
        take: &T,
        budget: &mut Budget,
    ) -> Result<T::Taken, RegistryError> {
        loop {
            let authorized = self.session.authorized().await;
            request.headers.insert(AUTHORIZATION, authorized.header.clone());
            match self.wire.ask(&request, take, budget).await {
                Err(error @ RegistryError::Unauthorized(_)) => {
                    if !self.session.renew(&self.wire, &self.base, &authorized, budget.deadline).await? {
                        return Err(error);
                    }
                }
                outcome => return outcome,
            }
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry at {}", self.base)
    }
}
