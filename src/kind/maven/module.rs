//! Gradle's module metadata: of which module it says that it is ("Gradle Module Metadata specification", `component`).

use serde::Deserialize;

use super::super::PackageError;
use super::gav::Gav;
use super::refused;
use crate::archive::{Entry, MAX_MANIFEST};

#[derive(Deserialize)]
struct Metadata {
    component: Option<Component>,
}

#[derive(Deserialize)]
struct Component {
    group: String,
    module: String,
    version: String,
    /// Where the module is that it belongs to, if that is another one.
    url: Option<String>,
}

/// Refuses metadata of another module: Gradle reads it in place of the POM.
pub(super) fn check(entry: &Entry, gav: &Gav, pom: &str) -> Result<(), PackageError> {
    let bytes = entry.read_to_memory(MAX_MANIFEST)?;
    let metadata: Metadata = serde_json::from_slice(&bytes).map_err(|error| {
        let problem = format!("is no module metadata of Gradle: {error}");
        refused(entry.path(), &problem, "build it again, or leave it out with Files")
    })?;
    let Some(Component { group, module, version, url: None }) = metadata.component else { return Ok(()) };
    if (group.as_str(), module.as_str(), version.as_str()) == (gav.group(), gav.artifact(), gav.version()) {
        return Ok(());
    }
    let problem = format!("says that it is {group}:{module}:{version}, but {pom} says {gav}");
    Err(refused(entry.path(), &problem, "hand over the files of one build only: clean before it builds"))
}
