//! Pages of lists that are newest first: `?before=<RFC 3339>&limit=<1..200>`.

use resly_core::time::Timestamp;

use super::{problem::Problem, query};

const USUAL: u32 = 50;
const MOST: u32 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub before: Option<Timestamp>,
    pub limit: u32,
}

pub fn read(before: Option<&str>, limit: Option<&str>) -> Result<Page, Problem> {
    let before = query::id_or_time("before", before)?;
    let limit = limit.map_or(Some(USUAL), |text| text.parse().ok().filter(|limit| (1..=MOST).contains(limit)));
    let limit = limit.ok_or_else(|| query::wrong("limit", &format!("is a number from 1 to {MOST}")))?;
    Ok(Page { before, limit })
}

/// Where the next page begins; `None` when these, of at most `limit`, are the last.
pub fn next<T>(found: &[T], limit: u32, created_at: impl Fn(&T) -> Timestamp) -> Option<Timestamp> {
    found.last().filter(|_| found.len() as u64 == u64::from(limit)).map(created_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        assert_eq!(read(None, None).unwrap(), Page { before: None, limit: 50 });
        assert!(read(Some("2026-01-31T12:00:00Z"), Some("200")).unwrap().before.is_some());
        assert!(read(None, Some("0")).is_err());
        assert!(read(None, Some("many")).is_err());
        assert!(read(Some("yesterday"), None).is_err());

        let found = [3, 2].map(Timestamp::from_micros);
        assert_eq!(next(&found, 2, |at| *at), Some(found[1]));
        assert_eq!(next(&found, 3, |at| *at), None);
        assert_eq!(next(&found[..0], 3, |at| *at), None);
    }
}
