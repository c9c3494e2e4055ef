//! What a person can do about each failure: the line of its message after "What to do".

use super::{Failure, sentence};
use crate::action::ConfigError;
use crate::aws::Meaning;
use crate::aws::artifact::ArtifactError;
use crate::credential::INVOKE_MARK;
use crate::kind::PackageError;
use crate::package::Noun;
use crate::plan::PlanError;

impl Failure {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Config(ConfigError::Password) => "Put user and password into a secret in Secrets Manager, name it in SecretId, remove Password from the action, and change the password.".to_owned(),
            Self::Config(_) => "Correct the action's configuration in the pipeline, then release the change again.".to_owned(),
            Self::NoSecret => "Name a secret in the action's SecretId, or set the stack's parameter for a default secret.".to_owned(),
            Self::SecretUnread { source, .. } => match source.meaning {
                Meaning::Denied | Meaning::Expired => {
                    "The function's role reads only secrets that carry the tag codepipeline-artifactory: tag the secret, and allow kms:Decrypt where it has a key of its own.".to_owned()
                }
                Meaning::NotFound => "Create the secret in this region and account, or correct SecretId.".to_owned(),
                Meaning::Invalid | Meaning::Condition => "Store the credential as text (SecretString) in a secret that is not being deleted.".to_owned(),
                Meaning::Throttled | Meaning::Unavailable | Meaning::OutOfTime => "Retry the stage.".to_owned(),
            },
            Self::SecretForm { .. } => "Correct the secret's value; the README lists its members.".to_owned(),
            Self::SecretUrl { .. } => "Correct the secret's url: the Artifactory that it belongs to, such as https://acme.jfrog.io.".to_owned(),
            Self::SecretNotFor { .. } => "Use a secret that is meant for this pipeline and repository, or extend this one's \"pipelines\" or \"repositories\".".to_owned(),
            Self::SecretUnmarked { .. } => format!("Add {INVOKE_MARK:?} to the secret's \"pipelines\" if whoever may invoke the function may use it; or use the custom action instead of the Invoke action."),
            Self::UserParameters(_) => "Correct the action's UserParameters in the pipeline, then release the change again.".to_owned(),
            Self::InvokedLeft => "Retry the stage: what was published is found and left as it is. If it happens again, raise the stack's MemorySize or Timeout; the jobs of the custom action are gone on with.".to_owned(),
            Self::Unbound { .. } => "Put \"url\" into the secret, or set the stack's ArtifactoryUrl.".to_owned(),
            Self::BoundElsewhere { .. } => "Correct ArtifactoryHost, or use a secret that belongs to that Artifactory.".to_owned(),
            Self::NoInput => "Give the action an input artifact: the output of the build.".to_owned(),
            Self::Output { .. } => "Check the pipeline's artifact store, its encryption key and the rights of the pipeline's role, then retry the stage: what is published already is left as it is.".to_owned(),
            Self::Input { source, .. } => artifact_remedy(source),
            Self::Archive { .. } => "Change what the build hands over, then release the change again.".to_owned(),
            Self::Package { source, .. } => match source {
                PackageError::Refused { remedy, .. } => sentence(remedy),
                PackageError::NothingFound { .. } => "Check the build's artifacts (base-directory and files in its buildspec), the action's TypeOfArtifact and Files.".to_owned(),
                PackageError::Option { .. } => "Correct Options in the action's configuration.".to_owned(),
                PackageError::Archive(_) => "Change what the build hands over, then release the change again.".to_owned(),
                PackageError::Spool { .. } => "Raise the stack's ephemeral storage, then retry the stage.".to_owned(),
            },
            Self::Plan(PlanError::SamePlace { .. }) => "Take one of the two with Files, or keep their folders apart: what is above a pattern's first wildcard is left away.".to_owned(),
            Self::Plan(PlanError::Property { .. }) => "Correct Properties in the action's configuration.".to_owned(),
            Self::Plan(_) => "Hand over each package once; narrow what is published with Files.".to_owned(),
            Self::Repository { .. } => "Correct RepoKey or TypeOfArtifact; publish to a local repository, or to a virtual one with a default deployment repository.".to_owned(),
            Self::Conflicts(conflicts) if conflicts.first().iter().any(|conflict| conflict.of.noun() == Noun::File) => "A published file is never changed. Publish to another TargetPath, e.g. with {execution} or a version in it; or, if what is there is wrong, delete it in Artifactory and retry the stage.".to_owned(),
            Self::Conflicts(_) => "A published version is never changed. Raise the version and release again; or, if what is there is wrong, delete it in Artifactory and retry the stage.".to_owned(),
            Self::Unseen { .. } => "Give the secret's user the right to read the repository: a version that exists must never be overwritten unseen.".to_owned(),
            Self::Outranked { .. } => "Raise the version; or, to publish an older line, name a dist-tag for it: Options tag=legacy (or publishConfig.tag). tag=latest moves latest back on purpose.".to_owned(),
            Self::Exists(all) if all.first().iter().any(|of| of.noun() == Noun::File) => "Publish to another TargetPath, or let identical files pass with existing=skip-identical.".to_owned(),
            Self::Exists(_) => "Raise the version, or let identical versions pass with existing=skip-identical.".to_owned(),
            Self::Registry { source, .. } => match source.hint() {
                "" => "See what the server said above; retrying the stage is safe.".to_owned(),
                hint => hint.to_owned(),
            },
            Self::DiedTooOften { .. } => "Look into the log of the runs; if the function ran out of memory or time, raise them, then retry the stage.".to_owned(),
            Self::EndedByHand => "Retry the stage: what is published already is left as it is.".to_owned(),
            Self::Panicked => "This is a bug of the publisher: report it with the log of this run. Retrying the stage is safe.".to_owned(),
        }
    }
}

fn artifact_remedy(error: &ArtifactError) -> String {
    match error {
        ArtifactError::NoCredentials(_) => "Retry the stage; if it happens again, check the pipeline's role and artifact store.",
        ArtifactError::NoPlace(_) => "Check that the action before this one writes the artifact.",
        ArtifactError::Empty { .. } => "Check the build's artifacts: it handed over an empty file.",
        ArtifactError::Changed { .. } => "Release the change again.",
        ArtifactError::Report(_) => "Retry the stage.",
        ArtifactError::Spool { .. } => "Raise the stack's ephemeral storage, then retry the stage.",
        ArtifactError::S3 { source, .. } => match source.meaning {
            Meaning::NotFound => "The object is gone (artifact stores expire): release the change again instead of retrying the stage.",
            Meaning::Expired => "Retry the stage: its job gets credentials of its own. The job of a custom action also gets fresh ones while it runs.",
            Meaning::Denied => "Rights on artifacts belong to the pipeline's role: check its policy, the bucket's policy and the KMS key. S3 gives the same answer for an object that is gone: then release the change again.",
            Meaning::Condition | Meaning::Invalid => "Check the pipeline's artifact store and its encryption key.",
            Meaning::Throttled | Meaning::Unavailable | Meaning::OutOfTime => "Retry the stage.",
        },
    }
    .to_owned()
}
