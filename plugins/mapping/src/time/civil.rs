//! The Gregorian calendar, extended to dates before it was introduced.

/// A date and a time of day, as in C except for the year.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    pub year: i64,
    /// 0 to 11.
    pub month: i64,
    /// From 1.
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    /// Days since Sunday.
    pub weekday: i64,
    /// From 0.
    pub year_day: i64,
}

const DAY: i64 = 86_400;

/// Days from 1970 to a date. The month counts from 0, and the day may be out of its range.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year.saturating_add(month.div_euclid(12));
    // Counted from March on, so that the leap day is the last day of its year.
    let month = (month.rem_euclid(12) + 10) % 12;
    let year = if month >= 10 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5;
    era.saturating_mul(146_097).saturating_add(day_of_era - 719_468).saturating_add(day).saturating_sub(1)
}

pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

impl Parts {
    pub fn of(seconds: i64) -> Self {
        let (day, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let shifted = day + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let year = year_of_era + era * 400 + i64::from(month >= 10);
        let mut parts = Self {
            year,
            month: (month + 2) % 12,
            day: day_of_year - (153 * month + 2) / 5 + 1,
            hour: rest / 3_600,
            minute: rest / 60 % 60,
            second: rest % 60,
            ..Self::default()
        };
        parts.set_days();
        parts
    }

    /// Computes the day of the week and of the year.
    pub fn set_days(&mut self) {
        let day = days(self.year, self.month, self.day);
        self.weekday = (day + 4).rem_euclid(7);
        self.year_day = day - days(self.year, 0, 1);
    }

    pub fn seconds(&self) -> i64 {
        let day = days(self.year, self.month, self.day).saturating_mul(DAY);
        let (hours, minutes) = (self.hour.saturating_mul(3_600), self.minute.saturating_mul(60));
        day.saturating_add(hours).saturating_add(minutes).saturating_add(self.second)
    }

    /// Year and week number of ISO 8601.
    pub fn iso_week(&self) -> (i64, i64) {
        let weekday = (self.weekday + 6) % 7;
        let week = (self.year_day - weekday + 10) / 7;
        let weeks = |year: i64| {
            let first = (days(year, 0, 1) + 3).rem_euclid(7);
            if first == 3 || (first == 2 && is_leap(year)) { 53 } else { 52 }
        };
        match week {
            0 => (self.year - 1, weeks(self.year - 1)),
            53 if weeks(self.year) == 52 => (self.year + 1, 1),
            week => (self.year, week),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree() {
        for day in (-800_000..800_000).step_by(977) {
            let parts = Parts::of(day * DAY + 5);
            assert_eq!(parts.seconds(), day * DAY + 5, "{parts:?}");
            assert!((1..=31).contains(&parts.day) && (0..12).contains(&parts.month), "{parts:?}");
        }
        let parts = Parts::of(951_782_400);
        assert_eq!((parts.year, parts.month, parts.day, parts.weekday, parts.year_day), (2000, 1, 29, 2, 59));
    }

    #[test]
    fn weeks_are_those_of_iso_8601() {
        let week = |year, month, day| Parts::of(days(year, month, day) * DAY).iso_week();
        assert_eq!(week(2024, 0, 1), (2024, 1));
        assert_eq!(week(2021, 0, 3), (2020, 53));
        assert_eq!(week(2018, 11, 31), (2019, 1));
        assert_eq!(week(2015, 2, 5), (2015, 10));
    }
}
