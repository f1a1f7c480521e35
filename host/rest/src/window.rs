//! Which rows of a result are sent: `limit`, `offset`, `Range`, and `Content-Range` of the answer.

use crate::{error::RestError, limits, plan::Node};

/// Narrows the plan to a `Range` header, such as `0-24` or `10-`, and to the most rows of an answer.
pub fn narrow(node: &mut Node, range: Option<&str>) -> Result<(), RestError> {
    if let Some((from, to)) = range.map(parse).transpose()?.flatten() {
        let own_end = node.limit.map(|limit| node.offset.saturating_add(limit));
        let range_end = to.map(|to| to.saturating_add(1));
        node.offset = node.offset.max(from);
        let end = own_end.into_iter().chain(range_end).min();
        node.limit = end.map(|end| end.saturating_sub(node.offset));
    }
    node.limit = Some(node.limit.unwrap_or(limits::ROWS).min(limits::ROWS));
    node.offset = node.offset.min(i64::MAX as u64);
    Ok(())
}

/// What isn't a range of items is ignored (RFC 9110, section 14.2).
fn parse(text: &str) -> Result<Option<(u64, Option<u64>)>, RestError> {
    let text = text.trim();
    let text = text.strip_prefix("items=").unwrap_or(text);
    let Some((from, to)) = text.split_once('-') else { return Ok(None) };
    let (Ok(from), to) = (from.trim().parse::<u64>(), to.trim()) else { return Ok(None) };
    if to.is_empty() {
        return Ok(Some((from, None)));
    }
    let Ok(to) = to.parse::<u64>() else { return Ok(None) };
    if to < from {
        return Err(RestError::new(416, "PGRST103", "Requested range not satisfiable")
            .details("The lower boundary must be lower than or equal to the upper boundary in the Range header."));
    }
    Ok(Some((from, Some(to))))
}

/// The status and the `Content-Range` of rows that begin at `offset`.
pub fn content_range(offset: u64, rows: usize, total: Option<u64>) -> Result<(u16, String), RestError> {
    let rows = rows as u64;
    let all = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
    if let Some(total) = total
        && offset > 0
        && offset >= total
        && rows == 0
        && offset != total
    {
        return Err(RestError::new(416, "PGRST103", "Requested range not satisfiable")
            .details(format!("An offset of {offset} was requested, but there are only {total} rows.")));
    }
    let range = if rows == 0 { format!("*/{all}") } else { format!("{offset}-{}/{all}", offset + rows - 1) };
    let partial = total.is_some_and(|total| rows < total);
    Ok((if partial { 206 } else { 200 }, range))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{query::Query, registry, resolve};

    fn narrowed(query: &str, range: Option<&str>) -> (u64, u64) {
        let table = registry::table("tickets").unwrap();
        let mut node = resolve::plan(table, &Query::parse(query).unwrap()).unwrap();
        narrow(&mut node, range).unwrap();
        (node.offset, node.limit.unwrap())
    }

    #[test]
    fn the_narrower_of_range_and_limit_counts() {
        assert_eq!(narrowed("", None), (0, limits::ROWS));
        assert_eq!(narrowed("limit=1000000", None), (0, limits::ROWS));
        assert_eq!(narrowed("limit=5&offset=10", None), (10, 5));
        assert_eq!(narrowed("", Some("0-24")), (0, 25));
        assert_eq!(narrowed("", Some("10-")), (10, limits::ROWS));
        assert_eq!(narrowed("limit=5", Some("3-9")), (3, 2));
        assert_eq!(narrowed("limit=5", Some("9-12")), (9, 0));
        assert_eq!(narrowed("", Some("bytes=1-2")), (0, limits::ROWS));
        assert_eq!(parse("5-3").unwrap_err().code, "PGRST103");
        assert_eq!(parse("18446744073709551615-18446744073709551616").unwrap(), None);
    }

    #[test]
    fn a_part_of_a_known_whole_is_206() {
        assert_eq!(content_range(0, 3, None).unwrap(), (200, "0-2/*".to_owned()));
        assert_eq!(content_range(0, 3, Some(3)).unwrap(), (200, "0-2/3".to_owned()));
        assert_eq!(content_range(2, 3, Some(30)).unwrap(), (206, "2-4/30".to_owned()));
        assert_eq!(content_range(0, 0, Some(0)).unwrap(), (200, "*/0".to_owned()));
        let refused = content_range(10, 0, Some(3)).unwrap_err();
        assert_eq!((refused.status, refused.code.as_ref()), (416, "PGRST103"));
    }
}
