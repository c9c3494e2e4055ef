//! One entry of an archive: what it is called, what it is, and its bytes.

use std::fmt;
use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flate2::read::DeflateDecoder;

use super::directory::{Method, Place, Record};
use super::source::{Cursor, ReadAt};
use super::{Archive, ArchiveError, EntryKind, MAX_INFLATED};

/// One entry of an [`Archive`], readable as often as needed.
#[derive(Clone)]
pub struct Entry {
    pub(super) archive: Archive,
    pub(super) index: usize,
}

impl Entry {
    /// Its archive, and its number there, which [`Archive::at`] takes: both in less room than the entry.
    pub(crate) fn into_parts(self) -> (Archive, u32) {
        // There are never so many.
        (self.archive, u32::try_from(self.index).unwrap_or(u32::MAX))
    }

    fn record(&self) -> &Record {
        self.archive.0.directory.record(self.index)
    }

    /// Path inside the artifact: relative, `/` between segments, no trailing slash.
    pub fn path(&self) -> &str {
        self.archive.0.directory.path(self.record())
    }

    /// What the entry is.
    pub fn kind(&self) -> EntryKind {
        self.record().kind
    }

    /// Unix permission bits (`0o777`), where the zip records them; set-id and sticky bits are left behind.
    pub fn mode(&self) -> Option<u32> {
        self.record().mode.map(u32::from)
    }

    /// Declared inflated size in bytes; a stream of any other length is an error.
    pub fn size(&self) -> u64 {
        self.record().size
    }

    /// Whether the entry is the artifact itself.
    pub fn is_whole(&self) -> bool {
        matches!(self.record().place, Place::Whole)
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
                let entry = || self.path().to_owned();
                let unsupported = |problem: String| ArchiveError::Unsupported { entry: entry(), problem };
                let end = self.archive.0.directory.bounds().end(header);
                let raw = local_data(&source, header, stored, end)
                    .map_err(|source| ArchiveError::Read { entry: entry(), source })?
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
        // One byte more than there may be tells as well as any number that there are more.
        let most = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
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
/// whose lengths may differ from those in the directory). It must not reach beyond `most`.
fn local_data(source: &Arc<dyn ReadAt>, header: u64, stored: u64, most: u64) -> io::Result<Cursor> {
    let wrong = |problem| io::Error::new(io::ErrorKind::InvalidData, problem);
    let mut fixed = [0; 30];
    Cursor::new(Arc::clone(source), header).read_exact(&mut fixed)?;
    let [b'P', b'K', 3, 4, .., n0, n1, e0, e1] = fixed else {
        return Err(wrong("there is no local header where the directory says"));
    };
    let lengths = [[n0, n1], [e0, e1]].map(|length| u64::from(u16::from_le_bytes(length)));
    let begin = lengths.iter().fold(header.saturating_add(30), |sum, length| sum.saturating_add(*length));
    if begin.saturating_add(stored) > most {
        return Err(wrong("its bytes reach into another entry or into the zip's directory"));
    }
    Ok(Cursor::new(Arc::clone(source), begin))
}
