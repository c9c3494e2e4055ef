//! What ends a job without success: its type for CodePipeline, and what a person reads.
//! Everything here is reported to the pipeline; whatever is not a [`Failure`] breaks the tick and alarms us.

mod lists;
mod many;
mod progress;
mod remedy;

use std::borrow::Cow;
use std::fmt::Write as _;

use aws_sdk_codepipeline::types::FailureType;
use thiserror::Error;

use crate::action::ConfigError;
use crate::archive::ArchiveError;
use crate::aws::artifact::ArtifactError;
use crate::aws::{AwsError, Meaning};
use crate::credential::{INVOKE_MARK, SecretError};
use crate::invoke::UserParametersError;
use crate::kind::PackageError;
use crate::log::chain;
use crate::package::Coordinates;
use crate::plan::PlanError;
use crate::registry::url::{Base, BaseError, RepoKey, RepoPath};
use crate::registry::{Class, RegistryError};
use lists::{each, excerpt, list, outranked, shown};
pub use many::Many;
pub use progress::Progress;

/// Longest account of what failed, in characters: of the 5,000 that CodePipeline takes, the rest is for what was
/// published and what to do.
const ACCOUNT: usize = 2000;

/// Why a job failed.
#[derive(Debug, Error)]
pub enum Failure {
    /// The action's configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody says which secret.
    #[error("no secret is named: the action has no SecretId and the stack has no default secret")]
    NoSecret,
    /// Secrets Manager did not give the secret.
    #[error("the secret {id} could not be read")]
    SecretUnread {
        /// Name or ARN.
        id: String,
        /// The call's error.
        #[source]
        source: AwsError,
    },
    /// The secret's value is not of the right form.
    #[error("the secret {id} {source}")]
    SecretForm {
        /// Name or ARN.
        id: String,
        /// What is wrong.
        source: SecretError,
    },
    /// The secret's `url` is no base.
    #[error("the url in the secret {id} {source}")]
    SecretUrl {
        /// Name or ARN.
        id: String,
        /// What is wrong.
        source: BaseError,
    },
    /// The secret is not for this pipeline or repository.
    #[error("the secret {id} may not be used {what}")]
    SecretNotFor {
        /// Name or ARN.
        id: String,
        /// For what, e.g. `by the pipeline "web"`.
        what: String,
    },
    /// The secret is not marked for jobs that come in an event.
    #[error("the secret {id} may not be used by an Invoke action: its \"pipelines\" do not hold {INVOKE_MARK:?}")]
    SecretUnmarked {
        /// Name or ARN.
        id: String,
    },
    /// The configuration of an Invoke action.
    #[error(transparent)]
    UserParameters(#[from] UserParametersError),
    /// A job of an Invoke action that an earlier worker had. Its event is gone, and with it all that is known of the job.
    #[error(
        "the worker that had this job died, or its time ran out; the job of an Invoke action cannot be gone on with"
    )]
    InvokedLeft,
    /// Nobody says to which Artifactory the secret may be sent.
    #[error("the secret {id} is not bound to an Artifactory, so it was sent nowhere")]
    Unbound {
        /// Name or ARN.
        id: String,
    },
    /// The action names another Artifactory than the one the secret belongs to.
    #[error("ArtifactoryHost is {host}, but the secret {id} belongs to {bound}; the secret was not sent")]
    BoundElsewhere {
        /// Name or ARN.
        id: String,
        /// What the action says.
        host: Base,
        /// Where the secret belongs.
        bound: Base,
    },
    /// The job names no input artifact.
    #[error("the job has no input artifact")]
    NoInput,
    /// An artifact could not be read from S3.
    #[error("the input artifact {artifact} could not be read")]
    Input {
        /// The artifact's name.
        artifact: String,
        /// What S3 said.
        #[source]
        source: ArtifactError,
    },
    /// An artifact is not one that can be published from.
    #[error("the input artifact {artifact} {source}")]
    Archive {
        /// The artifact's name.
        artifact: String,
        /// What is wrong.
        source: ArchiveError,
    },
    /// The packages of an artifact cannot be published.
    #[error("{}", in_artifact(artifact, source))]
    Package {
        /// The artifact's name.
        artifact: String,
        /// What is wrong.
        source: PackageError,
    },
    /// The packages do not make a plan together.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The repository is of another type or cannot be deployed to.
    #[error("the repository {repository} {problem}")]
    Repository {
        /// The repository.
        repository: RepoKey,
        /// What is wrong, as the end of a sentence.
        problem: String,
    },
    /// Versions that are there with other content.
    #[error("{} in the repository with other content: {}", these(.0), list(.0))]
    Conflicts(Many<Conflict>),
    /// Nobody can tell what is in the place of these files.
    #[error("the user may not see in the repository {repository} whether a version exists already: {}", shown(.paths))]
    Unseen {
        /// The repository.
        repository: RepoKey,
        /// The files.
        paths: Many<RepoPath>,
        /// How the server refuses it.
        #[source]
        source: Option<RegistryError>,
    },
    /// Versions that would become the latest though higher ones are there.
    #[error("in the repository {repository} there is a higher version already, and no dist-tag is named for {}", outranked(.versions))]
    Outranked {
        /// The repository.
        repository: RepoKey,
        /// Each with the highest version that is there.
        versions: Many<(Coordinates, String)>,
    },
    /// Versions that are there, and the action says `existing=fail`.
    #[error("in the repository already, with the same content, while Options say existing=fail: {}", shown(.0))]
    Exists(Many<Coordinates>),
    /// Artifactory refused or failed.
    #[error("{}{source}", of.as_ref().map(|of| format!("{} {of}: ", of.noun().one())).unwrap_or_default())]
    Registry {
        /// The package, where it was about one.
        of: Option<Coordinates>,
        /// What happened.
        source: RegistryError,
    },
    /// An output artifact could not be written.
    #[error("the output artifact {artifact} could not be written")]
    Output {
        /// The artifact's name.
        artifact: String,
        /// What S3 said.
        #[source]
        source: ArtifactError,
    },
    /// No attempt at the job came to an end.
    #[error(
        "{attempts} attempts at this job came to no end: a worker died, or its time ran out and nothing more was done"
    )]
    DiedTooOften {
        /// How many.
        attempts: u32,
    },
    /// A person has had enough.
    #[error("the job was ended by hand (doctor)")]
    EndedByHand,
    /// A bug of ours.
    #[error("the publisher itself failed on this job")]
    Panicked,
}

/// A file that is there with other content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The package.
    pub of: Coordinates,
    /// Its path in the repository.
    pub path: RepoPath,
    /// Digest of what is there.
    pub theirs: String,
    /// Digest of what was to be published.
    pub ours: String,
    /// Which files differ and how; empty where that is not known.
    pub differences: String,
}

impl Failure {
    /// The type that CodePipeline is told.
    pub fn kind(&self) -> FailureType {
        match self {
            Self::Config(_)
            | Self::NoSecret
            | Self::SecretForm { .. }
            | Self::SecretUrl { .. }
            | Self::SecretNotFor { .. }
            | Self::SecretUnmarked { .. }
            | Self::UserParameters(_)
            | Self::Unbound { .. }
            | Self::BoundElsewhere { .. }
            | Self::NoInput
            | Self::Repository { .. } => FailureType::ConfigurationError,
            Self::SecretUnread { source, .. } => match source.meaning {
                Meaning::Denied | Meaning::Expired => FailureType::PermissionError,
                Meaning::NotFound | Meaning::Invalid | Meaning::Condition => FailureType::ConfigurationError,
                Meaning::Throttled | Meaning::Unavailable | Meaning::OutOfTime => FailureType::SystemUnavailable,
            },
            Self::Output { source: ArtifactError::S3 { source, .. }, .. } if source.meaning == Meaning::NotFound => {
                FailureType::ConfigurationError
            }
            Self::Unseen { source: None, .. } => FailureType::PermissionError,
            Self::InvokedLeft => FailureType::SystemUnavailable,
            Self::Input { source, .. } | Self::Output { source, .. } => artifact_kind(source),
            Self::Archive { .. }
            | Self::Package { .. }
            | Self::Plan(_)
            | Self::Conflicts(_)
            | Self::Exists(_)
            | Self::Outranked { .. }
            | Self::DiedTooOften { .. }
            | Self::EndedByHand
            | Self::Panicked => FailureType::JobFailed,
            Self::Registry { source, .. } | Self::Unseen { source: Some(source), .. } => match source.class() {
                Class::Configuration => FailureType::ConfigurationError,
                Class::Permission => FailureType::PermissionError,
                Class::Package | Class::Artifact => FailureType::JobFailed,
                Class::Unavailable | Class::OutOfTime => FailureType::SystemUnavailable,
            },
        }
    }

    /// Whether it is nobody's: a call to AWS had less time left than it is given. The next invocation has more.
    pub fn is_want_of_time(&self) -> bool {
        match self {
            Self::SecretUnread { source, .. }
            | Self::Input { source: ArtifactError::S3 { source, .. }, .. }
            | Self::Output { source: ArtifactError::S3 { source, .. }, .. } => source.meaning == Meaning::OutOfTime,
            _ => false,
        }
    }

    /// Everything that a person needs: what failed, where, what was and was not published, what to do.
    pub fn message(&self, progress: &Progress, external_execution_id: &str) -> String {
        let mut text = sentence(&excerpt(&chain(self), ACCOUNT));
        if let Some(place) = &progress.place {
            let _ = write!(text, "\nTarget: {place}.");
        }
        let _ = write!(text, "\n{}", self.published(progress));
        let _ = write!(text, "\nWhat to do: {}", self.remedy());
        let _ = write!(text, "\nLog: request id {external_execution_id}.");
        text
    }

    /// What is and what is not in the repository now, in words.
    fn published(&self, progress: &Progress) -> String {
        // There may be a hundred thousand of those, and never many of these.
        let mut done = progress.published().peekable();
        let mut doubtful: Vec<Cow<'_, Coordinates>> = progress.doubtful().collect();
        if let Self::Registry { of: Some(of), source } = self
            && source.may_have_stored()
            && !done.clone().any(|done| *done == *of)
            && !doubtful.iter().any(|doubtful| **doubtful == *of)
        {
            doubtful.push(Cow::Borrowed(of));
        }
        let mut partly = progress.partly_published().filter(|of| !doubtful.contains(of)).peekable();
        let mut left = progress.unpublished().filter(|of| !doubtful.contains(of)).peekable();
        let mut sentences = Vec::new();
        if done.peek().is_some() {
            sentences.push(format!("Published all the same: {}.", each(done)));
        }
        if partly.peek().is_some() {
            sentences.push(format!("Published in part, not all files: {}.", each(partly)));
        }
        if !doubtful.is_empty() {
            sentences.push(format!("May be stored nevertheless: {}.", each(doubtful.iter())));
        }
        sentences.push(match (progress.uncertain, sentences.is_empty(), left.peek().is_none()) {
            (true, _, true) => "An earlier attempt may have published something: see the repository.".to_owned(),
            (true, _, false) => format!("Not published, unless by an earlier attempt: {}.", each(left)),
            (false, true, true) => "Nothing was published.".to_owned(),
            (false, true, false) => format!("Nothing was published; not published: {}.", each(left)),
            (false, false, true) => return sentences.join(" "),
            (false, false, false) => format!("Not published: {}.", each(left)),
        });
        sentences.join(" ")
    }
}

/// What is in the way, as the beginning of a sentence.
fn these(conflicts: &Many<Conflict>) -> String {
    match conflicts.first() {
        [Conflict { of, .. }] => format!("this {} is", of.noun().fixed()),
        [Conflict { of, .. }, ..] => format!("these {}s are", of.noun().fixed()),
        [] => "nothing is".to_owned(),
    }
}

fn in_artifact(artifact: &str, error: &PackageError) -> String {
    match error {
        PackageError::Archive(_) => format!("the input artifact {artifact} {error}"),
        _ => format!("input artifact {artifact}: {error}"),
    }
}

/// The text as a sentence.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(String::from).unwrap_or_default();
    let rest = characters.as_str();
    // Names keep their letters: `left@1.0.0: …`, `left/-/left-1.0.0.tgz …`.
    let is_word = text.split(' ').next().is_some_and(|word| word.chars().all(char::is_alphabetic));
    let first = if is_word { first.to_uppercase() } else { first };
    let end = if rest.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    format!("{first}{rest}{end}")
}

fn artifact_kind(error: &ArtifactError) -> FailureType {
    match error {
        ArtifactError::NoPlace(_) | ArtifactError::Empty { .. } | ArtifactError::Changed { .. } => {
            FailureType::RevisionUnavailable
        }
        ArtifactError::NoCredentials(_) => FailureType::SystemUnavailable,
        ArtifactError::Report(_) | ArtifactError::Spool { .. } => FailureType::JobFailed,
        ArtifactError::S3 { source, .. } => match source.meaning {
            Meaning::NotFound => FailureType::RevisionUnavailable,
            Meaning::Denied | Meaning::Expired => FailureType::PermissionError,
            Meaning::Condition | Meaning::Invalid => FailureType::JobFailed,
            Meaning::Throttled | Meaning::Unavailable | Meaning::OutOfTime => FailureType::SystemUnavailable,
        },
    }
}

#[cfg(test)]
mod tests;
