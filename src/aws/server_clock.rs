//! S3's clock, as the `Date` of its answers tells it: all workers have that one in common, and leases are measured by it.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};

use crate::deadline::Deadline;

/// A difference that is left as it is, in milliseconds: clocks that are set by the network are closer than that.
const TOLERANCE: i64 = 1_000;
/// How finely a `Date` tells the time, in milliseconds (RFC 9110, 5.6.7).
const STEP: i64 = 1_000;

/// Watches the answers to one call.
#[derive(Debug, Clone)]
pub(super) struct ServerClock {
    /// Whose clock is held against S3's.
    deadline: Deadline,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    asked: Option<i64>,
    off: i64,
}

impl ServerClock {
    /// Watches in the name of an invocation.
    pub(super) fn new(deadline: Deadline) -> Self {
        Self { deadline, seen: Arc::default() }
    }

    /// By how many milliseconds S3's clock is ahead of the invocation's; 0 where that is next to nothing, or not known.
    pub(super) fn off(&self) -> i64 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).off
    }

    fn now(&self) -> i64 {
        i64::try_from(self.deadline.now_millis()).unwrap_or(i64::MAX)
    }
}

impl Intercept for ServerClock {
    fn name(&self) -> &'static str {
        "ServerClock"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).asked = Some(self.now());
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        let seen = &mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(asked), Some(date)) = (seen.asked, date.and_then(|date| date.to_millis().ok())) {
            seen.off = off(asked, self.now(), date);
        }
        Ok(())
    }
}

/// By how much the server's clock is ahead, if it must be: its date lies outside the time between the question and the
/// answer. Measured from the middle of either, which is right to half a second and half of the way.
fn off(asked: i64, answered: i64, date: i64) -> i64 {
    let is_ahead = date > answered.saturating_add(TOLERANCE);
    let is_behind = date.saturating_add(STEP + TOLERANCE) < asked;
    if !is_ahead && !is_behind {
        return 0;
    }
    let middle = asked.saturating_add(answered.saturating_sub(asked) / 2);
    date.saturating_add(STEP / 2).saturating_sub(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_date_outside_of_question_and_answer_is_believed() {
        for (asked, answered, date, expected) in [
            (10_000, 10_100, 10_000, 0),
            (10_999, 11_001, 10_000, 0),
            // As far off as is let be.
            (10_000, 10_100, 11_100, 0),
            (12_000, 12_100, 10_000, 0),
            // A slow answer proves nothing.
            (10_000, 70_000, 40_000, 0),
            (10_000, 10_200, 12_000, 2_400),
            (312_000, 312_200, 12_000, -299_600),
            (12_001, 12_001, 10_000, -1_501),
        ] {
            assert_eq!(off(asked, answered, date), expected, "{asked} {answered} {date}");
        }
    }
}
