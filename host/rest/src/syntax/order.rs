//! `order`: columns, columns of relations, and where nulls go.

use super::path::{self, RawField};
use crate::{cursor::Cursor, error::RestError, limits};

/// A term of an `order`.
#[derive(Clone, Debug)]
pub struct RawTerm {
    /// The embedded relation whose column it is.
    pub relation: Option<String>,
    pub field: RawField,
    pub descending: bool,
    pub nulls_first: bool,
}

pub fn parse(text: &str) -> Result<Vec<RawTerm>, RestError> {
    let mut cursor = Cursor::new("order", text);
    let mut terms = Vec::new();
    loop {
        terms.push(term(&mut cursor)?);
        if terms.len() > limits::ORDER_TERMS {
            return Err(RestError::too_much(format!("an order has more than {} terms", limits::ORDER_TERMS)));
        }
        if !cursor.take(",") {
            cursor.end()?;
            return Ok(terms);
        }
    }
}

fn term(cursor: &mut Cursor<'_>) -> Result<RawTerm, RestError> {
    let mut ahead = cursor.clone();
    let name = ahead.name()?;
    let (relation, field) = if ahead.take("(") {
        *cursor = ahead;
        let field = path::field(cursor)?;
        cursor.expect(")")?;
        (Some(name), field)
    } else {
        (None, path::field(cursor)?)
    };
    let (mut direction, mut nulls) = (None, None);
    while cursor.take(".") {
        match cursor.take_while(|c| c.is_ascii_alphabetic()) {
            "asc" if direction.is_none() && nulls.is_none() => direction = Some(false),
            "desc" if direction.is_none() && nulls.is_none() => direction = Some(true),
            "nullsfirst" if nulls.is_none() => nulls = Some(true),
            "nullslast" if nulls.is_none() => nulls = Some(false),
            _ => return Err(cursor.error("asc, desc, nullsfirst or nullslast")),
        }
    }
    let descending = direction.unwrap_or(false);
    // PostgreSQL takes nulls for larger than everything.
    Ok(RawTerm { relation, field, descending, nulls_first: nulls.unwrap_or(descending) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_are_last_when_the_order_rises_and_first_when_it_falls() {
        let terms = parse("a,b.desc,c.asc.nullsfirst,d.nullslast,visitors(external_id).desc.nullslast").unwrap();
        let flags: Vec<_> = terms.iter().map(|term| (term.descending, term.nulls_first)).collect();
        assert_eq!(flags, [(false, false), (true, true), (false, true), (false, false), (true, false)]);
        assert_eq!(terms[4].relation.as_deref(), Some("visitors"));
        for wrong in ["", "a.up", "a.asc.desc", "a(b", "a.nullsfirst.asc", "a.", "a,,b", "a;b"] {
            assert_eq!(parse(wrong).unwrap_err().code, "PGRST100", "{wrong}");
        }
        assert_eq!(parse(&"a,".repeat(1000)).unwrap_err().code, "54000");
    }
}
