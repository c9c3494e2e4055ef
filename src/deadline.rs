//! Time left, as a value that is handed down. The only file that reads a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// What an invocation without a believable deadline is given.
const FALLBACK: Duration = Duration::from_mins(1);
/// Deadlines below this are durations in milliseconds, as local tools send them, not times.
const EARLIEST_TIME: u64 = 10_000_000_000;
/// No invocation lives longer: whatever promises more is wrong, and whoever began so long ago is gone.
pub const LONGEST_INVOCATION: Duration = Duration::from_mins(15);
/// Most that is kept back for reporting and for leaving claims in order.
const MAX_RESERVE: Duration = Duration::from_secs(2);

/// What is enough time to begin a small job.
const ROOM: Duration = Duration::from_secs(20);

/// When the invocation ends, as Lambda enforces it.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    end: Instant,
    whole: Duration,
    end_epoch_millis: u64,
    clock: Clock,
    /// By how many milliseconds the clock is set forward.
    off: i64,
}

impl Deadline {
    /// From the Runtime API's `Lambda-Runtime-Deadline-Ms`: milliseconds since 1970, or (from local tools) a
    /// duration in milliseconds. One that has passed already means 60 s; one that no invocation can have, the longest.
    pub fn of_invocation(header_millis: u64, clock: Clock) -> Self {
        Self::at(header_millis, clock, Instant::now())
    }

    /// A deadline `left` from now.
    pub fn after(left: Duration) -> Self {
        Self::build(left, Clock::System, Instant::now())
    }

    fn at(header_millis: u64, clock: Clock, now: Instant) -> Self {
        let now_millis = clock.epoch_millis();
        let left = if header_millis < EARLIEST_TIME {
            Duration::from_millis(header_millis)
        } else {
            Duration::from_millis(header_millis.saturating_sub(now_millis))
        };
        let left = if left.is_zero() { FALLBACK } else { left.min(LONGEST_INVOCATION) };
        Self::build(left, clock, now)
    }

    fn build(left: Duration, clock: Clock, now: Instant) -> Self {
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let end_epoch_millis = clock.epoch_millis().saturating_add(millis);
        Self { end: now + left, whole: left, end_epoch_millis, clock, off: 0 }
    }

    /// The same moment by a clock that is ahead of this one by so many milliseconds.
    #[must_use]
    pub fn set_by(self, millis: i64) -> Self {
        let end_epoch_millis = self.end_epoch_millis.saturating_add_signed(millis);
        Self { end_epoch_millis, off: self.off.saturating_add(millis), ..self }
    }

    /// What is left for work: until the end less the reserve.
    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now()).saturating_sub(self.reserve())
    }

    /// The part of the invocation that is kept for its end.
    fn reserve(&self) -> Duration {
        MAX_RESERVE.min(self.whole / 10)
    }

    /// What is left until the end itself, for reporting and closing.
    pub fn left_with_reserve(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// What is left for a call that ends a job or hands it over. A quarter of the reserve stays for the invocation's
    /// own answer.
    pub fn left_for_closing(&self) -> Duration {
        self.left_with_reserve().saturating_sub(self.reserve() / 4)
    }

    /// The moment at which work must have stopped.
    pub fn work_ends(&self) -> Instant {
        self.end.checked_sub(self.reserve()).unwrap_or(self.end)
    }

    /// Whether another job may be begun: a third of the invocation is left, or enough for any small job.
    pub fn has_room(&self) -> bool {
        self.has_room_after(Duration::ZERO)
    }

    /// Whether another job may be begun once this long has passed.
    pub fn has_room_after(&self, pause: Duration) -> bool {
        self.left().saturating_sub(pause) > ROOM.min(self.whole / 3)
    }

    /// Whether the better part of the invocation lies behind.
    pub fn is_half_over(&self) -> bool {
        self.left_with_reserve() < self.whole / 2
    }

    /// Whether the invocation's time is over, and with it the leases of its claims. Others judge by the wall clock,
    /// which goes on where a process that is halted counts no time.
    pub fn has_passed(&self) -> bool {
        self.left_with_reserve().is_zero() || self.now_millis() >= self.end_epoch_millis
    }

    /// When the invocation ends, in milliseconds since 1970: how long its leases hold.
    pub fn epoch_millis(&self) -> u64 {
        self.end_epoch_millis
    }

    /// Now, in milliseconds since 1970, by the clock that the invocation goes by.
    pub fn now_millis(&self) -> u64 {
        self.clock.epoch_millis().saturating_add_signed(self.off)
    }
}

/// The wall clock that an invocation goes by: leases and everything else that other processes see too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The machine's own.
    System,
    /// One that follows the runtime's time, which can be paused.
    Runtime {
        /// What it shows at `since`, in milliseconds since 1970.
        millis: u64,
        /// A moment of the runtime's time.
        since: Instant,
        /// By how many milliseconds it is off, until it is set right.
        off: i32,
        /// When that is, in milliseconds after `since`.
        set_right: u32,
    },
}

impl Clock {
    /// Milliseconds since 1970.
    pub fn epoch_millis(self) -> u64 {
        match self {
            Self::System => epoch_millis(),
            Self::Runtime { millis, since, off, set_right } => {
                let passed = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                let right = millis.saturating_add(passed);
                if passed < u64::from(set_right) { right.saturating_add_signed(off.into()) } else { right }
            }
        }
    }
}

/// The wall clock in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn epoch_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How long connections may lie unused before they are not trusted any more.
const RECENT_MILLIS: u64 = 20_000;

/// When something was used last, by the wall clock: the process's own stands still while Lambda has it frozen.
#[derive(Debug, Clone, Copy)]
pub struct LastUse(u64);

impl LastUse {
    /// Used now.
    pub fn now() -> Self {
        Self(epoch_millis())
    }

    /// Notes one more use; says whether the one before was so recently that connections still hold.
    pub fn is_recent(&mut self) -> bool {
        let before = std::mem::replace(self, Self::now());
        self.0.abs_diff(before.0) < RECENT_MILLIS
    }
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
        Deadline::at(header, stopped_at(NOW), now).end - now
    }

    /// A clock that is as good as stopped for as long as a test takes.
    fn stopped_at(millis: u64) -> Clock {
        let since = Instant::now() + Duration::from_hours(1);
        Clock::Runtime { millis, since, off: 0, set_right: 0 }
    }

    #[test]
    fn real_local_passed_and_absurd_deadlines() {
        assert_eq!(left(NOW + 900_000), Duration::from_mins(15));
        assert_eq!(left(600_000), Duration::from_mins(10), "cargo lambda watch sends a duration");
        assert_eq!(left(NOW - 1), FALLBACK);
        assert_eq!(left(0), FALLBACK);
        // Microseconds, the year 2100, and more than can be: a lease that long would never be taken over.
        for absurd in [NOW * 1_000, 4_102_444_800_000, EARLIEST_TIME - 1, u64::MAX] {
            assert_eq!(left(absurd), LONGEST_INVOCATION, "{absurd}");
        }
    }

    #[test]
    fn the_reserve_is_a_tenth_and_at_most_two_seconds() {
        let now = Instant::now();
        assert_eq!(Deadline::at(NOW + 3_000, stopped_at(NOW), now).reserve(), Duration::from_millis(300));
        assert_eq!(Deadline::at(NOW + 900_000, stopped_at(NOW), now).reserve(), Duration::from_secs(2));
        assert_eq!(Deadline::at(NOW + 3_000, stopped_at(NOW), now).epoch_millis(), NOW + 3_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_invocation_has_room_for_a_job_and_none_near_its_end() {
        let deadline = Deadline::after(Duration::from_secs(3));
        assert!(deadline.has_room() && deadline.has_room_after(Duration::from_millis(1_600)));
        assert!(!deadline.has_room_after(Duration::from_millis(1_700)));
        tokio::time::advance(Duration::from_millis(1_800)).await;
        assert!(!deadline.has_room() && deadline.is_half_over());
        tokio::time::advance(Duration::from_millis(900)).await;
        assert_eq!(deadline.left(), Duration::ZERO);
        assert_eq!(deadline.left_for_closing(), Duration::from_millis(225));
        assert!(!deadline.has_passed());
        tokio::time::advance(Duration::from_millis(300)).await;
        assert!(deadline.has_passed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_shows_another_time_and_leaves_as_much_of_it() {
        let deadline = Deadline::at(NOW + 60_000, stopped_at(NOW), Instant::now());
        for millis in [0, 300_000, -300_000] {
            let set = deadline.set_by(millis);
            assert_eq!(set.now_millis(), NOW.saturating_add_signed(millis));
            assert_eq!(set.epoch_millis(), deadline.epoch_millis().saturating_add_signed(millis));
            assert_eq!((set.left(), set.has_passed()), (deadline.left(), false));
        }
    }

    #[test]
    fn a_use_long_ago_is_not_recent_and_the_next_one_is() {
        let mut used = LastUse(epoch_millis() - RECENT_MILLIS);
        assert!(!used.is_recent() && used.is_recent());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_by_the_wall_clock_even_where_the_own_clock_was_halted() {
        // The wall clock is set forward in the middle of the invocation, as after a halt.
        let (minute, since) = (Duration::from_mins(1), Instant::now());
        let clock = Clock::Runtime { millis: NOW, since, off: -60_000, set_right: 30_000 };
        let deadline = Deadline::of_invocation(clock.epoch_millis() + 60_000, clock);
        assert_eq!((deadline.epoch_millis(), deadline.now_millis()), (NOW, NOW - 60_000));
        assert!(!deadline.has_passed());
        tokio::time::advance(minute / 2).await;
        assert_eq!((deadline.left_with_reserve(), deadline.now_millis()), (minute / 2, NOW + 30_000));
        assert!(deadline.has_passed() && !Deadline::after(minute).has_passed());
    }
}
