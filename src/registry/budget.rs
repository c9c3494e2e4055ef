//! How much longer one request may be tried: the pacing's arithmetic with the clock and the dice.

use std::time::Duration;

use super::retry::Pacing;
use crate::deadline::{Deadline, Stopwatch};

/// How much longer one request may be tried.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    pub(super) deadline: Deadline,
    pacing: Pacing,
    total: Duration,
    since: Option<Stopwatch>,
    failures: u32,
}

impl Budget {
    pub(super) fn new(pacing: Pacing, deadline: Deadline) -> Self {
        Self { deadline, pacing, total: pacing.budget(deadline.left()), since: None, failures: 0 }
    }

    /// One attempt and no more.
    pub(super) fn without_retries(pacing: Pacing, deadline: Deadline) -> Self {
        Self { total: Duration::ZERO, ..Self::new(pacing, deadline) }
    }

    /// The pause before the next attempt; `None` once the budget is spent. It runs from the first failure.
    pub(super) fn pause(&mut self, retry_after: Option<Duration>) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        let elapsed = Duration::from_millis(self.since.get_or_insert_with(Stopwatch::start).millis());
        self.pacing.pause(self.failures, elapsed, self.total, retry_after, fastrand::u32(..))
    }

    /// How often the request has been tried, the current attempt included.
    pub(super) fn attempts(&self) -> u32 {
        self.failures.saturating_add(1)
    }
}
