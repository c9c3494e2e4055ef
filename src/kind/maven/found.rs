//! A version as it was found in an artifact: its POM, its files, and what stands beside them that is not its own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::PackageError;
use super::gav::Gav;
use super::names::{is_archive, is_left_over, is_main, is_sidecar};
use super::refused;
use crate::archive::source::ReadAt;
use crate::archive::{Archive, Entry, EntryKind, Selection};
use crate::package::Digests;

/// Most names in a message.
const SHOWN: usize = 5;

/// A version, not yet looked into.
pub(super) struct Found {
    pub(super) gav: Gav,
    pub(super) packaging: String,
    pub(super) pom: PomFile,
    /// Everything but the POM.
    pub(super) files: Vec<File>,
    pub(super) warnings: Vec<String>,
}

/// The POM that is published.
pub(super) enum PomFile {
    /// As it lies in the artifact.
    Entry(Entry),
    /// From inside a jar.
    Inside {
        /// Jar and path.
        path: String,
        bytes: Arc<dyn ReadAt>,
    },
}

impl PomFile {
    /// Where it lies.
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Entry(entry) => entry.path(),
            Self::Inside { path, .. } => path,
        }
    }
}

/// A file of a version.
pub(super) struct File {
    pub(super) entry: Entry,
    /// What its name in the repository ends with, behind artifact and version: `.jar`, `-sources.jar`.
    pub(super) rest: String,
    /// Its digests, where they are known already.
    pub(super) digests: Option<Digests>,
}

impl File {
    pub(super) fn new(entry: Entry, rest: impl Into<String>) -> Self {
        Self { entry, rest: rest.into(), digests: None }
    }
}

/// The files of some folders, each with what is directly in it and looked at.
pub(super) struct Folders(HashMap<String, Vec<Entry>>);

impl Folders {
    /// Lists these folders.
    pub(super) fn list(archive: &Archive, selection: &Selection, wanted: HashSet<String>) -> Self {
        let mut folders: HashMap<String, Vec<Entry>> = wanted.into_iter().map(|folder| (folder, Vec::new())).collect();
        for entry in archive.entries().filter(|entry| entry.kind() != EntryKind::Directory) {
            let (folder, name) = split(entry.path());
            if let Some(files) = folders.get_mut(folder)
                && !is_sidecar(name)
                && selection.matches(entry.path())
            {
                files.push(entry);
            }
        }
        Self(folders)
    }

    /// What is directly in a folder.
    pub(super) fn of(&self, folder: &str) -> &[Entry] {
        self.0.get(folder).map_or(&[], Vec::as_slice)
    }
}

/// Takes the files of a version out of those of a folder: `rest_of` says how the name of one goes on. What is left
/// though it looks like a build's is told.
pub(super) fn take(files: &[Entry], warnings: &mut Vec<String>, rest_of: impl Fn(&str) -> Option<String>) -> Vec<File> {
    let mut taken = Vec::new();
    let mut left = Vec::new();
    for entry in files {
        let (_, name) = split(entry.path());
        match rest_of(name).filter(|rest| !is_left_over(rest)) {
            Some(rest) => taken.push(File::new(entry.clone(), rest)),
            None => left.push(entry.clone()),
        }
    }
    warnings.extend(left_out(&left));
    taken
}

/// That some of these are left though they look like a build's.
pub(super) fn left_out(files: &[Entry]) -> Option<String> {
    let left: Vec<&str> = files.iter().map(Entry::path).filter(|path| is_archive(path)).collect();
    (!left.is_empty()).then(|| format!("left out, because their names begin otherwise: {}", some(&left)))
}

/// The files of a folder, by what their names begin with.
pub(super) struct Sorted {
    pub(super) files: HashMap<String, Vec<File>>,
    /// Those that begin with nothing of it.
    pub(super) others: Vec<Entry>,
}

impl Sorted {
    /// Gives each file to the longest of these beginnings: `lib-1.0-rc1.jar` is no file of lib 1.0 where there is a lib
    /// 1.0-rc1, too.
    pub(super) fn by_stem(files: &[Entry], stems: &HashSet<String>) -> Self {
        let mut sorted = Self { files: HashMap::new(), others: Vec::new() };
        for entry in files {
            let (_, name) = split(entry.path());
            let ends = name.rmatch_indices(['.', '-']).filter_map(|(at, _)| name.split_at_checked(at));
            match ends.into_iter().find(|(stem, _)| stems.contains(*stem)) {
                Some((_, rest)) if is_left_over(rest) => {}
                Some((stem, rest)) => {
                    sorted.files.entry(stem.to_owned()).or_default().push(File::new(entry.clone(), rest));
                }
                None => sorted.others.push(entry.clone()),
            }
        }
        sorted
    }
}

impl Found {
    /// A version whose POM lies in the artifact.
    pub(super) fn new(gav: Gav, packaging: String, entry: Entry, files: Vec<File>, warnings: Vec<String>) -> Self {
        Self { gav, packaging, pom: PomFile::Entry(entry), files, warnings }
    }

    /// Refuses a version that is nothing but a POM though it says that there is more. `looked` is where that was sought
    /// and `begin` what its name would begin with.
    pub(super) fn complete(mut self, folders: &Folders, looked: &str, begin: &str) -> Result<Self, PackageError> {
        if self.packaging == "pom" || self.files.iter().any(|file| is_main(&file.rest)) {
            return Ok(self);
        }
        if !self.files.is_empty() {
            // Packages of native libraries and the like are nothing but classifiers.
            let problem = format!("says {} and has no main file: only files with classifiers", self.packaging);
            self.warnings.push(format!("{} {problem}", self.pom.path()));
            return Ok(self);
        }
        let (path, gav) = (self.pom.path(), &self.gav);
        let others: Vec<&str> = folders.of(looked).iter().map(|entry| split(entry.path()).1).collect();
        let others: Vec<&str> = others.into_iter().filter(|name| is_archive(name)).collect();
        let place = if looked.is_empty() { "the artifact's root" } else { looked };
        if others.is_empty() {
            let problem =
                format!("says that {gav} is packed as {}, but no file in {place} begins with {begin}", self.packaging);
            let remedy = "hand over what the build made beside the POM, or leave the POM out with Files";
            return Err(refused(path, &problem, remedy));
        }
        let problem =
            format!("says {gav}, but in {place} there are {} and none that begins with {begin}", some(&others));
        Err(refused(path, &problem, "hand over the files of one build, under the names that it gives them"))
    }
}

/// A few of these names, and how many more there are.
pub(super) fn some(names: &[&str]) -> String {
    let shown: Vec<&str> = names.iter().copied().take(SHOWN).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Folder and name of a path.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
