//! Pages of lists that are newest first: `?before=<next of the page before>&limit=<1..200>`.

use resly_core::{page::Cursor, time::Timestamp};
use uuid::Uuid;

use super::{problem::Problem, query};

const USUAL: u32 = 50;
const MOST: u32 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub before: Option<Cursor>,
    pub limit: u32,
}

pub fn read(before: Option<&str>, limit: Option<&str>) -> Result<Page, Problem> {
    let bad = |_| query::wrong("before", "is `next` of the page before, or a time (RFC 3339)");
    let before = before.map(str::parse).transpose().map_err(bad)?;
    let limit = limit.map_or(Some(USUAL), |text| text.parse().ok().filter(|limit| (1..=MOST).contains(limit)));
    let limit = limit.ok_or_else(|| query::wrong("limit", &format!("is a number from 1 to {MOST}")))?;
    Ok(Page { before, limit })
}

impl Page {
    /// What to ask the store for: one row more than the page has tells whether there is a next one.
    pub fn rows(&self) -> u32 {
        self.limit + 1
    }

    /// Cuts what the store gave to the page; where the next one begins, when there is one.
    pub fn cut<T>(&self, found: &mut Vec<T>, place: impl Fn(&T) -> (Timestamp, Uuid)) -> Option<String> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if found.len() <= limit {
            return None;
        }
        found.truncate(limit);
        let (at, id) = place(found.last()?);
        Some(Cursor { at, id }.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read() {
        assert_eq!(read(None, None).unwrap(), Page { before: None, limit: 50 });
        assert!(read(Some("2026-01-31T12:00:00Z"), Some("200")).unwrap().before.is_some());
        assert!(read(None, Some("0")).is_err());
        assert!(read(None, Some("many")).is_err());
        assert!(read(Some("yesterday"), None).is_err());
    }

    #[test]
    fn a_full_last_page_has_no_next() {
        let page = read(None, Some("2")).unwrap();
        let at = Timestamp::from_micros(5);
        let rows = [3, 2, 1].map(|id| (at, Uuid::from_u128(id)));
        let mut found = rows.to_vec();
        let next = page.cut(&mut found, |row| *row).unwrap();
        assert_eq!(found, rows[..2]);
        assert_eq!(next.parse(), Ok(Cursor { at, id: Uuid::from_u128(2) }));
        assert_eq!(page.cut(&mut found, |row| *row), None);
        assert_eq!(page.cut(&mut Vec::new(), |row: &(Timestamp, Uuid)| *row), None);
    }
}
