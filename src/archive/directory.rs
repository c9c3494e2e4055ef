//! The directory of a zip: listed once, from its end, under limits; of each entry only what a plan needs is kept, and
//! the paths of all of them lie in one piece of memory.

use std::io::{self, BufReader, Read as _};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::bounds::Bounds;
use super::ending::{self, Ending};
use super::header::{HEADER, Header, damaged};
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
    /// Where its path begins among all of them, and how long it is.
    path: (u32, u32),
    pub(super) kind: EntryKind,
    pub(super) mode: Option<u16>,
    pub(super) size: u64,
    pub(super) place: Place,
    pub(super) counted: AtomicBool,
}

/// What a directory says.
#[derive(Debug)]
pub(super) struct Directory {
    paths: String,
    /// In the order of the paths' bytes.
    records: Vec<Record>,
    bounds: Bounds,
}

impl Directory {
    /// The one of an artifact that is itself its only entry.
    pub(super) fn alone(path: &str, size: u64) -> Self {
        let mut directory = Self { paths: String::new(), records: Vec::new(), bounds: Bounds::default() };
        directory.add(path, EntryKind::File, None, size, Place::Whole);
        directory
    }

    /// Lists the zip called `name`.
    pub(super) fn list(source: &Arc<dyn ReadAt>, name: &str) -> Result<Self, ArchiveError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidData => broken(&error.to_string()),
            io::ErrorKind::UnexpectedEof => broken("it ends within an entry's header"),
            _ => ArchiveError::Read { entry: name.to_owned(), source: error },
        };
        let ending = ending::of(source).map_err(failed)?.map_err(broken)?;
        let Ending { directory: place, entries, before } = ending;
        let count = usize::try_from(entries).ok().filter(|count| *count <= MAX_ENTRIES);
        let count = count.ok_or_else(|| too_many(&format!("{entries} entries, the limit is {MAX_ENTRIES}")))?;
        let length = place.end - place.start;
        let names = entries.checked_mul(HEADER).and_then(|fixed| length.checked_sub(fixed));
        let names = names.ok_or_else(|| broken("it has more entries than it has room for"))?;
        let most = Some(length).filter(|length| *length <= MAX_DIRECTORY).and_then(|_| usize::try_from(names).ok());
        let most = most.ok_or_else(|| too_many(&format!("a directory of more than {MAX_DIRECTORY} bytes")))?;
        source.expect(std::slice::from_ref(&place));
        let mut reader = BufReader::with_capacity(64 << 10, Cursor::new(Arc::clone(source), place.start)).take(length);
        // What is never written of it takes no memory.
        let paths = String::with_capacity(most);
        let mut directory = Self { paths, records: Vec::with_capacity(count), bounds: Bounds::default() };
        for _ in 0..count {
            let Header { name, kind, mode, method, crc32, stored, size, offset } =
                Header::read(&mut reader).map_err(failed)?;
            let path = safe_path(&name)?;
            let header = offset.checked_add(before).ok_or_else(|| failed(damaged("an entry is nowhere")))?;
            // The artifact's own root, as some tools record it ("./").
            if !path.is_empty() {
                directory.add(&path, kind, mode, size, Place::Zip { header, stored, method, crc32 });
            }
        }
        if reader.limit() > 0 {
            return Err(broken("it is longer than its entries"));
        }
        // Names of another code grow when they are written in UTF-8.
        if directory.paths.len() as u64 > MAX_DIRECTORY {
            return Err(too_many(&format!("paths of more than {MAX_DIRECTORY} bytes")));
        }
        let Self { paths, records, .. } = &mut directory;
        records.sort_unstable_by(|one, other| text(paths, one).cmp(text(paths, other)));
        directory.refuse_ambiguous()?;
        let bounds = Bounds::of(&directory.records, place.start);
        directory.bounds = bounds.map_err(|record| ArchiveError::Name {
            entry: directory.path(record).to_owned(),
            problem: "overlaps another entry or the zip's directory",
        })?;
        Ok(directory)
    }

    fn add(&mut self, path: &str, kind: EntryKind, mode: Option<u16>, size: u64, place: Place) {
        // There are never so many bytes of paths.
        let [begin, length] = [self.paths.len(), path.len()].map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
        self.paths.push_str(path);
        self.records.push(Record { path: (begin, length), kind, mode, size, place, counted: AtomicBool::new(false) });
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The entry at this place in the order of the paths.
    #[expect(clippy::indexing_slicing, reason = "an Entry is made only by its archive, whose records never change")]
    pub(super) fn record(&self, index: usize) -> &Record {
        &self.records[index]
    }

    /// The path of one of its records.
    pub(super) fn path(&self, record: &Record) -> &str {
        text(&self.paths, record)
    }

    /// Where the entry at exactly this path is.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        self.records.binary_search_by(|record| self.path(record).cmp(path)).ok()
    }

    /// Where the entries are whose paths begin like this.
    pub(super) fn beginning(&self, begin: &str) -> Range<usize> {
        let first = self.records.partition_point(|record| self.path(record) < begin);
        let rest = self.records.get(first..).unwrap_or_default();
        first..first + rest.partition_point(|record| self.path(record).starts_with(begin))
    }

    /// Where entries lie in the zip.
    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Refuses a path that is there twice, also as a file and as a folder of others.
    fn refuse_ambiguous(&self) -> Result<(), ArchiveError> {
        // Those before a path with which it begins: they come before it in the order of their bytes, and between them
        // and it comes nothing that does not begin like them.
        let mut begins: Vec<&Record> = Vec::new();
        for record in &self.records {
            let path = self.path(record);
            while begins.pop_if(|begin| !path.starts_with(self.path(begin))).is_some() {}
            for begin in &begins {
                let problem = match path.as_bytes().get(self.path(begin).len()) {
                    None => "is in the artifact twice",
                    Some(b'/') if begin.kind != EntryKind::Directory => "is both a file and a folder",
                    Some(_) => continue,
                };
                return Err(ArchiveError::Name { entry: self.path(begin).to_owned(), problem });
            }
            begins.push(record);
        }
        Ok(())
    }
}

fn text<'p>(paths: &'p str, record: &Record) -> &'p str {
    let (begin, length) = record.path;
    paths.get(begin as usize..).and_then(|from| from.get(..length as usize)).unwrap_or_default()
}

fn broken(problem: &str) -> ArchiveError {
    ArchiveError::NotAZip(format!("its directory is damaged ({problem})"))
}

fn too_many(what: &str) -> ArchiveError {
    ArchiveError::TooMany(what.to_owned())
}

/// The entry's path without `./` and a trailing slash, or what is unsafe about it.
fn safe_path(raw: &str) -> Result<String, ArchiveError> {
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
    Ok(raw.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect::<Vec<_>>().join("/"))
}
