//! The parts of a remote object that were asked for so far: a sparse copy of it that fills where it is read. Small
//! objects are copied in memory while there is some, others in an unnamed file in the temporary folder, and where that has no room for what
//! comes next, what is there already is forgotten and fetched again if need be.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// An object of which parts can be fetched.
pub trait Remote: fmt::Debug + Send + Sync {
    /// Its length in bytes.
    fn size(&self) -> u64;

    /// Fetches the bytes of `range` and hands them over in order, piece by piece, as they come.
    fn fetch<'a>(
        &'a self,
        range: Range<u64>,
        take: &'a (dyn Fn(u64, &[u8]) -> io::Result<()> + Sync),
    ) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'a>>;

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

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::apart::apart;

    /// An object of a pattern, which counts what is fetched of it, and fails where it is told to.
    #[derive(Debug)]
    struct Pattern {
        size: u64,
        fetched: AtomicU64,
        requests: AtomicU64,
        at_once: AtomicU64,
        most_at_once: AtomicU64,
        /// Fails at this offset.
        broken: Option<u64>,
    }

    impl Pattern {
        fn of(size: u64) -> Arc<Self> {
            Arc::new(Self::broken(size, None))
        }

        fn broken(size: u64, broken: Option<u64>) -> Self {
            let [fetched, requests, at_once, most_at_once] = Default::default();
            Self { size, fetched, requests, at_once, most_at_once, broken }
        }

        fn bytes(range: Range<u64>) -> Vec<u8> {
            static PERIOD: LazyLock<Vec<u8>> =
                LazyLock::new(|| (0..251_u16).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect());
            let length = usize::try_from(range.end - range.start).unwrap();
            let skip = usize::try_from(range.start % 251).unwrap();
            let mut bytes = PERIOD.repeat((length + skip).div_ceil(251));
            bytes.truncate(length + skip);
            bytes.split_off(skip)
        }

        fn counted(&self) -> (u64, u64) {
            (self.requests.load(Ordering::Relaxed), self.fetched.load(Ordering::Relaxed))
        }
    }

    impl Remote for Pattern {
        fn size(&self) -> u64 {
            self.size
        }

        fn fetch<'a>(
            &'a self,
            range: Range<u64>,
            take: &'a (dyn Fn(u64, &[u8]) -> io::Result<()> + Sync),
        ) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'a>> {
            Box::pin(async move {
                assert!(range.start < range.end && range.end <= self.size);
                self.requests.fetch_add(1, Ordering::Relaxed);
                let now = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
                self.most_at_once.fetch_max(now, Ordering::Relaxed);
                let mut at = range.start;
                while at < range.end {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    if self.broken.is_some_and(|broken| broken < range.end) {
                        return Err(io::Error::other("the network is gone"));
                    }
                    let end = range.end.min(at + (300 << 10));
                    take(at, &Self::bytes(at..end))?;
                    self.fetched.fetch_add(end - at, Ordering::Relaxed);
                    at = end;
                }
                self.at_once.fetch_sub(1, Ordering::Relaxed);
                Ok(())
            })
        }

        fn unread(&self, error: io::Error) -> io::Error {
            io::Error::other(format!("nobody could read it: {error}"))
        }
    }

    /// Reads a range and compares it.
    fn read(mirror: &Mirror, range: Range<u64>) -> io::Result<()> {
        let mut at = range.start;
        let mut buffer = vec![0; 70_000];
        while at < range.end {
            let most = usize::try_from(range.end - at).unwrap().min(buffer.len());
            let count = mirror.read_at(at, &mut buffer[..most])?;
            assert!(count > 0);
            assert!(buffer[..count] == Pattern::bytes(at..at + count as u64), "at {at}");
            at += count as u64;
        }
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_is_read_is_fetched_and_only_once() {
        for size in [IN_MEMORY, IN_MEMORY + 1, 40 << 20] {
            let remote = Pattern::of(size);
            let mirror = Mirror::new(Arc::<Pattern>::clone(&remote), Room::OfFolder).unwrap();
            let tail = Pattern::bytes(size - 1000..size);
            mirror.put(size - 1000, &tail).unwrap();
            apart(move || {
                read(&mirror, size - 1000..size).unwrap();
                assert_eq!(remote.counted(), (0, 0));
                read(&mirror, 5..10).unwrap();
                read(&mirror, 100..200).unwrap();
                assert_eq!(remote.counted(), (1, LEAST));
                // Up to what is there already.
                read(&mirror, size - 1100..size - 1000).unwrap();
                assert_eq!(remote.counted(), (2, LEAST + 100));
                assert_eq!(mirror.read_at(size, &mut [0; 3]).unwrap(), 0);
            })
            .await
            .unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_on_and_on_gets_longer_parts() {
        let remote = Pattern::of(40 << 20);
        let mirror = Mirror::new(Arc::<Pattern>::clone(&remote), Room::OfFolder).unwrap();
        apart(move || read(&mirror, 0..40 << 20).unwrap()).await.unwrap();
        assert_eq!(remote.counted(), (10, 40 << 20));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_expected_comes_in_several_parts_at_once_and_is_not_fetched_again() {
        let remote = Pattern::of(100 << 20);
        let mirror = Mirror::new(Arc::<Pattern>::clone(&remote), Room::OfFolder).unwrap();
        apart(move || {
            mirror.expect(&[1000..50 << 20, 60 << 20..61 << 20]);
            read(&mirror, 1000..50 << 20).unwrap();
            read(&mirror, 60 << 20..61 << 20).unwrap();
        })
        .await
        .unwrap();
        assert_eq!(remote.counted(), (8, (51 << 20) - 1000));
        assert_eq!(remote.most_at_once.load(Ordering::Relaxed), PARTS_AT_ONCE as u64);
    }

    #[tokio::test(start_paused = true)]
    async fn without_room_what_was_read_is_forgotten_and_read_again() {
        let remote = Pattern::of(60 << 20);
        let mirror = Mirror::new(Arc::<Pattern>::clone(&remote), Room::Bytes(9 << 20)).unwrap();
        let copy = mirror.clone();
        apart(move || {
            // Ahead comes no more than there is room for.
            let whole = 0..60 << 20;
            copy.expect(std::slice::from_ref(&whole));
            for _ in 0..2 {
                read(&copy, whole.clone()).unwrap();
            }
        })
        .await
        .unwrap();
        assert!(mirror.0.state().present.len() <= 9 << 20);
        assert!(remote.counted().1 >= 119 << 20);
    }

    #[tokio::test]
    async fn several_readers_of_one_object_never_see_bytes_that_are_not_there() {
        let remote = Pattern::of(24 << 20);
        let mirror = Mirror::new(Arc::<Pattern>::clone(&remote), Room::Bytes(9 << 20)).unwrap();
        let readers = (0..4).map(|reader| {
            let mirror = mirror.clone();
            apart(move || read(&mirror, reader << 20..24 << 20).unwrap())
        });
        for outcome in futures_util::future::join_all(readers).await {
            outcome.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_fetched_is_an_error_for_who_reads_it_and_nobody_else() {
        let remote = Arc::new(Pattern::broken(30 << 20, Some(20 << 20)));
        let mirror = Mirror::new(remote, Room::OfFolder).unwrap();
        apart(move || {
            mirror.expect(&[0..1 << 20, 10 << 20..30 << 20]);
            read(&mirror, 0..1 << 20).unwrap();
            let error = read(&mirror, 25 << 20..26 << 20).unwrap_err();
            assert_eq!(error.to_string(), "nobody could read it: the network is gone");
        })
        .await
        .unwrap();
    }

    #[test]
    fn outside_of_such_a_thread_only_what_is_there_can_be_read() {
        let mirror = Mirror::new(Pattern::of(9 << 20), Room::OfFolder).unwrap();
        mirror.put(3, &Pattern::bytes(3..4)).unwrap();
        read(&mirror, 3..4).unwrap();
        assert!(read(&mirror, 4..5).is_err());
    }
}
