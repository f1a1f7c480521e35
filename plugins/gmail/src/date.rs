//! Converts the host's time (RFC 3339, in UTC) to a mail's `Date` (RFC 5322, section 3.3).

use resly_sdk::{Fault, Result};

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Converts `2026-11-24T18:20:38.123456Z` to `Tue, 24 Nov 2026 18:20:38 +0000`.
pub fn of(now: &str) -> Result<String> {
    parts(now).ok_or_else(|| Fault::internal(format!("the host's time `{now}` is not as it should be")))
}

fn parts(now: &str) -> Option<String> {
    let (date, time) = now.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<usize>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let time = time.split('.').next().filter(|time| time.len() == 8)?;
    let name = MONTHS.get(month.checked_sub(1)?)?;
    let weekday = DAYS.get(weekday(year, month, day)?)?;
    Some(format!("{weekday}, {day:02} {name} {year:04} {time} +0000"))
}

/// Days after Sunday, by Sakamoto's method.
fn weekday(year: usize, month: usize, day: usize) -> Option<usize> {
    const OFFSETS: [usize; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    let year = if month < 3 { year.checked_sub(1)? } else { year };
    Some((year + year / 4 - year / 100 + year / 400 + OFFSETS.get(month.checked_sub(1)?)? + day) % 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_as_mail_writes_it() {
        for (now, date) in [
            ("2026-11-24T18:20:38.123456Z", "Tue, 24 Nov 2026 18:20:38 +0000"),
            ("2026-01-01T00:00:00Z", "Thu, 01 Jan 2026 00:00:00 +0000"),
            ("2024-02-29T23:59:59.000000Z", "Thu, 29 Feb 2024 23:59:59 +0000"),
            ("2000-03-01T12:00:00.5Z", "Wed, 01 Mar 2000 12:00:00 +0000"),
            ("1970-01-01T00:00:00.000000Z", "Thu, 01 Jan 1970 00:00:00 +0000"),
        ] {
            assert_eq!(of(now).unwrap(), date);
        }
        for now in ["", "2026-11-24", "2026-13-01T00:00:00Z", "2026-11-24T18:20:38", "yesterday"] {
            assert!(of(now).is_err(), "{now}");
        }
    }
}
