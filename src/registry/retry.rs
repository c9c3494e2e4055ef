//! When a request is tried again, as arithmetic: the clock's reading and the dice are arguments.

use std::time::Duration;

/// The patience of a connection. Tests shorten it; nothing else does.
#[derive(Debug, Clone, Copy)]
pub struct Pacing {
    /// Upper end of the first pause; it doubles with each failure.
    pub first: Duration,
    /// Upper end that no pause exceeds.
    pub most: Duration,
    /// Most that is spent on retries of one request, however much time is left.
    pub budget: Duration,
    /// How long nothing may move in either direction.
    pub idle: Duration,
    /// How long a request without a file may take in all.
    pub whole: Duration,
    /// Pauses before looking again for what was accepted but cannot be seen yet.
    pub polls: [Duration; 5],
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(250),
            most: Duration::from_secs(4),
            budget: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            whole: Duration::from_mins(1),
            polls: [100, 300, 600, 900, 1_100].map(Duration::from_millis),
        }
    }
}

impl Pacing {
    /// What retries of one request may take where `left` is left of the job's time.
    pub fn budget(&self, left: Duration) -> Duration {
        self.budget.min(left / 3)
    }

    /// The pause before the next attempt after the `failures`-th failure, or `None` where it would end outside the
    /// `budget`, of which `elapsed` has passed. `dice` is any number (full jitter: it decides how much of the
    /// pause is taken); the server's `retry_after` is kept to.
    pub fn pause(
        &self,
        failures: u32,
        elapsed: Duration,
        budget: Duration,
        retry_after: Option<Duration>,
        dice: u32,
    ) -> Option<Duration> {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let jittered = doubled.min(self.most).mul_f64(f64::from(dice) / f64::from(u32::MAX));
        let pause = retry_after.map_or(jittered, |asked| asked.max(jittered));
        elapsed.checked_add(pause).is_some_and(|end| end < budget).then_some(pause)
    }
}

/// The `Retry-After` header, seconds or a date, as a pause from `now_millis` (since 1970) on. A date in the past
/// asks for no pause; anything unreadable asks for nothing.
pub(super) fn retry_after(value: &str, now_millis: u64) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Longer than a number can be is longer than anyone waits.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let then = http_date(value)?.checked_mul(1_000)?;
    Some(Duration::from_millis(then.saturating_sub(now_millis)))
}

/// Seconds since 1970 of a date in the one form that servers may generate (RFC 9110, 5.6.7, IMF-fixdate).
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, date) = text.split_once(", ")?;
    let mut parts = date.split(' ');
    let day: u64 = parts.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let name = parts.next()?;
    let month = u64::try_from(MONTHS.iter().position(|month| *month == name)?).ok()?;
    let year: u64 = parts.next()?.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock = parts.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if parts.next()? != "GMT" || parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years that begin in March put the leap day last, so the days before a month are a straight line.
    let (from_march, year) = if month >= 2 { (month - 2, year) } else { (month + 10, year - 1) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * from_march + 2) / 5 + day - 1;
    // 719,468 days lie between 1 March of year 0 and 1 January 1970.
    Some((days - 719_468) * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TEN: Duration = Duration::from_secs(10);

    #[test]
    fn pauses_double_up_to_the_most_and_the_dice_take_any_part_of_them() {
        let pacing = Pacing::default();
        let pause = |failures, dice| pacing.pause(failures, Duration::ZERO, TEN, None, dice).unwrap();
        let longest: Vec<u128> = [1, 2, 3, 5, 6, 40, u32::MAX].map(|n| pause(n, u32::MAX).as_millis()).to_vec();
        assert_eq!(longest, [250, 500, 1_000, 4_000, 4_000, 4_000, 4_000]);
        assert_eq!(pause(3, 0), Duration::ZERO);
        assert_eq!(pause(3, u32::MAX / 4).as_millis(), 250);
    }

    #[test]
    fn the_budget_is_ten_seconds_or_a_third_of_the_time_left() {
        let pacing = Pacing::default();
        assert_eq!(pacing.budget(Duration::from_mins(15)), TEN);
        assert_eq!(pacing.budget(3 * SECOND), SECOND);
        assert_eq!(pacing.budget(Duration::ZERO), Duration::ZERO);
        assert_eq!(
            pacing.pause(1, Duration::from_millis(9_749), TEN, None, u32::MAX).map(|p| p.as_millis()),
            Some(250)
        );
        assert_eq!(pacing.pause(1, Duration::from_millis(9_750), TEN, None, u32::MAX), None, "spent");
        assert_eq!(pacing.pause(1, Duration::ZERO, Duration::ZERO, None, 0), None, "no time, no retry");
    }

    #[test]
    fn what_the_server_asks_for_is_kept_or_not_retried_at_all() {
        let pacing = Pacing::default();
        assert_eq!(pacing.pause(1, SECOND, TEN, Some(8 * SECOND), 0), Some(8 * SECOND));
        assert_eq!(pacing.pause(1, SECOND, TEN, Some(9 * SECOND), 0), None);
        assert_eq!(pacing.pause(1, SECOND, TEN, Some(Duration::MAX), 0), None);
        assert_eq!(pacing.pause(1, SECOND, TEN, Some(Duration::ZERO), u32::MAX), Some(pacing.first));
    }

    #[test]
    fn both_forms_of_retry_after() {
        let now = 1_795_000_000_000;
        assert_eq!(retry_after(" 7 ", now), Some(7 * SECOND));
        assert_eq!(retry_after("99999999999999999999999", now), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777_000 - 1_500), Some(SECOND * 3 / 2));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::ZERO));
        for text in ["", "-1", "soon", "1.5", "Sun, 06 Nov 1994", "Sun, 99 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94"]
        {
            assert_eq!(retry_after(text, now), None, "{text}");
        }
    }

    #[test]
    fn dates_around_leap_days_and_years() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        ] {
            assert_eq!(http_date(text), Some(seconds), "{text}");
        }
    }
}
