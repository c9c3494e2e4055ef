//! What must be in the repository after a success.

use std::io::Read as _;

use serde_json::Value;

use super::REPOSITORY;
use super::artifactory::Artifactory;

/// Files within an archive or an artifact: path and content.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// A file that must be in the repository.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) path: String,
    pub(crate) holds: Holds,
}

/// What a stored archive must be.
#[derive(Debug, Clone)]
pub(crate) enum Holds {
    /// These bytes.
    Bytes(Vec<u8>),
    /// An archive that we pack: these entries.
    Entries(Files),
    /// An archive that we pack, of this package.
    Package { name: String, version: String },
}

/// Where an npm package's archive goes.
pub(crate) fn tarball(name: &str, version: &str) -> String {
    format!("{name}/-/{name}-{version}.tgz")
}

impl Planned {
    /// Whether the repository has it; else what is wrong.
    pub(crate) fn is_in(&self, artifactory: &Artifactory) -> Result<(), String> {
        let path = &self.path;
        let stored = artifactory.file(REPOSITORY, path).ok_or_else(|| format!("{path} is not there"))?;
        let entries = || entries(&stored).map_err(|error| format!("{path} is no archive: {error}"));
        let same = match &self.holds {
            Holds::Bytes(bytes) => stored == *bytes,
            Holds::Entries(files) => {
                let (mut found, mut files) = (entries()?, files.clone());
                files.sort();
                found.sort();
                found == files
            }
            Holds::Package { name, version } => entries()?.iter().any(|(path, content)| {
                let manifest: Value = serde_json::from_slice(content).unwrap_or_default();
                path == "package/package.json" && manifest["name"] == **name && manifest["version"] == **version
            }),
        };
        if same { Ok(()) } else { Err(format!("{path} holds something else")) }
    }
}

fn entries(archive: &[u8]) -> std::io::Result<Files> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let mut files = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        files.push((path, content));
    }
    Ok(files)
}
