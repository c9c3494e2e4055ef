//! What ends the work on a job before it is done.

use crate::failure::Failure;
use crate::plan::PackagePlan;
use crate::registry::RegistryError;

/// What stops a run before its end.
pub enum Stop {
    /// The job fails.
    Failed(Failure),
    /// Time is short.
    Unfinished,
    /// Another worker has taken the job over.
    Lost,
}

impl<F: Into<Failure>> From<F> for Stop {
    fn from(failure: F) -> Self {
        Self::Failed(failure.into())
    }
}

impl Stop {
    /// What stopped the work with Artifactory, on this package where it was about one.
    pub fn registry(source: RegistryError, of: Option<&PackagePlan>) -> Self {
        match source {
            RegistryError::OutOfTime { .. } => Self::Unfinished,
            source => Self::Failed(Failure::Registry { of: of.map(|package| package.of.clone()), source }),
        }
    }

    /// Whether Artifactory does not take the credential (any more).
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Failed(Failure::Registry { source: RegistryError::Unauthorized(_), .. }))
    }

    /// Whether a package that was being sent when this came may be stored all the same.
    pub fn leaves_doubt(&self) -> bool {
        matches!(self, Self::Failed(Failure::Registry { source, .. }) if source.leaves_doubt())
    }
}
