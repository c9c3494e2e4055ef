//! The directory of a zip: listed once, from its end, under limits; of each entry only what a plan needs is kept.

use std::io::{BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use zip::CompressionMethod;
use zip::read::Config;
use zip::unstable::read::ZipIterable;

use super::source::{Cursor, ReadAt};
use super::{ArchiveError, EntryKind, MAX_DIRECTORY, MAX_ENTRIES};

/// Where an entry's bytes are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// Behind a local header at this offset of the zip.
    Zip { header: u64, stored: u64, method: Method, crc32: u32 },
    /// The object itself.
    Whole,
}

/// How they are stored.
#[derive(Debug, Clone, Copy)]
pub(super) enum Method {
    Stored,
    Deflated,
    Other,
    Encrypted,
}

/// What is kept of an entry.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) path: Box<str>,
    pub(super) kind: EntryKind,
    pub(super) mode: Option<u32>,
    pub(super) size: u64,
    pub(super) place: Place,
    pub(super) counted: AtomicBool,
}

/// What a directory says.
#[derive(Debug)]
pub(super) struct Directory {
    /// In the order of the paths' bytes.
    pub(super) records: Vec<Record>,
    /// Where the directory begins, and with it the entries' bytes end.
    pub(super) start: u64,
}

/// Lists a zip.
pub(super) fn list(source: &Arc<dyn ReadAt>) -> Result<Directory, ArchiveError> {
    let broken = |error: zip::result::ZipError| ArchiveError::NotAZip(format!("its directory is damaged ({error})"));
    let reader = BufReader::with_capacity(64 << 10, Cursor::new(Arc::clone(source), 0));
    let mut zip = ZipIterable::try_new(reader, Config::default()).map_err(broken)?;
    if zip.len() > MAX_ENTRIES {
        return Err(ArchiveError::TooMany(format!("{} entries, the limit is {MAX_ENTRIES}", zip.len())));
    }
    let mut records = Vec::with_capacity(zip.len());
    let mut directory = 0..0;
    for entry in zip.files().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let start = entry.central_header_start();
        directory = if records.is_empty() { start } else { directory.start }..start;
        if directory.end - directory.start > MAX_DIRECTORY {
            return Err(too_long());
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
    if !records.is_empty() {
        let end = directory.end.saturating_add(header_length(source, directory.end)?);
        if end.saturating_sub(directory.start) > MAX_DIRECTORY {
            return Err(too_long());
        }
    }
    // The artifact's own root, as some tools record it ("./").
    records.retain(|record| !record.path.is_empty());
    records.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    refuse_ambiguous(&records)?;
    Ok(Directory { records, start: directory.start })
}

fn too_long() -> ArchiveError {
    ArchiveError::TooMany(format!("a directory of more than {MAX_DIRECTORY} bytes"))
}

/// How long the directory's header at `start` is (APPNOTE 4.3.12: 46 fixed bytes, then name, extra field, comment).
fn header_length(source: &Arc<dyn ReadAt>, start: u64) -> Result<u64, ArchiveError> {
    let mut fixed = [0; 46];
    let read = Cursor::new(Arc::clone(source), start).read_exact(&mut fixed);
    read.map_err(|source| ArchiveError::NotAZip(format!("its directory is damaged ({source})")))?;
    let length = |at: usize| {
        fixed.get(at..at + 2).map_or(0, |bytes| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    Ok(46 + length(28) + length(30) + length(32))
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
