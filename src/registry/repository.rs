//! What the repository is, as far as the server tells this user. A probe, no more: the upload itself decides.

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde::Deserialize;

use super::Registry;
use super::budget::Budget;
use super::error::{Purpose, RegistryError};
use super::url::RepoKey;
use super::wire::{Request, Text};

/// What is known of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryFacts {
    /// The server told.
    Known {
        /// Whether files can be in it at all.
        class: RepositoryClass,
        /// Its package type as Artifactory spells it, e.g. `npm`; empty where it is not told.
        package_type: String,
        /// Where a virtual repository puts what is deployed to it.
        deployment: Deployment,
        /// Which versions it takes, for types that tell releases from snapshots.
        policy: Policy,
    },
    /// It did not tell this user: it may exist or not.
    Unknown,
}

/// Where a virtual repository puts what is deployed to it (`defaultDeploymentRepo`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Deployment {
    /// It is no virtual one, or does not tell this user.
    #[default]
    Untold,
    /// Nowhere: it takes nothing.
    Nowhere,
    /// Into this repository.
    Into(RepoKey),
}

/// Which versions a repository takes, as far as it tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// `handleReleases`.
    pub releases: Taken,
    /// `handleSnapshots`.
    pub snapshots: Taken,
    /// `snapshotVersionBehavior`.
    pub builds: Builds,
}

/// Whether something is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Taken {
    /// It is, or nobody says that it is not.
    #[default]
    Yes,
    /// It is not.
    No,
}

/// What a repository keeps of a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Builds {
    /// Every build, under a name of its own (`unique`), or as it is sent (`deployer`); or nobody says otherwise.
    #[default]
    Each,
    /// The last one, whatever name it is sent under (`non-unique`).
    LastOnly,
}

/// The kind of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryClass {
    /// Holds files.
    Local,
    /// Holds files, mirrored to other sites.
    Federated,
    /// Several repositories behind one key.
    Virtual,
    /// A cache of another registry: nothing can be deployed to it.
    Remote,
    /// A kind of later servers.
    Other(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    rclass: String,
    package_type: Option<String>,
    default_deployment_repo: Option<String>,
    handle_releases: Option<bool>,
    handle_snapshots: Option<bool>,
    snapshot_version_behavior: Option<String>,
}

impl Registry {
    /// What this repository is. Every refusal to tell is [`RepositoryFacts::Unknown`]; only a server that does not
    /// do its work is an error.
    pub async fn repository(&self, repository: &RepoKey) -> Result<RepositoryFacts, RegistryError> {
        let path = format!("api/repositories/{repository}");
        let request = Request {
            purpose: Purpose::Repository,
            method: Method::GET,
            path: &path,
            url: self.base.join(&path),
            // Without renewal on a 401: that is kept for requests that matter.
            headers: HeaderMap::from_iter([(AUTHORIZATION, self.session.authorized().await.header)]),
            payload: None,
        };
        match self.wire.ask(&request, &Text, &mut Budget::new(self.wire.pacing, self.deadline)).await {
            Ok(answer) => Ok(facts(&answer.text)),
            Err(
                error @ (RegistryError::Unidentified { .. }
                | RegistryError::Unavailable { .. }
                | RegistryError::OutOfTime { .. }),
            ) => Err(error),
            Err(_) if self.session.sends_the_password().await => self.ping().await.map(|()| RepositoryFacts::Unknown),
            Err(_) => Ok(RepositoryFacts::Unknown),
        }
    }

    /// Asks whether the credential is accepted at all. With a password that is not, the looks that follow, many at once,
    /// would lock the user.
    pub async fn ping(&self) -> Result<(), RegistryError> {
        let path = "api/system/ping";
        let request = Request {
            purpose: Purpose::Ping,
            method: Method::GET,
            path,
            url: self.base.join(path),
            headers: HeaderMap::from_iter([(AUTHORIZATION, self.session.authorized().await.header)]),
            payload: None,
        };
        match self.wire.ask(&request, &Text, &mut Budget::new(self.wire.pacing, self.deadline)).await {
            Err(
                error @ (RegistryError::Unauthorized(_)
                | RegistryError::Unidentified { .. }
                | RegistryError::Unavailable { .. }
                | RegistryError::OutOfTime { .. }),
            ) => Err(error),
            // Whoever does not serve it says nothing of the credential.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

fn facts(text: &[u8]) -> RepositoryFacts {
    let Ok(configuration) = serde_json::from_slice(text) else { return RepositoryFacts::Unknown };
    let Configuration {
        rclass,
        package_type,
        default_deployment_repo,
        handle_releases,
        handle_snapshots,
        snapshot_version_behavior,
    } = configuration;
    let taken = |handled: Option<bool>| if handled == Some(false) { Taken::No } else { Taken::Yes };
    let is_last_only = snapshot_version_behavior.is_some_and(|text| text.eq_ignore_ascii_case("non-unique"));
    let deployment = match default_deployment_repo.as_deref() {
        Some("") => Deployment::Nowhere,
        Some(key) => RepoKey::parse(key).map_or(Deployment::Untold, Deployment::Into),
        None => Deployment::Untold,
    };
    let class = match rclass.to_ascii_lowercase().as_str() {
        "local" => RepositoryClass::Local,
        "federated" => RepositoryClass::Federated,
        "virtual" => RepositoryClass::Virtual,
        "remote" => RepositoryClass::Remote,
        other => RepositoryClass::Other(other.to_owned()),
    };
    RepositoryFacts::Known {
        class,
        package_type: package_type.unwrap_or_default(),
        deployment,
        policy: Policy {
            releases: taken(handle_releases),
            snapshots: taken(handle_snapshots),
            builds: if is_last_only { Builds::LastOnly } else { Builds::Each },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_out_of_full_and_reduced_configurations() {
        assert_eq!(
            facts(br#"{"key":"npm","packageType":"npm","rclass":"local","handleReleases":true}"#),
            RepositoryFacts::Known {
                class: RepositoryClass::Local,
                package_type: "npm".into(),
                deployment: Deployment::Untold,
                policy: Policy::default(),
            }
        );
        assert_eq!(
            facts(br#"{"rclass":"virtual","defaultDeploymentRepo":"npm-local"}"#),
            RepositoryFacts::Known {
                class: RepositoryClass::Virtual,
                package_type: String::new(),
                deployment: Deployment::Into(RepoKey::parse("npm-local").unwrap()),
                policy: Policy::default(),
            }
        );
        let nowhere = facts(br#"{"rclass":"virtual","defaultDeploymentRepo":""}"#);
        assert!(matches!(nowhere, RepositoryFacts::Known { deployment: Deployment::Nowhere, .. }), "{nowhere:?}");
        let RepositoryFacts::Known { policy, .. } = facts(
            br#"{"rclass":"local","handleReleases":false,"handleSnapshots":true,"snapshotVersionBehavior":"non-unique"}"#,
        ) else {
            panic!("it is known")
        };
        assert_eq!(policy, Policy { releases: Taken::No, snapshots: Taken::Yes, builds: Builds::LastOnly });
        for text in ["", "<html>", "{}", "[]", r#"{"rclass":1}"#] {
            assert_eq!(facts(text.as_bytes()), RepositoryFacts::Unknown, "{text}");
        }
    }
}
