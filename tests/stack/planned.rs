//! What must be in the repository after a success.

use std::io::Read as _;

use serde_json::Value;

use super::REPOSITORY;
use super::artifactory::{self, Artifactory, StoredFile};

/// Files within an archive or an artifact: path and content.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// A file that must be in the repository.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    /// Key of the local repository.
    pub(crate) repository: &'static str,
    /// Its path there; of a snapshot with `SNAPSHOT`, which no stored file's name has.
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
    /// A file in the npm repository.
    pub(crate) fn npm(path: String, holds: Holds) -> Self {
        Self { repository: REPOSITORY, path, holds }
    }

    /// Whether each of its builds has a name of its own.
    pub(crate) fn is_snapshot(&self) -> bool {
        self.path.contains("-SNAPSHOT/")
    }

    /// Whether this file is it, or a build of it.
    pub(crate) fn fits(&self, file: &StoredFile) -> bool {
        let path = artifactory::unstamped(&file.path).map_or_else(|| file.path.clone(), |(_, path)| path);
        file.repository == self.repository && path == self.path
    }

    /// What of it is stored: a snapshot may be there in several builds.
    pub(crate) fn stored(&self, artifactory: &Artifactory) -> Vec<StoredFile> {
        if !self.is_snapshot() {
            return artifactory.stored_file(self.repository, &self.path).into_iter().collect();
        }
        artifactory.files(self.repository).into_iter().filter(|file| self.fits(file)).collect()
    }

    /// Its path in the build with this stamp.
    pub(crate) fn at(&self, stamp: Option<&str>) -> String {
        match (stamp, self.path.rsplit_once("SNAPSHOT")) {
            (Some(stamp), Some((before, behind))) if self.is_snapshot() => format!("{before}{stamp}{behind}"),
            _ => self.path.clone(),
        }
    }

    /// Its path in this address, where that is of it.
    pub(crate) fn path_in<'u>(&self, url: &'u str) -> Option<&'u str> {
        let slashes: Vec<usize> = url.match_indices('/').map(|(at, _)| at + 1).collect();
        let from = slashes.len().checked_sub(self.path.matches('/').count() + 1)?;
        let path = url.get(*slashes.get(from)?..)?;
        let plain = artifactory::unstamped(path).map_or_else(|| path.to_owned(), |(_, plain)| plain);
        (plain == self.path).then_some(path)
    }

    /// Whether the repository has it, of a snapshot in this build; else what is wrong.
    pub(crate) fn is_in(&self, artifactory: &Artifactory, stamp: Option<&str>) -> Result<(), String> {
        let path = &self.at(stamp);
        let stored = artifactory.file(self.repository, path).ok_or_else(|| format!("{path} is not there"))?;
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
