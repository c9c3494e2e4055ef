//! Makes connections to Artifactory. One per process.

use std::time::Duration;

use reqwest::Client;

use super::network::Reach;
use super::retry::Pacing;
use crate::client::{ClientError, Clients};
use crate::trust::{self, Trust};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// The process's way to every Artifactory.
#[derive(Debug)]
pub struct Http {
    clients: Clients,
    trust: Trust,
    pacing: Pacing,
}

impl Http {
    /// No connection yet.
    pub fn new(trust: Trust) -> Self {
        let clients = Clients::new(trust.clone(), trust::Http::OneOrTwo, CONNECT);
        Self { clients, trust, pacing: Pacing::default() }
    }

    /// The same with another patience, for tests that must not wait.
    #[must_use]
    pub fn with_pacing(mut self, pacing: Pacing) -> Self {
        self.pacing = pacing;
        self
    }

    pub(super) fn pacing(&self) -> Pacing {
        self.pacing
    }

    pub(super) fn reach(&self) -> Reach {
        Reach::new(self.trust.clone())
    }

    pub(super) fn client(&self) -> Result<Client, ClientError> {
        self.clients.client()
    }
}
