//! A zip inside an artifact, such as a wheel: its inflated bytes, readable at any place, though they come in order only.
//! The end is kept, because a zip's directory is there (and of a wheel its metadata, as its format recommends); whatever
//! lies before it is read again from the beginning.

use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::source::ReadAt;
use super::watched::Watched;
use super::{Archive, ArchiveError, Entry, EntryReader};
use crate::package::Digests;

/// How much of the end is kept, in bytes.
const KEPT: usize = 2 << 20;

/// The bytes of an entry.
struct Nested {
    entry: Entry,
    /// The last of them, from `kept_from` on.
    kept: Vec<u8>,
    kept_from: u64,
    reading: Mutex<Option<Reading>>,
}

/// A reader and how far it has come.
struct Reading {
    reader: EntryReader,
    position: u64,
}

/// A zip that is an entry of another one, taken apart.
#[derive(Debug)]
pub struct Inside {
    /// Digests of the zip itself.
    pub digests: Digests,
    /// What is in it, or why that cannot be told.
    pub archive: Result<Archive, ArchiveError>,
}

impl Inside {
    /// Reads the entry once to its end, and lists what is in it.
    pub fn of(entry: &Entry) -> Result<Self, ArchiveError> {
        let mut watched = Watched::open(entry)?;
        let mut kept = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        let read = loop {
            match watched.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(count) => {
                    kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
                    // Moved rarely, so that moving costs next to nothing.
                    if kept.len() >= 2 * KEPT {
                        kept.drain(..kept.len() - KEPT);
                    }
                }
                Err(error) => break Err(error),
            }
        };
        let digests = watched.finish()?;
        read.map_err(|source| ArchiveError::Read { entry: entry.path().to_owned(), source })?;
        let kept_from = digests.size.saturating_sub(kept.len() as u64);
        let source = Nested { entry: entry.clone(), kept, kept_from, reading: Mutex::new(None) };
        Ok(Self { digests, archive: Archive::open_zip(Arc::new(source), entry.path()) })
    }
}

impl ReadAt for Nested {
    fn size(&self) -> u64 {
        self.kept_from.saturating_add(self.kept.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(behind) = offset.checked_sub(self.kept_from) {
            let rest = usize::try_from(behind).ok().and_then(|behind| self.kept.get(behind..)).unwrap_or_default();
            return io::Read::read(&mut &*rest, buffer);
        }
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = reading.take().filter(|reading| reading.position <= offset);
        let mut current = match usable {
            Some(reading) => reading,
            None => Reading { reader: self.entry.open().map_err(io::Error::other)?, position: 0 },
        };
        let skip = offset - current.position;
        current.position += io::copy(&mut current.reader.by_ref().take(skip), &mut io::sink())?;
        let count = current.reader.read(buffer)?;
        current.position += count as u64;
        *reading = Some(current);
        Ok(count)
    }
}

impl fmt::Debug for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.entry)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::source::Memory;
    use super::*;
    use crate::make::Zip;

    /// A zip of these files as an entry of another one.
    fn inside(zip: Vec<u8>) -> Inside {
        let outer = Zip::new().file("dist/inner.whl", zip).bytes();
        let outer = Archive::open(Arc::new(Memory(Bytes::from(outer))), "Build", "x").unwrap();
        Inside::of(&outer.find("dist/inner.whl").unwrap()).unwrap()
    }

    #[test]
    fn what_lies_before_the_kept_end_is_read_as_well() {
        let noise: Vec<u8> =
            (0..5_u32 << 20).map(|at| u8::try_from(at.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
        let zip = Zip::new()
            .stored()
            .file("first", "1")
            .file("second", "22")
            .file("noise", &noise)
            .file("last", "333")
            .bytes();
        let digests = Digests::of(zip.as_slice()).unwrap();
        let inside = inside(zip);
        assert_eq!(inside.digests, digests);
        let archive = inside.archive.unwrap();
        let text = |path: &str| String::from_utf8(archive.find(path).unwrap().read_to_memory(9).unwrap()).unwrap();
        for path in ["last", "second", "first", "second", "last"] {
            assert_eq!(
                text(path),
                ["1", "22", "333"][["first", "second", "last"].iter().position(|own| *own == path).unwrap()]
            );
        }
        assert_eq!(archive.find("noise").unwrap().read_to_memory(6 << 20).unwrap(), noise);
    }

    #[test]
    fn what_is_no_zip_has_digests_all_the_same() {
        let inside = inside(b"no zip at all".to_vec());
        assert_eq!(inside.digests.size, 13);
        assert!(inside.archive.unwrap_err().to_string().contains("not a zip"));
    }
}
