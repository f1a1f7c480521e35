//! Where a page of a list begins: behind the row that the page before ended with. Times repeat, so a cursor has the row's
//! id too.

use std::{fmt, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

use crate::time::Timestamp;

/// A place in a list that is newest first, by time and id. Clients take its text for opaque: Base64url of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub at: Timestamp,
    pub id: Uuid,
}

impl Cursor {
    /// Before everything of that moment.
    pub fn before(at: Timestamp) -> Self {
        Self { at, id: Uuid::nil() }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.at.micros().to_be_bytes());
        bytes[8..].copy_from_slice(self.id.as_bytes());
        f.write_str(&BASE64URL_NOPAD.encode(&bytes))
    }
}

/// The text is neither a cursor nor a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is neither a cursor nor a time")]
pub struct BadCursor;

/// A cursor's own text, or a time (RFC 3339).
impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        if let Ok(at) = text.parse() {
            return Ok(Self::before(at));
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| BadCursor)?;
        let (at, id) = bytes.split_first_chunk::<8>().ok_or(BadCursor)?;
        let at = Timestamp::from_micros(i64::from_be_bytes(*at));
        Ok(Self { at, id: Uuid::from_slice(id).map_err(|_| BadCursor)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back() {
        let cursor = Cursor { at: Timestamp::from_micros(1_767_225_600_000_001), id: Uuid::from_u128(7 << 120 | 5) };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert_eq!("2026-01-01T00:00:00.000001Z".parse(), Ok(Cursor::before(cursor.at)));
        for wrong in ["", "yesterday", "AAAA", &cursor.to_string()[1..], &format!("{cursor}AAAA")] {
            assert_eq!(wrong.parse::<Cursor>(), Err(BadCursor), "{wrong}");
        }
    }
}
