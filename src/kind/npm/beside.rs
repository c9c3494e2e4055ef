//! What lies beside a `package.json` and bears on the manifest that is sent: the read-me, type declarations, a
//! `*.gyp` file, the folder of manuals.

use super::super::PackageError;
use super::folder::{Folder, Found};
use crate::archive::{EntryKind, MAX_MANIFEST};

/// A package's files, in a folder or in a ready archive.
pub(super) trait Beside {
    /// The paths of all regular files, in the order of their bytes.
    fn files(&self) -> Box<dyn Iterator<Item = &str> + '_>;

    /// Whether there is such a file or folder.
    fn has(&self, path: &str) -> bool;

    /// The text of a file at the root; of an archive only that of a read-me and of `AUTHORS`.
    fn text(&self, path: &str) -> Result<Option<String>, PackageError>;
}

impl Beside for Folder {
    fn files(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.entries().iter().filter(|entry| entry.kind() == EntryKind::File).map(|entry| self.inner(entry)))
    }

    fn has(&self, path: &str) -> bool {
        matches!(self.find(path), Found::File(_) | Found::Folder)
    }

    fn text(&self, path: &str) -> Result<Option<String>, PackageError> {
        match self.find(path) {
            Found::File(entry) => {
                let bytes = entry.read_to_memory(MAX_MANIFEST)?;
                Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
            }
            _ => Ok(None),
        }
    }
}
