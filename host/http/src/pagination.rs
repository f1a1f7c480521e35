//! Pages of lists that are newest first: `?before=<cursor>&limit=<1..200>`.
//!
//! A cursor is the time and the id of the last row of a page, as a text that clients send back unchanged. A time (RFC
//! 3339) is accepted too, so that a list can begin there.

use data_encoding::BASE64URL_NOPAD;
use resly_core::time::Timestamp;
use resly_store::Cursor;
use uuid::Uuid;

use super::query::{FromQuery, Parameters};

const USUAL: u32 = 50;
const MOST: u32 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub before: Option<Cursor>,
    pub limit: u32,
}

impl FromQuery for Page {
    fn from_query(parameters: &mut Parameters) -> Self {
        let cursor = |text: &str| decode(text).or_else(|| text.parse().ok().map(Cursor::before));
        Self {
            before: parameters.parsed(
                "before",
                cursor,
                "`next` of the page before, or a time such as 2026-01-31T12:00:00Z,",
            ),
            limit: page_limit(parameters),
        }
    }
}

/// How many rows a page may have.
pub fn page_limit(parameters: &mut Parameters) -> u32 {
    let limit = |text: &str| text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    parameters.parsed("limit", limit, &format!("a number from 1 to {MOST}")).unwrap_or(USUAL)
}

/// Cuts a page that was read with one row more than its limit. Returns whether there was one more, so that there is
/// another page.
pub fn cut<T>(found: &mut Vec<T>, limit: u32) -> bool {
    let more = found.len() as u64 > u64::from(limit);
    found.truncate(limit as usize);
    more
}

/// The cursor of the next page. `None` when there is no `more`.
pub fn next<T>(found: &[T], more: bool, place: impl Fn(&T) -> (Timestamp, Uuid)) -> Option<String> {
    found.last().filter(|_| more).map(place).map(|(at, id)| encode(Cursor { at, id }))
}

/// A cursor as a text.
pub fn encode(cursor: Cursor) -> String {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&cursor.at.micros().to_be_bytes());
    bytes[8..].copy_from_slice(cursor.id.as_bytes());
    BASE64URL_NOPAD.encode(&bytes)
}

/// The cursor of a text.
pub fn decode(text: &str) -> Option<Cursor> {
    let bytes: [u8; 24] = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()?;
    let (at, id) = bytes.split_first_chunk::<8>()?;
    Some(Cursor { at: Timestamp::from_micros(i64::from_be_bytes(*at)), id: Uuid::from_slice(id).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query;

    fn read(query: &str) -> Option<Page> {
        query::read(query).ok()
    }

    #[test]
    fn parameters_are_read() {
        assert_eq!(read("").unwrap(), Page { before: None, limit: 50 });
        let at: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        assert_eq!(read("before=2026-01-31T12:00:00Z&limit=200").unwrap().before, Some(Cursor::before(at)));
        for wrong in ["limit=0", "limit=201", "limit=many", "before=yesterday"] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_cursor_is_the_last_row_and_comes_back_whole() {
        let found = [3, 2].map(|n| (Timestamp::from_micros(n), Uuid::from_u128(n.unsigned_abs().into())));
        let cursor = next(&found, true, |row| *row).unwrap();
        let before = read(&format!("before={cursor}")).unwrap().before.unwrap();
        assert_eq!((before.at, before.id), found[1]);
        assert_eq!(next(&found, false, |row| *row), None);
        let mut rows = vec![3, 2, 1];
        assert!(cut(&mut rows, 2) && rows == [3, 2]);
        assert!(!cut(&mut rows, 2) && rows == [3, 2], "a full last page has no next one");
        assert_eq!(next(&found[..0], true, |row| *row), None);
        assert!(read(&format!("before={}", &cursor[1..])).is_none());
    }
}
