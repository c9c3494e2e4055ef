//! Sources that count what is read of them, or are far away.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use codepipeline_artifactory::archive::mirror::Remote;
use codepipeline_artifactory::archive::source::{Memory, ReadAt};

/// Bytes in memory, and how many of them were read, those read twice counted twice.
#[derive(Debug)]
pub(super) struct Counted {
    memory: Memory,
    read: AtomicU64,
}

impl Counted {
    pub(super) fn new(bytes: &[u8]) -> Arc<Self> {
        Arc::new(Self { memory: Memory(Bytes::copy_from_slice(bytes)), read: AtomicU64::new(0) })
    }

    /// How many since it was asked last.
    pub(super) fn taken(&self) -> u64 {
        self.read.swap(0, Ordering::Relaxed)
    }
}

impl ReadAt for Counted {
    fn size(&self) -> u64 {
        self.memory.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.memory.read_at(offset, buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// An object that comes in small pieces.
#[derive(Debug)]
pub(super) struct Far(pub(super) Bytes);

impl Remote for Far {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn fetch<'a>(
        &'a self,
        range: Range<u64>,
        take: &'a (dyn Fn(u64, &[u8]) -> io::Result<()> + Sync),
    ) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'a>> {
        assert!(range.start < range.end && range.end <= self.size(), "{range:?} is not a part of it");
        Box::pin(async move {
            let mut at = range.start;
            for piece in self.0[range.start as usize..range.end as usize].chunks(1000) {
                take(at, piece)?;
                at += piece.len() as u64;
                tokio::task::yield_now().await;
            }
            Ok(())
        })
    }

    fn unread(&self, error: io::Error) -> io::Error {
        error
    }
}
