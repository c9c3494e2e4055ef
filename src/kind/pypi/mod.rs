//! Python packages: wheels and source distributions as a build has made them, each with the metadata from inside it, sent
//! to a release as twine sends them. Nothing is built here.

mod filename;
mod find;
mod form;
mod inside;
mod metadata;
mod release;
#[cfg(test)]
mod tests;
mod version;

use super::{Kind, PackageError};
use crate::archive::Archive;
use crate::package::Target;
use crate::plan::PackagePlan;

/// The pypi package type.
pub struct Pypi;

impl Kind for Pypi {
    fn name(&self) -> &'static str {
        "pypi"
    }

    /// Older source distributions are zips, whose names tell nothing.
    fn endings(&self) -> &'static [&'static str] {
        &[".whl", ".tar.gz"]
    }

    fn plan(&self, archive: &Archive, target: &Target) -> Result<Vec<PackagePlan>, PackageError> {
        let distributions = find::find(archive, &target.files)?;
        release::releases(distributions).into_iter().map(|release| release.plan(archive, target)).collect()
    }
}

fn refused(path: &str, problem: &str, remedy: &str) -> PackageError {
    PackageError::Refused { path: path.to_owned(), problem: problem.to_owned(), remedy: remedy.to_owned() }
}
