//! Builds of a Maven snapshot, as the repository itself tells of them.

use reqwest::Method;
use reqwest::header::HeaderMap;

use super::Registry;
use super::budget::Budget;
use super::error::{At, Purpose, RegistryError};
use super::url::{RepoKey, RepoPath};
use super::wire::{Request, Text};
use crate::stamp::Stamp;

impl Registry {
    /// The newest build that the metadata at this path tells of; `None` where there is none yet.
    pub async fn newest_build(
        &self,
        repository: &RepoKey,
        metadata: &RepoPath,
    ) -> Result<Option<Stamp>, RegistryError> {
        let path = format!("{repository}/{}", metadata.encoded());
        let request = Request {
            purpose: Purpose::Builds,
            method: Method::GET,
            path: &path,
            url: self.base.join(&path),
            headers: HeaderMap::new(),
            payload: None,
        };
        match self.read(request, &Text, &mut Budget::new(self.wire.pacing, self.deadline)).await {
            Ok(answer) => Stamp::newest(&answer.text).map_err(|_| RegistryError::Unintelligible {
                at: At {
                    purpose: Purpose::Builds,
                    method: Method::GET.to_string(),
                    path,
                    status: Some(answer.status),
                    said: String::new(),
                },
                problem: "it is no maven-metadata.xml of a snapshot",
            }),
            Err(RegistryError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
