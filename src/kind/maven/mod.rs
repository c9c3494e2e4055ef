//! Maven packages, whoever built them: jars and whatever else belongs to a version, its POM last, put to their places in
//! the Maven 2 repository layout.

mod find;
mod found;
mod gav;
mod inside;
mod jars;
mod module;
mod names;
mod package;
mod pom;
mod project;
#[cfg(test)]
mod tests;

use super::{Kind, PackageError};
use crate::archive::Archive;
use crate::package::Target;
use crate::plan::PackagePlan;

/// The maven type.
pub struct Maven;

impl Kind for Maven {
    fn name(&self) -> &'static str {
        "maven"
    }

    fn endings(&self) -> &'static [&'static str] {
        &names::ARCHIVES
    }

    /// Repositories of these types have Maven's layout, or one that takes it.
    fn fits(&self, package_type: &str) -> bool {
        ["maven", "gradle", "sbt", "ivy"].iter().any(|fits| package_type.eq_ignore_ascii_case(fits))
    }

    fn tells_snapshots(&self) -> bool {
        true
    }

    fn plan(&self, archive: &Archive, target: &Target) -> Result<Vec<PackagePlan>, PackageError> {
        let found = find::find(archive, &target.files)?;
        if found.is_empty() {
            return Err(PackageError::NothingFound { kind: "maven", looked_for: looked_for(archive) });
        }
        found.into_iter().map(|found| package::planned(found, target)).collect()
    }
}

/// What would have been a package, and what is there.
fn looked_for(archive: &Archive) -> String {
    let names: Vec<String> = archive.entries().take(10).map(|entry| entry.path().to_owned()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    format!(
        "no pom.xml with its target folder, no .pom beside its files, no jar that holds its POM is looked at; the artifact holds {}",
        if names.is_empty() { "nothing".to_owned() } else { found::some(&names) }
    )
}

fn refused(path: &str, problem: &str, remedy: &str) -> PackageError {
    PackageError::Refused { path: path.to_owned(), problem: problem.to_owned(), remedy: remedy.to_owned() }
}
