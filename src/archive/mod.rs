//! An input artifact, read in place: the zip's directory is listed once, under limits, and single entries are
//! read when a plan needs them. Nothing is unpacked to disk under a name that the artifact chose.

mod bounds;
mod directory;
mod entry;
mod extents;
pub mod gzip;
pub mod likeness;
mod magic;
pub mod mirror;
pub mod selection;
pub mod source;
pub mod spool;
pub mod tarball;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};

use thiserror::Error;

use bounds::Bounds;
use directory::{Directory, Place, Record};
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
    source: Arc<dyn ReadAt>,
    records: Vec<Record>,
    /// Where the entries' bytes end.
    start: u64,
    extents: OnceLock<Bounds>,
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
        let Directory { records, start } = match magic::of(&source).map_err(unreadable)? {
            Magic::Zip => directory::list(&source)?,
            Magic::Gzip => {
                let (kind, size, place) = (EntryKind::File, source.size(), Place::Whole);
                let counted = AtomicBool::new(false);
                let whole = Record { path: alone.into(), kind, mode: None, size, place, counted };
                Directory { records: vec![whole], start: size }
            }
            Magic::Other(begins) => {
                return Err(ArchiveError::NotAZip(format!("{} bytes that begin with {begins}", source.size())));
            }
        };
        let extents = OnceLock::new();
        let inner = Inner { name: name.to_owned(), source, records, start, extents, inflated: AtomicU64::new(0) };
        Ok(Self(Arc::new(inner)))
    }

    /// Says that these entries will be read soon, so that their bytes can be on their way before.
    pub fn expect<'e>(&self, entries: impl IntoIterator<Item = &'e Entry>) {
        let bounds = self.0.extents.get_or_init(|| Bounds::of(&self.0.records, self.0.start));
        let places = entries.into_iter().filter_map(|entry| self.0.records.get(entry.index));
        self.0.source.expect(&bounds.ranges(places));
    }

    /// The artifact's name in the pipeline.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// All entries, in the order of their paths' bytes.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = Entry> + '_ {
        (0..self.0.records.len()).map(|index| Entry { archive: self.clone(), index })
    }

    /// All entries below a folder, in the order of their paths' bytes. The empty path is the artifact's root.
    pub fn below(&self, folder: &str) -> impl DoubleEndedIterator<Item = Entry> + '_ {
        let begin = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let first = self.0.records.partition_point(|record| *record.path < *begin);
        let rest = self.0.records.get(first..).unwrap_or_default();
        let count = rest.partition_point(|record| record.path.starts_with(&begin));
        (first..first + count).map(|index| Entry { archive: self.clone(), index })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.records.len()
    }

    /// Whether there is no entry at all.
    pub fn is_empty(&self) -> bool {
        self.0.records.is_empty()
    }

    /// The entry at exactly this path (no leading or trailing slash).
    pub fn find(&self, path: &str) -> Option<Entry> {
        let index = self.0.records.binary_search_by(|record| (*record.path).cmp(path)).ok()?;
        Some(Entry { archive: self.clone(), index })
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} entries)", self.0.name, self.0.records.len())
    }
}
