//! Microseconds since 1970 → `2026-11-24 04:05:20.123456+00:00`, as RabbitMQ writes times in its log.
//!
//! Days are turned into a date by the Gregorian rule in cycles of 400 years, which all have the same number of days; a
//! year is reckoned from March, so that the leap day is its last.

const DAYS_OF_400_YEARS: u64 = 146_097;
const DAYS_OF_100_YEARS: u64 = 36_524;
const DAYS_OF_4_YEARS: u64 = 1_461;
/// Days from the first of March of the year 0 to the first of January 1970.
const DAYS_BEFORE_1970: u64 = 719_468;
/// Days of a year before each month, from March to February.
const DAYS_BEFORE_MONTH: [u64; 12] = [0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337];

/// The time in UTC.
pub(crate) fn format(since_1970_us: u64) -> String {
    let (seconds, us) = (since_1970_us / 1_000_000, since_1970_us % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{us:06}+00:00")
}

/// Year, month and day of the day that is so many after the first of January 1970.
fn date(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970.saturating_add(DAYS_BEFORE_1970);
    let (cycle, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    // The last century of a cycle is a day longer than the others, the last year of four likewise: hence the `min`.
    let century = (day / DAYS_OF_100_YEARS).min(3);
    let day = day - century * DAYS_OF_100_YEARS;
    let (four, day) = (day / DAYS_OF_4_YEARS, day % DAYS_OF_4_YEARS);
    let one = (day / 365).min(3);
    let day = day - one * 365;
    let year = cycle * 400 + century * 100 + four * 4 + one;
    let (since_march, before) =
        (0u64..).zip(DAYS_BEFORE_MONTH).filter(|(_, before)| *before <= day).last().unwrap_or((0, 0));
    let month = if since_march < 10 { since_march + 3 } else { since_march - 9 };
    (year + u64::from(month <= 2), month, day - before + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_are_known() {
        let check = |us: u64, expected: &str| assert_eq!(format(us), expected);
        check(0, "1970-01-01 00:00:00.000000+00:00");
        check(951_782_399_999_999, "2000-02-28 23:59:59.999999+00:00");
        check(951_782_400_000_000, "2000-02-29 00:00:00.000000+00:00");
        check(951_868_800_000_000, "2000-03-01 00:00:00.000000+00:00");
        check(1_000_000_000_000_000, "2001-09-09 01:46:40.000000+00:00");
        check(1_795_492_800_123_456, "2026-11-24 04:00:00.123456+00:00");
        check(4_107_542_400_000_000, "2100-03-01 00:00:00.000000+00:00");
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let length = |year: u64, month: u64| match month {
            2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..DAYS_OF_400_YEARS {
            assert_eq!(date(days), (year, month, day), "day {days}");
            day += 1;
            if day > length(year, month) {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }
}
