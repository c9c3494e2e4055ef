//! A place for bytes whose length is not known beforehand: in memory while they are few, then in an unnamed
//! file in the temporary folder, which is gone with its last reader. All spools of the process share what memory there
//! is for them, so that many small ones take no more than a few large ones.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::source::{Memory, OnDisk, ReadAt};

/// How much a spool keeps in memory before it moves to disk.
pub const IN_MEMORY: usize = 4 << 20;

/// How much all spools together keep in memory.
const IN_MEMORY_OF_ALL: usize = 16 << 20;
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Bytes being written; [`Spool::finish`] makes them readable.
#[derive(Debug)]
pub struct Spool {
    limit: usize,
    memory: Vec<u8>,
    share: Share,
    file: Option<File>,
    /// How much the file may take, where that is not for the folder to say.
    room: u64,
}

/// Keeps what is written as long as there is room for it.
#[derive(Debug)]
pub struct Keep(Option<Spool>);

impl Keep {
    /// Keeps it in this spool.
    pub fn new(spool: Spool) -> Self {
        Self(Some(spool))
    }

    /// What was written, now readable; `None` where there was no room for all of it.
    pub fn finish(self) -> io::Result<Option<Arc<dyn ReadAt>>> {
        self.0.map(Spool::finish).transpose()
    }
}

impl Write for Keep {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.0.as_mut().map_or(Ok(data.len()), |spool| spool.write(data));
        match written {
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                tracing::info!("the temporary folder has no room for a package; it is packed again when it is sent");
                self.0 = None;
                Ok(data.len())
            }
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A part of the memory for spools, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: &'static AtomicUsize,
    size: usize,
}

impl Share {
    /// Nothing yet of what all spools of the process share.
    pub(super) fn of_process() -> Self {
        Self { of: &TAKEN, size: 0 }
    }

    /// Takes more, if there is so much.
    pub(super) fn grow(&mut self, more: usize) -> bool {
        let grown = |taken: usize| taken.checked_add(more).filter(|taken| *taken <= IN_MEMORY_OF_ALL);
        let granted = self.of.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok();
        if granted {
            self.size += more;
        }
        granted
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.fetch_sub(self.size, Ordering::Relaxed);
    }
}

/// Spooled bytes that stayed in memory.
#[derive(Debug)]
struct Kept {
    memory: Memory,
    _share: Share,
}

impl ReadAt for Kept {
    fn size(&self) -> u64 {
        self.memory.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.memory.read_at(offset, buffer)
    }
}

impl Default for Spool {
    fn default() -> Self {
        Self::with_limit(IN_MEMORY)
    }
}

impl Spool {
    /// A spool that keeps at most `limit` bytes in memory.
    pub fn with_limit(limit: usize) -> Self {
        Self::sharing(&TAKEN, limit)
    }

    fn sharing(of: &'static AtomicUsize, limit: usize) -> Self {
        Self { limit, memory: Vec::new(), share: Share { of, size: 0 }, file: None, room: u64::MAX }
    }

    /// A spool that keeps at most `limit` bytes in memory and has room for `room` bytes in the temporary folder.
    #[cfg(test)]
    pub fn with_room(limit: usize, room: u64) -> Self {
        Self { room, ..Self::with_limit(limit) }
    }

    fn take_room(&mut self, length: usize) -> io::Result<()> {
        self.room = self.room.checked_sub(length as u64).ok_or(io::ErrorKind::StorageFull)?;
        Ok(())
    }

    /// What was written, now readable.
    pub fn finish(self) -> io::Result<Arc<dyn ReadAt>> {
        Ok(match self.file {
            None => Arc::new(Kept { memory: Memory(Bytes::from(self.memory)), _share: self.share }),
            Some(file) => Arc::new(OnDisk::new(file)?),
        })
    }
}

impl Write for Spool {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.file.is_some() {
            self.take_room(data.len())?;
        }
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
        self.share = Share { of: self.share.of, size: 0 };
        let written = file.write(data);
        self.file = Some(file);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
    fn all_spools_together_keep_no_more_than_their_share_in_memory() {
        static TAKEN: AtomicUsize = AtomicUsize::new(0);
        let spool = |size: usize| {
            let mut spool = Spool::sharing(&TAKEN, IN_MEMORY);
            spool.write_all(&vec![7; size]).unwrap();
            spool
        };
        let kept: Vec<_> = (0..4).map(|_| spool(IN_MEMORY).finish().unwrap()).collect();
        assert_eq!(TAKEN.load(Ordering::Relaxed), IN_MEMORY_OF_ALL);
        assert!(spool(1).file.is_some(), "there is no memory left for one byte more");
        drop(kept);
        assert!(spool(IN_MEMORY).file.is_none());
        assert_eq!(TAKEN.load(Ordering::Relaxed), 0);
    }
}
