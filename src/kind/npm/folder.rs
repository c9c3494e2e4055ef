//! A package's folder inside the artifact: its files by the paths that they have in the package.

use super::super::PackageError;
use crate::archive::{Archive, Entry, EntryKind};

/// Deepest nesting of folders in a package.
const MAX_FOLDERS: usize = 128;
/// Longest file name in bytes, as file systems have it.
const MAX_NAME: usize = 255;

/// What is at a path of a [`Folder`].
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// Nothing.
    Nothing,
    /// A regular file.
    File(&'a Entry),
    /// Some file lies below it.
    Folder,
    /// A symbolic link, which is never followed.
    Symlink,
}

/// The files and symbolic links below one folder, in the order of their paths' bytes.
#[derive(Debug)]
pub(super) struct Folder {
    path: String,
    entries: Vec<Entry>,
    prefix: usize,
}

impl Folder {
    /// The folder at `path`; empty for the artifact's root.
    pub(super) fn new(archive: &Archive, path: &str) -> Result<Self, PackageError> {
        let prefix = if path.is_empty() { 0 } else { path.len() + 1 };
        let mut entries = Vec::new();
        for entry in archive.below(path) {
            if entry.kind() == EntryKind::Directory {
                continue;
            }
            let inner = entry.path().get(prefix..).unwrap_or_default();
            if inner.split('/').count() > MAX_FOLDERS {
                return Err(refused(&entry, format!("lies more than {MAX_FOLDERS} folders deep")));
            }
            if inner.split('/').any(|name| name.len() > MAX_NAME) {
                return Err(refused(&entry, format!("has a name of more than {MAX_NAME} bytes")));
            }
            entries.push(entry);
        }
        Ok(Self { path: path.to_owned(), entries, prefix })
    }

    /// The folder at a path inside this one, with the same files by shorter paths.
    pub(super) fn within(&self, inner: &str) -> Self {
        let begin = format!("{inner}/");
        let from = self.entries.partition_point(|entry| *self.inner(entry) < *begin);
        let rest = self.entries.get(from..).unwrap_or_default();
        let count = rest.partition_point(|entry| self.inner(entry).starts_with(&begin));
        Self {
            path: self.outer(inner),
            entries: rest.get(..count).unwrap_or_default().to_vec(),
            prefix: self.prefix + begin.len(),
        }
    }

    /// The folder's path in the artifact; empty for its root.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Where in the artifact `inner` is.
    pub(super) fn outer(&self, inner: &str) -> String {
        if self.path.is_empty() { inner.to_owned() } else { format!("{}/{inner}", self.path) }
    }

    /// How many bytes of an entry's path are the folder's own.
    pub(super) fn prefix(&self) -> usize {
        self.prefix
    }

    /// All files and symbolic links.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry's path inside the package.
    pub(super) fn inner<'a>(&self, entry: &'a Entry) -> &'a str {
        entry.path().get(self.prefix..).unwrap_or_default()
    }

    /// What is at a path inside the package.
    pub(super) fn find(&self, inner: &str) -> Found<'_> {
        if inner.is_empty() {
            return Found::Folder;
        }
        let at = self.entries.partition_point(|entry| self.inner(entry) < inner);
        if let Some(entry) = self.entries.get(at)
            && self.inner(entry) == inner
        {
            return match entry.kind() {
                EntryKind::Symlink => Found::Symlink,
                _ => Found::File(entry),
            };
        }
        let below = format!("{inner}/");
        let at = self.entries.partition_point(|entry| self.inner(entry) < below.as_str());
        match self.entries.get(at) {
            Some(entry) if self.inner(entry).starts_with(&below) => Found::Folder,
            _ => Found::Nothing,
        }
    }
}

fn refused(entry: &Entry, problem: String) -> PackageError {
    PackageError::Refused { path: entry.path().to_owned(), problem, remedy: "leave it out of the artifact".to_owned() }
}
