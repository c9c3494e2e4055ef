//! A place for bytes whose length is not known beforehand: in memory while they are few, then in an unnamed
//! file in the temporary folder, which is gone with its last reader.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;

use super::source::{Memory, OnDisk, ReadAt};

/// How much a spool keeps in memory before it moves to disk.
pub const IN_MEMORY: usize = 4 << 20;

/// Bytes being written; [`Spool::finish`] makes them readable.
#[derive(Debug)]
pub struct Spool {
    limit: usize,
    memory: Vec<u8>,
    file: Option<File>,
}

impl Default for Spool {
    fn default() -> Self {
        Self::with_limit(IN_MEMORY)
    }
}

impl Spool {
    /// A spool that keeps at most `limit` bytes in memory.
    pub fn with_limit(limit: usize) -> Self {
        Self { limit, memory: Vec::new(), file: None }
    }

    /// What was written, now readable.
    pub fn finish(self) -> io::Result<Arc<dyn ReadAt>> {
        Ok(match self.file {
            None => Arc::new(Memory(Bytes::from(self.memory))),
            Some(file) => Arc::new(OnDisk::new(file)?),
        })
    }
}

impl Write for Spool {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if let Some(file) = &mut self.file {
            return file.write(data);
        }
        if self.memory.len().saturating_add(data.len()) <= self.limit {
            self.memory.extend_from_slice(data);
            return Ok(data.len());
        }
        let mut file = tempfile::tempfile()?;
        file.write_all(&self.memory)?;
        self.memory = Vec::new();
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
}
