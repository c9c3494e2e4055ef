//! A place for bytes whose length is not known beforehand: in memory while they are few, then in an unnamed
//! file in the temporary folder, which is gone with its last reader.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::source::{Memory, OnDisk, ReadAt};

/// How much one spool keeps in memory before it moves to disk.
const ONE_IN_MEMORY: usize = 4 << 20;
/// How much all spools of the process keep in memory together.
const ALL_IN_MEMORY: usize = 16 << 20;

/// What the spools of the process hold in memory now.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// A part of [`ALL_IN_MEMORY`], given back when it is dropped.
#[derive(Debug, Default)]
struct Share(usize);

impl Share {
    /// Takes `more` as well, unless all spools together would hold too much.
    fn grow(&mut self, more: usize) -> bool {
        let grown = |held: usize| held.checked_add(more).filter(|held| *held <= ALL_IN_MEMORY);
        let taken = HELD.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok();
        if taken {
            self.0 += more;
        }
        taken
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// Bytes being written; [`Spool::finish`] makes them readable.
#[derive(Debug)]
pub struct Spool {
    limit: usize,
    memory: Vec<u8>,
    share: Share,
    file: Option<File>,
}

impl Default for Spool {
    fn default() -> Self {
        Self::with_limit(ONE_IN_MEMORY)
    }
}

impl Spool {
    /// A spool that keeps at most `limit` bytes in memory.
    pub fn with_limit(limit: usize) -> Self {
        Self { limit, memory: Vec::new(), share: Share::default(), file: None }
    }

    /// What was written, now readable.
    pub fn finish(self) -> io::Result<Arc<dyn ReadAt>> {
        Ok(match self.file {
            None => Arc::new(Held { bytes: Memory(Bytes::from(self.memory)), _share: self.share }),
            Some(file) => Arc::new(OnDisk::new(file)?),
        })
    }
}

impl Write for Spool {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if let Some(file) = &mut self.file {
            return file.write(data);
        }
        if self.memory.len().saturating_add(data.len()) <= self.limit && self.share.grow(data.len()) {
            self.memory.extend_from_slice(data);
            return Ok(data.len());
        }
        let mut file = tempfile::tempfile()?;
        file.write_all(&self.memory)?;
        self.memory = Vec::new();
        self.share = Share::default();
        let written = file.write(data);
        self.file = Some(file);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes in memory, with their share of what all spools may hold.
#[derive(Debug)]
struct Held {
    bytes: Memory,
    _share: Share,
}

impl ReadAt for Held {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read_at(offset, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_was_written_is_read_back_below_at_and_above_the_limit() {
        for size in [0, 1, 9, 10, 11, 25] {
            let bytes: Vec<u8> = (0..size).collect();
            let mut spool = Spool::with_limit(10);
            for piece in bytes.chunks(4) {
                spool.write_all(piece).unwrap();
            }
            let on_disk = spool.file.is_some();
            assert_eq!(on_disk, size > 10, "{size}");
            let source = spool.finish().unwrap();
            assert_eq!(source.size(), u64::from(size));
            let mut back = Vec::new();
            super::super::source::Cursor::new(source, 0).read_to_end(&mut back).unwrap();
            assert_eq!(back, bytes);
        }
    }

    #[test]
    fn many_spools_together_hold_no_more_than_their_share() {
        let mut spools = Vec::new();
        for _ in 0..=ALL_IN_MEMORY / ONE_IN_MEMORY {
            let mut spool = Spool::default();
            spool.write_all(&vec![0; ONE_IN_MEMORY]).unwrap();
            spools.push(spool);
        }
        assert!(spools.iter().any(|spool| spool.file.is_some()));
        assert!(HELD.load(Ordering::Relaxed) <= ALL_IN_MEMORY);
    }
}
