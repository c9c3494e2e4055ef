//! An entry's bytes on their way to whoever takes them apart: digested as they pass, and a failure of theirs kept apart
//! from one of what they say.

use std::io::{self, Read};

use super::{ArchiveError, Entry, EntryReader};
use crate::package::{Digester, Digests};

/// Where an entry's bytes pass.
pub struct Watched {
    path: String,
    reader: EntryReader,
    digester: Digester<io::Sink>,
    failed: Option<io::Error>,
}

impl Watched {
    /// Begins reading the entry.
    pub fn open(entry: &Entry) -> Result<Self, ArchiveError> {
        let path = entry.path().to_owned();
        Ok(Self { path, reader: entry.open()?, digester: Digester::new(io::sink()), failed: None })
    }

    /// The digests of what has passed, or how it failed to arrive.
    pub fn finish(self) -> Result<Digests, ArchiveError> {
        match self.failed {
            Some(source) => Err(ArchiveError::Read { entry: self.path, source }),
            None => Ok(self.digester.finish().1),
        }
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer).inspect_err(|error| {
            self.failed = Some(io::Error::new(error.kind(), error.to_string()));
        })?;
        io::Write::write_all(&mut self.digester, buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}
