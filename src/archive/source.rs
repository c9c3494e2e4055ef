//! Bytes that can be read at any place: [`ReadAt`] over memory or a spool file, and a [`Cursor`] over it for
//! everything that wants `Read + Seek`.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

/// Bytes of a known length, readable at any offset by several readers at once.
pub trait ReadAt: fmt::Debug + Send + Sync {
    /// Length in bytes.
    fn size(&self) -> u64;

    /// Reads some bytes that begin at `offset`; 0 only at or past the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Says that these bytes will be read soon, so that they can be on their way before.
    fn expect(&self, _: &[Range<u64>]) {}
}

/// Bytes in memory.
#[derive(Clone)]
pub struct Memory(pub Bytes);

impl ReadAt for Memory {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes in memory", self.0.len())
    }
}

/// Bytes in a file that nobody else writes.
#[derive(Debug)]
pub struct OnDisk {
    file: File,
    size: u64,
}

impl OnDisk {
    /// Takes a file whose length is final.
    pub fn new(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }
}

impl ReadAt for OnDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
}

/// Ends the reading of sources when it is dropped: a blocking thread cannot be ended from outside, but it comes by here
/// for every byte that it works on.
#[derive(Debug, Default)]
pub struct Leash(Arc<AtomicBool>);

impl Leash {
    /// The same bytes, readable as long as the leash is there.
    pub fn hold(&self, source: Arc<dyn ReadAt>) -> Arc<dyn ReadAt> {
        Arc::new(Leashed { source, ended: Arc::clone(&self.0) })
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Leashed {
    source: Arc<dyn ReadAt>,
    ended: Arc<AtomicBool>,
}

impl ReadAt for Leashed {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended.load(Ordering::Relaxed) {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        self.source.read_at(offset, buffer)
    }

    fn expect(&self, ranges: &[Range<u64>]) {
        if !self.ended.load(Ordering::Relaxed) {
            self.source.expect(ranges);
        }
    }
}

/// Fills the buffer from `offset` on, as far as there are bytes, and returns how many.
pub(super) fn fill(source: &Arc<dyn ReadAt>, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = buffer.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match source.read_at(offset.saturating_add(got as u64), rest)? {
            0 => break,
            count => got += count,
        }
    }
    Ok(got)
}

/// A reading position in a [`ReadAt`]; many cursors may share one.
#[derive(Debug, Clone)]
pub struct Cursor {
    source: Arc<dyn ReadAt>,
    position: u64,
}

impl Cursor {
    /// A cursor at `position`.
    pub fn new(source: Arc<dyn ReadAt>, position: u64) -> Self {
        Self { source, position }
    }
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read_at(self.position, buffer)?;
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.source.size().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position =
            position.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the beginning"))?;
        Ok(self.position)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    /// Counts what is read of it.
    #[derive(Debug)]
    pub(crate) struct Counted(Memory, AtomicU64);

    impl Counted {
        pub(crate) fn new(bytes: Vec<u8>) -> Self {
            Self(Memory(bytes.into()), AtomicU64::new(0))
        }

        pub(crate) fn read(&self) -> u64 {
            self.1.load(Ordering::Relaxed)
        }
    }

    impl ReadAt for Counted {
        fn size(&self) -> u64 {
            self.0.size()
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read_at(offset, buffer)?;
            self.1.fetch_add(count as u64, Ordering::Relaxed);
            Ok(count)
        }
    }

    #[test]
    fn a_cursor_reads_and_seeks_like_a_file() {
        let mut cursor = Cursor::new(Arc::new(Memory(Bytes::from_static(b"0123456789"))), 0);
        let mut three = [0; 3];
        assert_eq!(cursor.seek(SeekFrom::End(-4)).unwrap(), 6);
        cursor.read_exact(&mut three).unwrap();
        assert_eq!(&three, b"678");
        assert_eq!(cursor.seek(SeekFrom::Current(-9)).unwrap(), 0);
        assert!(cursor.seek(SeekFrom::Current(-1)).is_err());
        cursor.seek(SeekFrom::Start(99)).unwrap();
        assert_eq!(cursor.read(&mut three).unwrap(), 0);
    }

    #[test]
    fn reading_ends_with_the_leash() {
        let leash = Leash::default();
        let source = leash.hold(Arc::new(Memory(Bytes::from_static(b"0123"))));
        assert_eq!((source.size(), source.read_at(1, &mut [0; 2]).unwrap()), (4, 2));
        drop(leash);
        assert!(source.read_at(1, &mut [0; 2]).is_err());
    }
}
