//! An input artifact, read in place: the zip's directory is listed once, under limits, and single entries are
//! read when a plan needs them. Nothing is unpacked to disk under a name that the artifact chose.

pub mod selection;
pub mod source;
pub mod spool;

use std::fmt;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flate2::read::DeflateDecoder;
use thiserror::Error;
use zip::CompressionMethod;
use zip::read::Config;
use zip::unstable::read::ZipIterable;

pub use selection::Selection;
use source::{Cursor, ReadAt};

/// Most entries of one artifact (design, limits).
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

#[derive(Debug, Clone, Copy)]
enum Place {
    /// Behind a local header at this offset of the zip.
    Zip { header: u64, stored: u64, method: Method, crc32: u32 },
    /// The object itself.
    Whole,
}

#[derive(Debug, Clone, Copy)]
enum Method {
    Stored,
    Deflated,
    Other,
    Encrypted,
}

#[derive(Debug)]
struct Record {
    path: Box<str>,
    kind: EntryKind,
    mode: Option<u32>,
    size: u64,
    place: Place,
    counted: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    name: String,
    source: Arc<dyn ReadAt>,
    records: Vec<Record>,
    inflated: AtomicU64,
}

/// An input artifact whose entries can be read. Cloning shares it.
#[derive(Clone)]
pub struct Archive(Arc<Inner>);

/// One entry of an [`Archive`], readable as often as needed.
#[derive(Clone)]
pub struct Entry {
    archive: Archive,
    index: usize,
}

impl Archive {
    /// Lists the artifact called `name`. A zip is known by its first bytes; anything else that begins like a
    /// gzip is a package by itself and becomes the single entry `alone`.
    pub fn open(source: Arc<dyn ReadAt>, name: &str, alone: &str) -> Result<Self, ArchiveError> {
        let mut magic = [0; 4];
        let unreadable = |source| ArchiveError::Read { entry: name.to_owned(), source };
        let mut got = 0;
        while let Some(rest) = magic.get_mut(got..).filter(|rest| !rest.is_empty()) {
            match source.read_at(got as u64, rest).map_err(unreadable)? {
                0 => break,
                count => got += count,
            }
        }
        let records = match magic {
            [b'P', b'K', 3, 4] | [b'P', b'K', 5, 6] => list(&source)?,
            [0x1f, 0x8b, ..] => vec![Record {
                path: alone.into(),
                kind: EntryKind::File,
                mode: None,
                size: source.size(),
                place: Place::Whole,
                counted: AtomicBool::new(false),
            }],
            other => {
                let begins = other.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
                return Err(ArchiveError::NotAZip(format!("{} bytes that begin with {begins}", source.size())));
            }
        };
        Ok(Self(Arc::new(Inner { name: name.to_owned(), source, records, inflated: AtomicU64::new(0) })))
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

impl Entry {
    #[expect(clippy::indexing_slicing, reason = "an Entry is made only by its archive, whose records never change")]
    fn record(&self) -> &Record {
        &self.archive.0.records[self.index]
    }

    /// Path inside the artifact: relative, `/` between segments, no trailing slash.
    pub fn path(&self) -> &str {
        &self.record().path
    }

    /// What the entry is.
    pub fn kind(&self) -> EntryKind {
        self.record().kind
    }

    /// Unix permission bits (`0o7777`), where the zip records them.
    pub fn mode(&self) -> Option<u32> {
        self.record().mode
    }

    /// Declared inflated size in bytes; a stream of any other length is an error.
    pub fn size(&self) -> u64 {
        self.record().size
    }

    /// The archive that the entry belongs to.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Begins reading the inflated bytes. The reader fails where the bytes are more, fewer or others than the
    /// directory declares.
    pub fn open(&self) -> Result<EntryReader, ArchiveError> {
        let record = self.record();
        if !record.counted.swap(true, Ordering::Relaxed) {
            let before = self.archive.0.inflated.fetch_add(record.size, Ordering::Relaxed);
            if before.checked_add(record.size).is_none_or(|total| total > MAX_INFLATED) {
                return Err(ArchiveError::Inflated);
            }
        }
        let source = Arc::clone(&self.archive.0.source);
        let (bytes, crc32): (Box<dyn Read + Send>, _) = match record.place {
            Place::Whole => (Box::new(Cursor::new(source, 0)), None),
            Place::Zip { header, stored, method, crc32 } => {
                let unsupported =
                    |problem: String| ArchiveError::Unsupported { entry: record.path.to_string(), problem };
                let raw = local_data(&source, header)
                    .map_err(|source| ArchiveError::Read { entry: record.path.to_string(), source })?
                    .take(stored);
                let reader: Box<dyn Read + Send> = match method {
                    Method::Stored => Box::new(raw),
                    Method::Deflated => Box::new(DeflateDecoder::new(BufReader::with_capacity(64 << 10, raw))),
                    Method::Other => return Err(unsupported("its compression method is not deflate".to_owned())),
                    Method::Encrypted => return Err(unsupported("it is encrypted".to_owned())),
                };
                (reader, Some(crc32))
            }
        };
        Ok(EntryReader { bytes, left: record.size, crc32, crc: flate2::Crc::new() })
    }

    /// Reads the whole entry into memory, at most `limit` bytes.
    pub fn read_to_memory(&self, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        if self.size() > limit {
            return Err(ArchiveError::TooLarge { entry: self.path().to_owned(), size: self.size(), limit });
        }
        let mut bytes = Vec::new();
        self.open()?
            .read_to_end(&mut bytes)
            .map_err(|source| ArchiveError::Read { entry: self.path().to_owned(), source })?;
        Ok(bytes)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.archive.0.name, self.path())
    }
}

/// The inflated bytes of an entry, checked against its declared size and CRC-32.
pub struct EntryReader {
    bytes: Box<dyn Read + Send>,
    left: u64,
    crc32: Option<u32>,
    crc: flate2::Crc,
}

impl Read for EntryReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let lie = |problem: &str| Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.bytes.read(buffer)?;
        if count == 0 {
            return match self.crc32 {
                _ if self.left > 0 => lie("it is shorter than the zip's directory says"),
                Some(expected) if expected != self.crc.sum() => {
                    lie("its checksum is not the one in the zip's directory")
                }
                _ => Ok(0),
            };
        }
        self.left = match self.left.checked_sub(count as u64) {
            Some(left) => left,
            None => return lie("it is longer than the zip's directory says"),
        };
        self.crc.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl fmt::Debug for EntryReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes to read", self.left)
    }
}

/// Where the data behind a local header begins (APPNOTE 4.3.7: 30 fixed bytes, then name and extra field,
/// whose lengths may differ from those in the directory).
fn local_data(source: &Arc<dyn ReadAt>, header: u64) -> io::Result<Cursor> {
    let mut cursor = Cursor::new(Arc::clone(source), header);
    let mut fixed = [0; 30];
    cursor.read_exact(&mut fixed)?;
    let [b'P', b'K', 3, 4, .., n0, n1, e0, e1] = fixed else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "there is no local header where the directory says"));
    };
    let skip = i64::from(u16::from_le_bytes([n0, n1])) + i64::from(u16::from_le_bytes([e0, e1]));
    cursor.seek(SeekFrom::Current(skip))?;
    Ok(cursor)
}

fn list(source: &Arc<dyn ReadAt>) -> Result<Vec<Record>, ArchiveError> {
    let broken = |error: zip::result::ZipError| ArchiveError::NotAZip(format!("its directory is damaged ({error})"));
    let reader = BufReader::with_capacity(64 << 10, Cursor::new(Arc::clone(source), 0));
    let mut zip = ZipIterable::try_new(reader, Config::default()).map_err(broken)?;
    if zip.len() > MAX_ENTRIES {
        return Err(ArchiveError::TooMany(format!("{} entries, the limit is {MAX_ENTRIES}", zip.len())));
    }
    let mut records = Vec::with_capacity(zip.len());
    let mut directory = None;
    for entry in zip.files().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let begin = *directory.get_or_insert(entry.central_header_start());
        if entry.central_header_start().saturating_sub(begin) > MAX_DIRECTORY {
            return Err(ArchiveError::TooMany(format!("a directory of more than {MAX_DIRECTORY} bytes")));
        }
        let raw = entry.name().map_err(broken)?;
        let path = safe_path(&raw)?;
        let kind = match () {
            () if entry.is_symlink() => EntryKind::Symlink,
            () if entry.is_dir() => EntryKind::Directory,
            () => EntryKind::File,
        };
        let method = match entry.compression() {
            _ if entry.encrypted() => Method::Encrypted,
            CompressionMethod::Stored => Method::Stored,
            CompressionMethod::Deflated => Method::Deflated,
            _ => Method::Other,
        };
        let place =
            Place::Zip { header: entry.header_start(), stored: entry.compressed_size(), method, crc32: entry.crc32() };
        let mode = entry.unix_mode().map(|mode| mode & 0o7777);
        records.push(Record { path, kind, mode, size: entry.size(), place, counted: AtomicBool::new(false) });
    }
    // The artifact's own root, as some tools record it ("./").
    records.retain(|record| !record.path.is_empty());
    records.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    refuse_ambiguous(&records)?;
    Ok(records)
}

/// The entry's path without `./` and a trailing slash, or what is unsafe about it.
fn safe_path(raw: &str) -> Result<Box<str>, ArchiveError> {
    let refuse = |problem| Err(ArchiveError::Name { entry: raw.to_owned(), problem });
    if raw.contains('\0') {
        return refuse("has a NUL in its name");
    }
    if raw.contains('\\') {
        return refuse("has a backslash in its name; zip with '/' between folders");
    }
    if raw.starts_with('/') {
        return refuse("has an absolute path");
    }
    if matches!(raw.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic()) {
        return refuse("has a path with a drive letter");
    }
    if raw.split('/').any(|segment| segment == "..") {
        return refuse("leads out of the artifact ('..')");
    }
    let plain = raw.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect::<Vec<_>>().join("/");
    Ok(plain.into())
}

/// Refuses a path that is there twice, also as a file and as a folder of others.
fn refuse_ambiguous(records: &[Record]) -> Result<(), ArchiveError> {
    for pair in records.windows(2) {
        if let [a, b] = pair
            && a.path == b.path
        {
            return Err(ArchiveError::Name { entry: a.path.to_string(), problem: "is in the artifact twice" });
        }
    }
    for record in records {
        for (at, _) in record.path.match_indices('/') {
            let parent = record.path.get(..at).unwrap_or_default();
            let found = records.binary_search_by(|other| (*other.path).cmp(parent)).ok().and_then(|at| records.get(at));
            if found.is_some_and(|parent| parent.kind != EntryKind::Directory) {
                return Err(ArchiveError::Name { entry: parent.to_owned(), problem: "is both a file and a folder" });
            }
        }
    }
    Ok(())
}
