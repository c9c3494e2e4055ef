//! Makes connections to Artifactory. One per process.

use std::time::Duration;

use reqwest::Client;

use super::network::Reach;
use super::retry::Pacing;
use crate::client::{ClientError, Clients};
use crate::credential::SecretText;
use crate::trust::{self, Trust};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// The process's way to every Artifactory.
#[derive(Debug)]
pub struct Http {
    clients: Clients,
    trust: Trust,
    hidden: Vec<SecretText>,
    pacing: Pacing,
}

impl Http {
    /// No connection yet.
    pub fn new(trust: Trust) -> Self {
        let clients = Clients::new(trust.clone(), trust::Http::OneOrTwo, CONNECT);
        Self { clients, trust, hidden: Vec::new(), pacing: Pacing::default() }
    }

    /// The same, with texts that are blanked out of whatever a server says.
    #[must_use]
    pub fn hiding(mut self, secrets: Vec<SecretText>) -> Self {
        self.hidden = secrets;
        self
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

    pub(super) fn hidden(&self) -> &[SecretText] {
        &self.hidden
    }

    pub(super) fn reach(&self) -> Reach {
        Reach::new(self.trust.clone())
    }

    pub(super) fn client(&self) -> Result<Client, ClientError> {
        self.clients.client()
    }
}
