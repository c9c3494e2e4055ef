//! Time left, as a value that is handed down. The only file that reads a clock.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// What an invocation without a believable deadline is given.
const FALLBACK: Duration = Duration::from_mins(1);
/// Deadlines below this are durations in milliseconds, as local tools send them, not times.
const EARLIEST_TIME: u64 = 10_000_000_000;
/// Most that is kept back for reporting and for leaving claims in order.
const MAX_RESERVE: Duration = Duration::from_secs(2);

/// What is enough time to begin a small job.
const ROOM: Duration = Duration::from_secs(20);

/// When the invocation ends, as Lambda enforces it, and the part of it that is kept for the end.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    end: Instant,
    reserve: Duration,
    whole: Duration,
    end_epoch_millis: u64,
}

impl Deadline {
    /// From the Runtime API's `Lambda-Runtime-Deadline-Ms`: milliseconds since 1970, or (from local tools) a
    /// duration in milliseconds. One that has passed already means 60 s.
    pub fn of_invocation(header_millis: u64, clock: &Clock) -> Self {
        Self::at(header_millis, clock.epoch_millis(), Instant::now())
    }

    /// A deadline `left` from now.
    pub fn after(left: Duration) -> Self {
        Self::build(left, epoch_millis(), Instant::now())
    }

    fn at(header_millis: u64, now_millis: u64, now: Instant) -> Self {
        let left = if header_millis < EARLIEST_TIME {
            Duration::from_millis(header_millis)
        } else {
            Duration::from_millis(header_millis.saturating_sub(now_millis))
        };
        Self::build(if left.is_zero() { FALLBACK } else { left }, now_millis, now)
    }

    fn build(left: Duration, now_millis: u64, now: Instant) -> Self {
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        Self {
            end: now + left,
            whole: left,
            reserve: MAX_RESERVE.min(left / 10),
            end_epoch_millis: now_millis.saturating_add(millis),
        }
    }

    /// What is left for work: until the end less the reserve.
    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now()).saturating_sub(self.reserve)
    }

    /// What is left until the end itself, for reporting and closing.
    pub fn left_with_reserve(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// The moment at which work must have stopped.
    pub fn work_ends(&self) -> Instant {
        self.end.checked_sub(self.reserve).unwrap_or(self.end)
    }

    /// Whether another job may be begun: a third of the invocation is left, or enough for any small job.
    pub fn has_room(&self) -> bool {
        self.left() > ROOM.min(self.whole / 3)
    }

    /// When the invocation ends, in milliseconds since 1970: how long its leases hold.
    pub fn epoch_millis(&self) -> u64 {
        self.end_epoch_millis
    }
}

/// The wall clock. A process has one and hands it down; a simulation hands down one that follows its own time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Default for Clock {
    /// The system's.
    fn default() -> Self {
        Self::new(epoch_millis)
    }
}

impl Clock {
    /// A clock that reads as `epoch_millis` tells, in milliseconds since 1970.
    pub fn new(epoch_millis: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(epoch_millis))
    }

    /// Milliseconds since 1970.
    pub fn epoch_millis(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock at {}", self.epoch_millis())
    }
}

/// The wall clock in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn epoch_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A moment to measure a duration from.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins to measure.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Whole milliseconds since the start.
    pub fn millis(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_000_000_000;

    fn left(header: u64) -> Duration {
        let now = Instant::now();
        Deadline::at(header, NOW, now).end - now
    }

    #[test]
    fn real_local_and_passed_deadlines() {
        assert_eq!(left(NOW + 900_000), Duration::from_mins(15));
        assert_eq!(left(600_000), Duration::from_mins(10), "cargo lambda watch sends a duration");
        assert_eq!(left(NOW - 1), FALLBACK);
        assert_eq!(left(0), FALLBACK);
    }

    #[test]
    fn the_reserve_is_a_tenth_and_at_most_two_seconds() {
        let now = Instant::now();
        assert_eq!(Deadline::at(NOW + 3_000, NOW, now).reserve, Duration::from_millis(300));
        assert_eq!(Deadline::at(NOW + 900_000, NOW, now).reserve, Duration::from_secs(2));
        assert_eq!(Deadline::at(NOW + 3_000, NOW, now).epoch_millis(), NOW + 3_000);
    }
}
