//! The parts of a remote object that were asked for so far: a sparse copy of it that fills where it is read. Small
//! objects are copied in memory while there is some, others in an unnamed file in the temporary folder, and where that has no room for what
//! comes next, what is there already is forgotten and fetched again if need be.

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use super::extents::Extents;
use super::source::ReadAt;
use super::spool::Share;
use crate::apart;

/// Objects up to this size are copied in memory.
const IN_MEMORY: u64 = 4 << 20;
/// How much is fetched at least where something is missing that nobody expected.
const LEAST: u64 = 256 << 10;
/// … and at most, where it is read on and on.
const MOST: u64 = 8 << 20;
/// Longest part that is fetched by one request where much is expected.
const PART: u64 = 8 << 20;
/// How much longer all parts together are made at most that are expected and short.
const MORE: u64 = 1 << 20;
/// How many parts are fetched at once.
const PARTS_AT_ONCE: usize = 4;
/// What is left free in the temporary folder.
const LEFT_FREE: u64 = 16 << 20;

/// Takes in bytes that begin at this offset.
pub type Take<'a> = dyn Fn(u64, &[u8]) -> io::Result<()> + Sync + 'a;

/// An object of which parts can be fetched.
pub trait Remote: fmt::Debug + Send + Sync {
    /// Its length in bytes.
    fn size(&self) -> u64;

    /// Fetches the bytes of `range` and hands them over in order, piece by piece, as they come.
    fn fetch<'a>(&'a self, range: Range<u64>, take: &'a Take<'a>) -> BoxFuture<'a, io::Result<()>>;

    /// Hears that somebody needed what could not be fetched; returns what the reader is told.
    fn unread(&self, error: io::Error) -> io::Error;
}

/// How much room there is for a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// What the temporary folder has.
    OfFolder,
    /// So many bytes.
    Bytes(u64),
}

/// A sparse copy of a remote object. Cloning shares it.
#[derive(Clone)]
pub struct Mirror(Arc<Inner>);

struct Inner {
    remote: Arc<dyn Remote>,
    copy: Copy,
    room: Room,
    state: Mutex<State>,
    /// Something has come, or will not come.
    moved: Notify,
    parts: Semaphore,
    /// What is being fetched ahead ends with the mirror.
    ahead: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct State {
    present: Extents,
    coming: Extents,
    /// How often what was there was forgotten.
    forgotten: u64,
    /// Where the last part that nobody expected ended, and how long it was.
    last: Option<(u64, u64)>,
}

enum Copy {
    Memory(Mutex<Vec<u8>>, #[expect(dead_code, reason = "it is given back when it is dropped")] Share),
    Disk(File),
}

/// What a reader finds.
enum Found {
    /// So many bytes, at most.
    There { until: u64, forgotten: u64 },
    /// It is on its way.
    Coming,
    /// This is to be fetched.
    Missing(Range<u64>),
}

impl Mirror {
    /// A copy in which nothing is yet.
    pub fn new(remote: Arc<dyn Remote>, room: Room) -> io::Result<Self> {
        let size = remote.size();
        let mut share = Share::of_process();
        let copy = match usize::try_from(size) {
            Ok(length) if size <= IN_MEMORY && share.grow(length) => Copy::Memory(Mutex::new(vec![0; length]), share),
            _ => Copy::Disk(tempfile::tempfile()?),
        };
        Ok(Self(Arc::new(Inner {
            remote,
            copy,
            room,
            state: Mutex::default(),
            moved: Notify::new(),
            parts: Semaphore::new(PARTS_AT_ONCE),
            ahead: Mutex::default(),
        })))
    }

    /// Puts bytes into the copy that came by themselves.
    pub fn put(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.put(offset, bytes)
    }

    /// Begins to fetch what is expected to be read, as far as there is room for it. Called from within the runtime.
    fn fetch_ahead(&self, ranges: &[Range<u64>]) {
        let mut room = self.0.free().saturating_sub(self.0.state().coming.len());
        let mut ahead = self.0.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        while ahead.try_join_next().is_some() {}
        // What lies behind a few small parts is likely to be read next, and costs less than one more request.
        let more = LEAST.min(MORE / (ranges.len() as u64).max(1));
        let longer =
            |range: &Range<u64>| range.start..range.end.max(range.start.saturating_add(more)).min(self.0.remote.size());
        for part in ranges.iter().flat_map(|range| self.0.state().missing(&longer(range))) {
            let length = part.end - part.start;
            let Some(rest) = room.checked_sub(length) else { return };
            room = rest;
            let coming = Coming::announce(&self.0, part);
            ahead.spawn(async move {
                let Ok(_permit) = coming.inner.parts.acquire().await else { return };
                // Whoever reads there meets the error itself.
                drop(coming.fetch().await);
            });
        }
    }
}

impl ReadAt for Mirror {
    fn size(&self) -> u64 {
        self.0.remote.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.size() || buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let abandoned = |error: apart::Abandoned| io::Error::other(error);
            match self.0.look(offset) {
                Found::There { until, forgotten } => {
                    let length = usize::try_from(until - offset).unwrap_or(usize::MAX).min(buffer.len());
                    let Some(buffer) = buffer.get_mut(..length) else { return Ok(0) };
                    self.0.copy.read(offset, buffer)?;
                    if self.0.state().forgotten == forgotten {
                        return Ok(length);
                    }
                }
                Found::Coming => {
                    let inner = Arc::clone(&self.0);
                    apart::wait(async move { inner.until_moved(offset).await }).map_err(abandoned)?;
                }
                Found::Missing(range) => {
                    let coming = Coming::announce(&self.0, range);
                    let fetched = apart::wait(async move { coming.fetch().await }).map_err(abandoned)?;
                    fetched.map_err(|error| self.0.remote.unread(error))?;
                }
            }
        }
    }

    fn expect(&self, ranges: &[Range<u64>]) {
        let (mirror, ranges) = (self.clone(), ranges.to_vec());
        // Where nobody runs errands, nothing is fetched ahead.
        let _ = apart::wait(async move { mirror.fetch_ahead(&ranges) });
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is at `offset`. What is to be fetched is longer each time that it goes on where the last ended.
    fn look(&self, offset: u64) -> Found {
        let mut state = self.state();
        if let Some(until) = state.present.end_from(offset) {
            return Found::There { until, forgotten: state.forgotten };
        }
        if state.coming.end_from(offset).is_some() {
            return Found::Coming;
        }
        let length = match state.last {
            Some((end, length)) if end == offset => (length * 2).min(MOST),
            _ => LEAST,
        };
        let others = [state.present.next_from(offset), state.coming.next_from(offset)];
        let next = others.into_iter().flatten().min().unwrap_or(u64::MAX);
        let end = offset.saturating_add(length).min(next).min(self.remote.size());
        state.last = Some((end, length));
        Found::Missing(offset..end)
    }

    async fn until_moved(&self, offset: u64) {
        let mut moved = std::pin::pin!(self.moved.notified());
        moved.as_mut().enable();
        if self.state().is_coming(offset) {
            moved.await;
        }
    }

    fn put(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u64;
        self.copy.write(offset, bytes)?;
        self.state().present.insert(offset..offset.saturating_add(length));
        self.moved.notify_waiters();
        Ok(())
    }

    /// How much more there is room for.
    fn free(&self) -> u64 {
        match (&self.copy, self.room) {
            (Copy::Memory(..), _) => self.remote.size(),
            (Copy::Disk(_), Room::Bytes(bytes)) => bytes.saturating_sub(self.state().present.len()),
            (Copy::Disk(file), Room::OfFolder) => {
                let free =
                    rustix::fs::fstatvfs(file).map_or(0, |folder| folder.f_bavail.saturating_mul(folder.f_frsize));
                free.saturating_sub(LEFT_FREE)
            }
        }
    }

    /// Makes room for `length` bytes, if need be by forgetting what is there.
    fn make_room(&self, length: u64) -> io::Result<()> {
        let Copy::Disk(file) = &self.copy else { return Ok(()) };
        if self.free() >= length {
            return Ok(());
        }
        let mut state = self.state();
        state.present = Extents::default();
        state.forgotten += 1;
        file.set_len(0)
    }
}

impl State {
    /// The parts of a range that are neither there nor on their way.
    fn missing(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let missing = self.present.gaps(range).into_iter().flat_map(|gap| self.coming.gaps(&gap));
        let parts = |Range { start, end }: Range<u64>| {
            std::iter::successors(Some(start), |at| Some(at + PART))
                .take_while(move |at| *at < end)
                .map(move |at| at..end.min(at + PART))
        };
        missing.flat_map(parts).collect()
    }

    fn is_coming(&self, offset: u64) -> bool {
        self.present.end_from(offset).is_none() && self.coming.end_from(offset).is_some()
    }
}

impl Copy {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Disk(file) => match file.read_exact_at(buffer, offset) {
                // It was forgotten meanwhile, and whoever asked will see that.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
                outcome => outcome,
            },
            Self::Memory(bytes, _) => {
                let bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
                let from = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)?.get(..buffer.len()));
                buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Disk(file) => file.write_all_at(bytes, offset),
            Self::Memory(all, _) => {
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                let to = usize::try_from(offset).ok().and_then(|at| all.get_mut(at..)?.get_mut(..bytes.len()));
                to.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(bytes);
                Ok(())
            }
        }
    }
}

/// A part on its way. When it is dropped, nobody waits for it any more.
struct Coming {
    inner: Arc<Inner>,
    range: Range<u64>,
}

impl Coming {
    fn announce(inner: &Arc<Inner>, range: Range<u64>) -> Self {
        inner.state().coming.insert(range.clone());
        Self { inner: Arc::clone(inner), range }
    }

    async fn fetch(&self) -> io::Result<()> {
        self.inner.make_room(self.range.end - self.range.start)?;
        self.inner.remote.fetch(self.range.clone(), &|offset, bytes| self.inner.put(offset, bytes)).await
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.inner.state().coming.remove(&self.range);
        self.inner.moved.notify_waiters();
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?}", self.0.state().present.len(), self.0.remote)
    }
}
