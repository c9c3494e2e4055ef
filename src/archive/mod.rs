//! An input artifact, read in place: the zip's directory is listed once, under limits, and single entries are
//! read when a plan needs them. Nothing is unpacked to disk under a name that the artifact chose.

mod bounds;
mod directory;
mod ending;
mod entry;
mod extents;
mod fields;
pub mod gzip;
mod header;
pub mod likeness;
mod magic;
pub mod mirror;
pub mod nested;
pub mod selection;
pub mod source;
pub mod spool;
pub mod tarball;
#[cfg(test)]
mod tests;
pub mod watched;

use std::borrow::Borrow;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use thiserror::Error;

use directory::Directory;
pub use entry::{Entry, EntryReader};
use magic::Magic;
pub use selection::Selection;
use source::ReadAt;

/// Most entries of one artifact (README, Limits).
pub const MAX_ENTRIES: usize = 100_000;
/// Largest central directory of one artifact, in bytes.
pub const MAX_DIRECTORY: u64 = 32 << 20;
/// Most bytes, inflated, that planning and publishing may read of one artifact.
pub const MAX_INFLATED: u64 = 16 << 30;
/// Largest manifest (package.json, METADATA, POM, …), in bytes.
pub const MAX_MANIFEST: u64 = 4 << 20;

/// What is wrong with an artifact, always with the entry that it is about.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// Neither a zip nor anything that could be a package by itself.
    #[error("is not a zip: {0}")]
    NotAZip(String),
    /// An entry whose name could lead out of the artifact, or that is there twice.
    #[error("has an entry {entry:?} that {problem}")]
    Name {
        /// The entry's name as the artifact spells it.
        entry: String,
        /// What is wrong with it, as the end of a sentence.
        problem: &'static str,
    },
    /// More than [`MAX_ENTRIES`], or a directory of more than [`MAX_DIRECTORY`] bytes.
    #[error("has {0}")]
    TooMany(String),
    /// More bytes than the limit that is named.
    #[error("has an entry {entry:?} that is too large: {size} bytes, the limit is {limit}")]
    TooLarge {
        /// The entry's name.
        entry: String,
        /// Its declared size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// More than [`MAX_INFLATED`] in all.
    #[error("would inflate to more than {MAX_INFLATED} bytes")]
    Inflated,
    /// Encrypted, or compressed by a method other than deflate.
    #[error("has an entry {entry:?} that cannot be read: {problem}")]
    Unsupported {
        /// The entry's name.
        entry: String,
        /// What is not supported.
        problem: String,
    },
    /// The bytes do not arrive, or are not what the directory says.
    #[error("has an entry {entry:?} that cannot be read")]
    Read {
        /// The entry's name.
        entry: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link: never followed, never published.
    Symlink,
}

#[derive(Debug)]
struct Inner {
    name: String,
    /// What it would be called as a file of its own.
    alone: String,
    source: Arc<dyn ReadAt>,
    directory: Directory,
    inflated: AtomicU64,
}

/// An input artifact whose entries can be read. Cloning shares it.
#[derive(Clone)]
pub struct Archive(Arc<Inner>);

impl Archive {
    /// Lists the artifact called `name`. A zip is known by its first bytes; anything else that begins like a
    /// gzip is a package by itself and becomes the single entry `alone`.
    pub fn open(source: Arc<dyn ReadAt>, name: &str, alone: &str) -> Result<Self, ArchiveError> {
        let unreadable = |source| ArchiveError::Read { entry: name.to_owned(), source };
        let directory = match magic::of(&source).map_err(unreadable)? {
            Magic::Zip => Directory::list(&source, name)?,
            Magic::Gzip => Directory::alone(alone, source.size()),
            Magic::Other(begins) => {
                return Err(ArchiveError::NotAZip(format!("{} bytes that begin with {begins}", source.size())));
            }
        };
        Ok(Self::new(source, name, alone, directory))
    }

    /// Lists a zip that is called `name`, and that nothing but a zip will do for.
    pub fn open_zip(source: Arc<dyn ReadAt>, name: &str) -> Result<Self, ArchiveError> {
        let directory = Directory::list(&source, name)?;
        Ok(Self::new(source, name, name, directory))
    }

    fn new(source: Arc<dyn ReadAt>, name: &str, alone: &str, directory: Directory) -> Self {
        let (name, alone) = (name.to_owned(), alone.to_owned());
        Self(Arc::new(Inner { name, alone, source, directory, inflated: AtomicU64::new(0) }))
    }

    /// The artifact itself as a file: for those that are a package though they are a zip.
    pub fn whole(&self) -> Entry {
        let Inner { name, alone, source, .. } = &*self.0;
        let directory = Directory::alone(alone, source.size());
        Entry { archive: Self::new(Arc::clone(source), name, alone, directory), index: 0 }
    }

    /// Says that these entries will be read soon, so that their bytes can be on their way before.
    pub fn expect(&self, entries: impl IntoIterator<Item = impl Borrow<Entry>>) {
        let directory = &self.0.directory;
        let records = entries.into_iter().map(|entry| directory.record(entry.borrow().index));
        self.0.source.expect(&directory.bounds().ranges(records));
    }

    /// The artifact's name in the pipeline.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// All entries, in the order of their paths' bytes.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = Entry> + '_ {
        (0..self.len()).map(|index| Entry { archive: self.clone(), index })
    }

    /// All entries below a folder, in the order of their paths' bytes. The empty path is the artifact's root.
    pub fn below(&self, folder: &str) -> impl DoubleEndedIterator<Item = Entry> + '_ {
        let begin = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        self.0.directory.beginning(&begin).map(|index| Entry { archive: self.clone(), index })
    }

    /// The entry with this number, which [`Entry::into_parts`] told.
    pub(crate) fn at(&self, number: u32) -> Entry {
        Entry { archive: self.clone(), index: number as usize }
    }

    /// Its path.
    pub(crate) fn path_at(&self, number: u32) -> &str {
        let directory = &self.0.directory;
        directory.path(directory.record(number as usize))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.directory.len()
    }

    /// Whether there is no entry at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry at exactly this path (no leading or trailing slash).
    pub fn find(&self, path: &str) -> Option<Entry> {
        let index = self.0.directory.find(path)?;
        Some(Entry { archive: self.clone(), index })
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} entries)", self.0.name, self.0.directory.len())
    }
}
