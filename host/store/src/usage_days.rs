//! The sums of the journal for bills by day (UTC): by key, by connection, and of what belongs to no conversation. A page
//! reads them in the place of a month's journal.
//!
//! An entry counts in the transaction that writes it, by the same statement or in the same trip to the database.

use resly_core::time::Timestamp;
use uuid::Uuid;

use crate::{
    query::Query,
    types::{Id, Time},
};

const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;
/// The part of what has no key, no connection or no conversation.
pub(crate) const NO_PART: Id = Id(Uuid::nil());

/// The day of a time, in UTC.
pub(crate) fn day_of(time: Timestamp) -> Timestamp {
    Timestamp::from_micros(time.micros().div_euclid(DAY_MICROS) * DAY_MICROS)
}

/// The statement that adds rows to the sums. `$rows` selects them: organization, dimension, day, part, meter, quantity.
macro_rules! add_to_days {
    ($rows:expr) => {
        concat!(
            "INSERT INTO usage_days (organization_id, dimension, day, part, meter, quantity) ",
            $rows,
            " ON CONFLICT (organization_id, dimension, day, part, meter) DO UPDATE
              SET quantity = usage_days.quantity + excluded.quantity"
        )
    };
}

pub(crate) use add_to_days;

/// What the sums are of.
#[derive(Clone, Copy)]
pub(crate) enum Dimension {
    Key,
    Connection,
    /// What belongs to no conversation.
    Outside,
}

impl Dimension {
    fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Connection => "connection",
            Self::Outside => "outside",
        }
    }
}

/// A span of time as whole days, whose sums are kept, and what is left of it before and after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Days {
    whole: (Timestamp, Timestamp),
    /// The ends that aren't whole days. Their entries are in the journal.
    ends: [(Timestamp, Timestamp); 2],
}

impl Days {
    /// The days of a span. `from` belongs to it and `to` doesn't.
    pub fn of(from: Timestamp, to: Timestamp) -> Self {
        let first =
            if day_of(from) == from { from } else { Timestamp::from_micros(day_of(from).micros() + DAY_MICROS) };
        let last = day_of(to);
        if first >= last {
            return Self { whole: (first, first), ends: [(from, to), (to, to)] };
        }
        Self { whole: (first, last), ends: [(from, first), (last, to)] }
    }

    /// Adds the conditions of the whole days' sums. The query ends with the organization's column to compare.
    pub fn push_sums(self, query: &mut Query, organization: Id, dimension: Dimension) {
        query
            .bind(organization)
            .push(" AND dimension = ")
            .bind(dimension.name())
            .push(" AND day >= ")
            .bind(Time(self.whole.0))
            .push(" AND day < ")
            .bind(Time(self.whole.1));
    }

    /// Adds a query of the journal for each end. `entries` begins with `UNION ALL` and ends with the organization's column
    /// to compare.
    pub fn push_ends(self, query: &mut Query, organization: Id, entries: &'static str) {
        for (from, to) in self.ends.into_iter().filter(|(from, to)| from < to) {
            query
                .push(entries)
                .bind(organization)
                .push(" AND updated_at >= ")
                .bind(Time(from))
                .push(" AND updated_at < ")
                .bind(Time(to))
                .push(" AND quantity <> 0");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_whole_days_and_its_ends() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let [one, two, three] = ["2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z", "2026-10-03T00:00:00Z"].map(at);
        let (noon, later) = (at("2026-10-01T12:00:00Z"), at("2026-10-03T01:00:00Z"));
        assert_eq!(Days::of(one, three), Days { whole: (one, three), ends: [(one, one), (three, three)] });
        assert_eq!(Days::of(noon, later), Days { whole: (two, three), ends: [(noon, two), (three, later)] });
        assert_eq!(Days::of(one, noon), Days { whole: (one, one), ends: [(one, noon), (noon, noon)] });
        assert_eq!(Days::of(noon, two).ends, [(noon, two), (two, two)]);
    }
}
