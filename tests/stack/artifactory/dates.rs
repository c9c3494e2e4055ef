//! How times are written: the storage API's way and HTTP's way, both from seconds since 1970.

/// `2026-11-23T10:00:00.000Z`, as the storage API writes times.
pub(super) fn iso(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

/// `20261123.100000`, as Maven names builds.
pub(super) fn stamp(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}.{hour:02}{minute:02}{second:02}")
}

/// `Mon, 23 Nov 2026 10:00:00 GMT`, as HTTP writes times.
pub(super) fn http_date(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    let nth = |names: &[&'static str], index: u64| {
        let index = usize::try_from(index).unwrap_or_default();
        names.iter().copied().cycle().nth(index).unwrap_or_default()
    };
    let (weekday, month) = (nth(&DAYS, days % 7), nth(&MONTHS, month - 1));
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Year, month and day of a number of days since 1970, counted in years that begin in March, so that a
/// leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[test]
fn times_are_written_as_calendars_have_them() {
    // As `date -u` prints these seconds.
    assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(iso(951_782_399), "2000-02-28T23:59:59.000Z");
    assert_eq!(iso(1_709_164_800), "2024-02-29T00:00:00.000Z");
    assert_eq!(http_date(1_795_428_000), "Mon, 23 Nov 2026 10:00:00 GMT");
}
