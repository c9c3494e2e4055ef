//! npm packages.

use super::{Kind, PackageError};
use crate::archive::Archive;
use crate::package::Target;
use crate::plan::PackagePlan;

/// The npm package type.
pub struct Npm;

impl Kind for Npm {
    fn name(&self) -> &'static str {
        "npm"
    }

    fn options(&self) -> &'static [&'static str] {
        &["tag"]
    }

    fn plan(&self, _archive: &Archive, _target: &Target) -> Result<Vec<PackagePlan>, PackageError> {
        Ok(Vec::new())
    }
}
