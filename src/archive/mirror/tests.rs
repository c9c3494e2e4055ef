//! The mirror over an object that counts what is fetched of it.

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

    fn fetch<'a>(&'a self, range: Range<u64>, take: &'a Take<'a>) -> BoxFuture<'a, io::Result<()>> {
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
