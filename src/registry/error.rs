//! What can go wrong with Artifactory, by meaning: [`RegistryError`], with where it happened and what the server
//! said, and its [`Class`], by which the failure that a person sees is chosen.

use std::fmt;

use thiserror::Error;

use super::network::IDENTIFY;
pub use super::network::NetworkError;
pub use super::purpose::Purpose;
use crate::archive::ArchiveError;
use crate::client::ClientError;
use crate::trust::Shown;

/// Which request it was, and what came back. Nothing secret is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// What the request was for.
    pub purpose: Purpose,
    /// Its method.
    pub method: String,
    /// Its path, below Artifactory's root or (for `access/…`) the platform's.
    pub path: String,
    /// The answer's status, where one came.
    pub status: Option<u16>,
    /// The server's own words: one line, at most 300 characters, secrets blanked out; empty where it said nothing.
    pub said: String,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { purpose, method, path, status, said } = self;
        write!(f, "{purpose}: {method} {path}")?;
        match status {
            Some(status) => write!(f, " was answered with {status}")?,
            None => f.write_str(" got no answer")?,
        }
        if said.is_empty() { Ok(()) } else { write!(f, "; the server said: {said}") }
    }
}

/// What is seen in the place of a file that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Other bytes, with this digest.
    Other(String),
    /// Nothing at all.
    Nothing,
    /// The user may not look.
    Forbidden,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(digest) => write!(f, "what is there has {digest}"),
            Self::Nothing => f.write_str("is not there afterwards"),
            Self::Forbidden => f.write_str("the user may not read it, so nothing shows that it is stored"),
        }
    }
}

/// What went wrong, by meaning; never decided by the wording of an answer.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// 401: the credential is wrong, or has expired.
    #[error("{0}")]
    Unauthorized(At),
    /// 403: the user may not.
    #[error("{0}")]
    Forbidden(At),
    /// 404: no such repository, or a user from whom it is hidden.
    #[error("{0}")]
    NotFound(At),
    /// Any other 4xx.
    #[error("{0}")]
    Rejected(At),
    /// 400 of a server that asked for a client certificate in vain.
    #[error("{at}; it asks for a client certificate and was shown {}", shown.name())]
    Unidentified {
        /// Which request.
        at: At,
        /// What it was shown.
        shown: Shown,
    },
    /// A redirect, which is not followed with a credential.
    #[error("{0}")]
    Redirected(At),
    /// Not an answer of Artifactory.
    #[error("{at}; {problem}")]
    Unintelligible {
        /// Which request.
        at: At,
        /// What is wrong with the answer; never any of it.
        problem: &'static str,
    },
    /// 5xx, 408, 429 or the network, after the budget for retries.
    #[error("{at}{}", tried(*.attempts))]
    Unavailable {
        /// The last request.
        at: At,
        /// How often it was tried.
        attempts: u32,
        /// Why no answer came, where none came.
        #[source]
        cause: Option<Box<NetworkError>>,
    },
    /// The time of this invocation ends; the work can go on in the next.
    #[error("{purpose}: no time is left for {method} {path}")]
    OutOfTime {
        /// What the request was for.
        purpose: Purpose,
        /// Its method.
        method: String,
        /// Its path.
        path: String,
    },
    /// The version exists with other content, which is never changed.
    #[error("{path} exists with other content: ours has {ours}, the repository's {theirs}{}", following(.differences))]
    Conflict {
        /// Path in the repository.
        path: String,
        /// Our digest, e.g. `sha256 ba78…`.
        ours: String,
        /// The same digest of what is there.
        theirs: String,
        /// Which files differ and how; empty where that is not known.
        differences: String,
    },
    /// The server accepted the file, but what it has afterwards is not the file, or is not to be seen.
    #[error("{path} was accepted, but {seen}; ours has {ours}")]
    NotStored {
        /// Path in the repository.
        path: String,
        /// Our digest.
        ours: String,
        /// What is seen instead.
        seen: Seen,
    },
    /// The version is stored, but the dist-tag that the action asks for is not on it.
    #[error("the version is stored, but the dist-tag {tag} was set and {}", elsewhere(.has.as_deref()))]
    NotTagged {
        /// The dist-tag.
        tag: String,
        /// The version that was to have it.
        version: String,
        /// The version that has it, if any.
        has: Option<String>,
    },
    /// The request cannot be put together, e.g. a header's value has a line break.
    #[error("{path} cannot be sent: {problem}")]
    Unsendable {
        /// The request's path.
        path: String,
        /// Why, as a sentence without its end.
        problem: String,
    },
    /// Our own bytes could not be read while they were sent.
    #[error("the artifact {0}")]
    Body(#[from] ArchiveError),
    /// The HTTP client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The files that differ, as the end of a sentence.
pub(crate) fn following(differences: &str) -> String {
    if differences.is_empty() { String::new() } else { format!("; {differences}") }
}

fn tried(attempts: u32) -> String {
    if attempts > 1 { format!(" ({attempts} attempts)") } else { String::new() }
}

fn elsewhere(has: Option<&str>) -> String {
    has.map_or_else(|| "is on no version".to_owned(), |has| format!("is on {has}"))
}

/// What kind of failure it is for the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The action, the stack or the repository is set up wrongly.
    Configuration,
    /// The user may not.
    Permission,
    /// The package is at fault, or is there already with other content.
    Package,
    /// The artifact's bytes are at fault or do not arrive; the [`ArchiveError`] says which.
    Artifact,
    /// Artifactory cannot be reached or does not do its work.
    Unavailable,
    /// No failure of the job: it goes on in the next invocation.
    OutOfTime,
}

impl RegistryError {
    /// Any other 4xx, which may be for want of a certificate.
    pub(super) fn rejected(at: At, unidentified: Option<Shown>) -> Self {
        match unidentified {
            Some(shown) => Self::Unidentified { at, shown },
            None => Self::Rejected(at),
        }
    }

    /// What kind of failure it is.
    pub fn class(&self) -> Class {
        match self {
            Self::Unauthorized(_) | Self::Forbidden(_) | Self::NotStored { seen: Seen::Forbidden, .. } => {
                Class::Permission
            }
            Self::NotFound(_)
            | Self::Unidentified { .. }
            | Self::Redirected(_)
            | Self::Unintelligible { .. }
            | Self::Client(_) => Class::Configuration,
            Self::Rejected(at) if at.purpose == Purpose::Token => Class::Configuration,
            Self::Rejected(at) => match at.status {
                // Payment, method, media type, proxy: nothing that another package would change.
                Some(402 | 405 | 406 | 407 | 415) => Class::Configuration,
                _ => Class::Package,
            },
            Self::Conflict { .. } | Self::Unsendable { .. } => Class::Package,
            Self::Unavailable { cause: Some(cause), .. } => cause.class(),
            Self::Unavailable { cause: None, .. }
            | Self::NotTagged { .. }
            | Self::NotStored { seen: Seen::Other(_) | Seen::Nothing, .. } => Class::Unavailable,
            Self::OutOfTime { .. } => Class::OutOfTime,
            Self::Body(_) => Class::Artifact,
        }
    }

    /// What a person can do about it, as a sentence; empty where the message says it all.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unauthorized(at) if at.purpose == Purpose::Token => {
                "Check the user and password in the secret; Artifactory locks a user after repeated wrong passwords."
            }
            Self::Unauthorized(_) => "Check the credential in the secret: it is wrong, revoked or expired.",
            Self::Forbidden(at) if at.purpose == Purpose::Token => {
                "The user may not create tokens; allow it, or put an access token into the secret."
            }
            Self::Forbidden(at) if at.purpose == Purpose::Properties => {
                "Give the secret's user the right to annotate. Retrying the stage leaves a stored version as it is: \
                 set its properties by hand, or delete it before you retry."
            }
            Self::Forbidden(at) if at.purpose == Purpose::Tag => {
                "Give the secret's user the right to deploy and annotate, or leave out the option tag; then retry the stage."
            }
            Self::Forbidden(_) => {
                "Give the secret's user the right to deploy to this repository; \
                 a naming or layout rule of the repository can be the reason as well."
            }
            Self::NotFound(_) => {
                "Check RepoKey and ArtifactoryHost; Artifactory also answers 404 to users who may not see a repository."
            }
            Self::Rejected(at) if at.purpose == Purpose::Token && at.status == Some(400) => {
                "Check ArtifactoryHost, its scheme and port too, and the user in the secret: nothing of the package was \
                 sent yet."
            }
            Self::Rejected(at) => match at.status {
                Some(400 | 422) => "Change what the server finds invalid: the package, its path or its properties.",
                Some(405) => {
                    "Publish to a local repository of the package's type, or a virtual one with a default \
                     deployment repository; a proxy that decodes %2f causes this too."
                }
                Some(406 | 415) => "Check that RepoKey is a repository of the package's type.",
                Some(407) => {
                    "Put the proxy's user and password, percent-encoded, into HTTP_PROXY: http://user:password@host:port."
                }
                Some(409) => {
                    "Check the repository's rules against the package: snapshots and releases, layout, checksums."
                }
                Some(411) => "Check the proxy in between, which wants requests in another form.",
                Some(414 | 431) => {
                    "Shorten Properties and TargetPath, or raise the limit for addresses and headers of what stands \
                     before Artifactory."
                }
                Some(413) => "Raise the upload limit of Artifactory or of the proxy before it.",
                _ => "",
            },
            Self::Unidentified { .. } => IDENTIFY,
            Self::Redirected(_) => "Put the final address into ArtifactoryHost: no credential follows a redirect.",
            Self::Unintelligible { .. } => "Check ArtifactoryHost: what answers there is not Artifactory.",
            Self::Unavailable { cause: Some(cause), .. } if !cause.hint().is_empty() => cause.hint(),
            Self::Unavailable { .. } => {
                "Retry the stage when Artifactory is healthy again; what is stored already counts as published."
            }
            Self::Conflict { .. } => {
                "A published version is never changed: raise the version, or delete the existing one first."
            }
            Self::NotStored { seen: Seen::Forbidden, .. } => {
                "Give the secret's user the right to read the repository: success is reported only for what was seen."
            }
            Self::NotStored { seen: Seen::Other(_) | Seen::Nothing, .. } => {
                "See Artifactory's log; a plugin, a proxy that decodes paths, a replication, or for Maven snapshots a repository that keeps one build only (non-unique), may have changed or moved the file."
            }
            Self::NotTagged { .. } => {
                "Artifactory may compute this dist-tag by a rule of its own: choose another one, or retry the stage, which sets it again."
            }
            Self::Unsendable { .. } => "Change the name or the value that cannot be sent.",
            Self::Body(_) => "Change what the build hands over, then release the change again.",
            Self::Client(_) => "Check the stack's CA_CERTIFICATES and proxy settings.",
            Self::OutOfTime { .. } => "",
        }
    }

    /// Whether a file that was being sent may be in the repository: what refused the request itself did not store it.
    pub fn leaves_doubt(&self) -> bool {
        self.may_have_stored() || self.at().is_some_and(|at| at.purpose != Purpose::Send)
    }

    /// Whether the file may be in the repository all the same.
    pub fn may_have_stored(&self) -> bool {
        match self {
            Self::NotStored { .. } => true,
            Self::Unavailable { at, .. } if at.purpose == Purpose::Send => true,
            error => error.at().is_some_and(|at| at.purpose == Purpose::Properties),
        }
    }

    /// Status of the answer that it is about.
    pub fn status(&self) -> Option<u16> {
        self.at()?.status
    }

    /// The request that it is about.
    fn at(&self) -> Option<&At> {
        match self {
            Self::Unauthorized(at)
            | Self::Forbidden(at)
            | Self::NotFound(at)
            | Self::Rejected(at)
            | Self::Redirected(at)
            | Self::Unidentified { at, .. }
            | Self::Unintelligible { at, .. }
            | Self::Unavailable { at, .. } => Some(at),
            Self::OutOfTime { .. }
            | Self::Conflict { .. }
            | Self::NotStored { .. }
            | Self::NotTagged { .. }
            | Self::Unsendable { .. }
            | Self::Body(_)
            | Self::Client(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(purpose: Purpose, status: u16) -> At {
        At { purpose, method: "PUT".into(), path: "npm-local/left".into(), status: Some(status), said: "no".into() }
    }

    #[test]
    fn the_message_names_purpose_request_status_and_the_servers_words() {
        assert_eq!(
            RegistryError::Forbidden(at(Purpose::Send, 403)).to_string(),
            "publishing: PUT npm-local/left was answered with 403; the server said: no"
        );
    }

    #[test]
    fn what_to_do_about_a_rejection_is_about_what_was_rejected() {
        for (purpose, status, hint) in [
            (Purpose::Token, 400, "ArtifactoryHost"),
            (Purpose::Send, 400, "the package"),
            (Purpose::Send, 413, "upload limit"),
            (Purpose::Send, 414, "Properties"),
            (Purpose::Look, 431, "Properties"),
            (Purpose::Token, 407, "HTTP_PROXY"),
        ] {
            let said = RegistryError::Rejected(at(purpose, status)).hint();
            assert!(said.contains(hint), "{status}: {said}");
        }
    }

    #[test]
    fn rejections_are_the_packages_fault_unless_they_are_the_set_ups() {
        for (status, class) in [
            (400, Class::Package),
            (405, Class::Configuration),
            (406, Class::Configuration),
            (409, Class::Package),
            (413, Class::Package),
            (415, Class::Configuration),
            (422, Class::Package),
        ] {
            assert_eq!(RegistryError::Rejected(at(Purpose::Send, status)).class(), class, "{status}");
        }
        assert_eq!(RegistryError::Rejected(at(Purpose::Token, 400)).class(), Class::Configuration);
    }
}
