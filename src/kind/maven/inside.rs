//! What a jar says about itself: the POM and its properties that Maven puts into `META-INF/maven/{group}/{artifact}`
//! (Maven Archiver, `addMavenDescriptor`).

use std::io::Write as _;
use std::sync::Arc;

use super::super::PackageError;
use super::gav::Gav;
use super::refused;
use crate::archive::nested::Inside;
use crate::archive::source::ReadAt;
use crate::archive::spool::Spool;
use crate::archive::{Archive, ArchiveError, Entry, MAX_MANIFEST};
use crate::package::Digests;

const DESCRIPTORS: &str = "META-INF/maven";

/// A jar, taken apart.
pub(super) struct Jar {
    pub(super) digests: Digests,
    /// What is in it; or why that cannot be told, though it may be a good jar for Java.
    inside: Result<Archive, String>,
}

/// What a `pom.properties` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) group: String,
    pub(super) artifact: String,
    pub(super) version: String,
}

/// A POM inside a jar, and what its properties say.
pub(super) struct Descriptor {
    pub(super) pom: Vec<u8>,
    pub(super) named: Option<Named>,
}

impl Jar {
    /// Reads the jar once to its end, and lists what is in it.
    pub(super) fn open(entry: &Entry) -> Result<Self, PackageError> {
        let Inside { digests, archive } = Inside::of(entry)?;
        let inside = match archive {
            Ok(archive) => Ok(archive),
            // Builds do write names twice, and Java reads such jars.
            Err(error @ (ArchiveError::Name { .. } | ArchiveError::TooMany(_) | ArchiveError::TooLarge { .. })) => {
                Err(error.to_string())
            }
            Err(error) => {
                let problem = format!("is not a sound jar: it {error}");
                return Err(refused(entry.path(), &problem, "build it again, or leave it out with Files"));
            }
        };
        Ok(Self { digests, inside })
    }

    /// A jar that is the artifact itself.
    pub(super) fn whole(archive: &Archive) -> Result<Self, PackageError> {
        let entry = archive.whole();
        let failed = |source| ArchiveError::Read { entry: entry.path().to_owned(), source };
        let digests = Digests::of(entry.open()?).map_err(failed)?;
        Ok(Self { digests, inside: Ok(archive.clone()) })
    }

    /// Sees whether the jar is the one that these coordinates are for. What comes back is a warning, where nobody can tell.
    pub(super) fn check(&self, path: &str, gav: &Gav, pom: &str) -> Result<Option<String>, PackageError> {
        let archive = match &self.inside {
            Ok(archive) => archive,
            Err(problem) => {
                return Ok(Some(format!(
                    "{path} {problem}; whether it says inside that it is {gav} was not looked at"
                )));
            }
        };
        let own = format!("{DESCRIPTORS}/{}/{}/pom.properties", gav.group(), gav.artifact());
        let found = match (archive.find(&own), descriptors(archive).as_slice()) {
            (Some(entry), _) => Some(entry),
            // One alone is that of the jar; several are those of jars that were merged into it.
            (None, [only]) => archive.find(&format!("{only}/pom.properties")),
            (None, _) => None,
        };
        let Some(found) = found else { return Ok(None) };
        let Named { group, artifact, version } = named(&found, path)?;
        match (group == gav.group(), artifact == gav.artifact()) {
            (true, true) if version == gav.version() => Ok(None),
            (false, false) => {
                Ok(Some(format!("{path} has {group}:{artifact}:{version} inside, and is published as {gav}")))
            }
            _ => Err(refused(
                path,
                &format!("says in {} that it is {group}:{artifact}:{version}, but {pom} says {gav}", found.path()),
                "hand over the files of one build only: clean before it builds",
            )),
        }
    }

    /// The folders in which jars describe themselves, where there are any.
    pub(super) fn descriptors(&self) -> Vec<String> {
        self.inside.as_ref().map(descriptors).unwrap_or_default()
    }

    /// The POM of one of those folders.
    pub(super) fn descriptor(&self, folder: &str, path: &str) -> Result<Option<Descriptor>, PackageError> {
        let Ok(archive) = &self.inside else { return Ok(None) };
        let Some(pom) = archive.find(&format!("{folder}/pom.xml")) else { return Ok(None) };
        let pom = pom.read_to_memory(MAX_MANIFEST).map_err(|error| unreadable(path, &error))?;
        let named = archive.find(&format!("{folder}/pom.properties"));
        let named = named.map(|entry| self::named(&entry, path)).transpose()?;
        Ok(Some(Descriptor { pom, named }))
    }
}

/// Bytes of a jar's inside as something that can be sent.
pub(super) fn kept(bytes: &[u8], path: &str) -> Result<Arc<dyn ReadAt>, PackageError> {
    let failed = |source| PackageError::Spool { path: path.to_owned(), source };
    let mut spool = Spool::default();
    spool.write_all(bytes).map_err(failed)?;
    spool.finish().map_err(failed)
}

/// The folders with a POM or its properties.
fn descriptors(archive: &Archive) -> Vec<String> {
    let below = archive.below(DESCRIPTORS);
    let folders = below.filter_map(|entry| {
        let (folder, name) = entry.path().rsplit_once('/')?;
        let is_one = matches!(name, "pom.xml" | "pom.properties") && folder.matches('/').count() == 3;
        is_one.then(|| folder.to_owned())
    });
    let mut folders: Vec<String> = folders.collect();
    folders.dedup();
    folders
}

fn unreadable(path: &str, error: &ArchiveError) -> PackageError {
    refused(path, &format!("is not a sound jar: it {error}"), "build it again, or leave it out with Files")
}

/// The three lines of a `pom.properties`, in Java's format of properties as far as coordinates need it.
fn named(entry: &Entry, path: &str) -> Result<Named, PackageError> {
    let bytes = entry.read_to_memory(MAX_MANIFEST).map_err(|error| unreadable(path, &error))?;
    let mut named = Named::default();
    for line in String::from_utf8_lossy(&bytes).lines().map(str::trim).filter(|line| !line.starts_with(['#', '!'])) {
        let Some((key, value)) = line.split_once(['=', ':']) else { continue };
        let value = value.trim().replace('\\', "");
        match key.trim() {
            "groupId" => named.group = value,
            "artifactId" => named.artifact = value,
            "version" => named.version = value,
            _ => {}
        }
    }
    Ok(named)
}
