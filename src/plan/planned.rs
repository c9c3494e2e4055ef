//! What a package type plans, as a plan keeps it.

use std::borrow::Cow;

use super::{FilePlan, PackagePlan};
use crate::package::{Coordinates, Noun};
use crate::registry::url::RepoPath;
use crate::step::Rivals;

/// What a package type plans: a package, or one of the files that are none, of which there may be very many.
#[derive(Debug, Clone)]
pub enum Planned {
    /// A package, which may be much larger.
    Package(Box<PackagePlan>),
    /// A file.
    File(FilePlan),
}

impl Planned {
    /// How many files it has.
    pub fn files(&self) -> usize {
        match self {
            Self::Package(package) => package.steps.len(),
            Self::File(_) => 1,
        }
    }

    /// Name and version.
    pub fn of(&self) -> Cow<'_, Coordinates> {
        match self {
            Self::Package(package) => Cow::Borrowed(&package.of),
            Self::File(file) => Cow::Owned(Coordinates::file(&file.path())),
        }
    }

    /// The path of one of its files in the repository.
    pub fn path(&self, at: usize) -> Option<RepoPath> {
        match self {
            Self::Package(package) => Some(package.steps.get(at)?.file.path.clone()),
            Self::File(file) => (at == 0).then(|| file.path()),
        }
    }

    /// What is published.
    pub fn noun(&self) -> Noun {
        match self {
            Self::Package(package) => package.of.noun(),
            Self::File(_) => Noun::File,
        }
    }

    /// The package, where it is one.
    pub fn as_package(&self) -> Option<&PackagePlan> {
        match self {
            Self::Package(package) => Some(package),
            Self::File(_) => None,
        }
    }

    pub(super) fn rivals(&self) -> Option<(&str, &Rivals)> {
        match self {
            Self::Package(package) => package.rivals(),
            Self::File(_) => None,
        }
    }
}

impl From<PackagePlan> for Planned {
    fn from(package: PackagePlan) -> Self {
        Self::Package(Box::new(package))
    }
}
