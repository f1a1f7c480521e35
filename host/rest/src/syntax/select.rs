//! `select`: columns with renames, casts and JSON paths, aggregates, and relations to embed.

use super::path::{self, RawField};
use crate::{
    cursor::Cursor,
    error::RestError,
    limits,
    plan::{AggregateFunction, Cast},
};

/// A part of a `select`.
#[derive(Clone, Debug)]
pub enum RawItem {
    /// `*`
    All,
    Field {
        alias: Option<String>,
        field: RawField,
        cast: Option<Cast>,
    },
    Aggregate {
        alias: Option<String>,
        function: AggregateFunction,
        /// `None` is `count()`.
        field: Option<RawField>,
        cast: Option<Cast>,
    },
    Embed(RawEmbed),
}

/// A relation to embed.
#[derive(Clone, Debug)]
pub struct RawEmbed {
    pub alias: Option<String>,
    /// A table, a foreign key's column, or its name.
    pub target: String,
    pub hint: Option<String>,
    pub inner: bool,
    pub spread: bool,
    pub items: Vec<RawItem>,
}

pub fn parse(text: &str) -> Result<Vec<RawItem>, RestError> {
    let mut cursor = Cursor::new("select parameter", text);
    if cursor.is_at_end() {
        return Ok(vec![RawItem::All]);
    }
    let mut count = 0;
    let items = items(&mut cursor, 0, &mut count)?;
    cursor.end()?;
    Ok(items)
}

fn items(cursor: &mut Cursor<'_>, depth: usize, count: &mut usize) -> Result<Vec<RawItem>, RestError> {
    let mut found = Vec::new();
    loop {
        found.push(item(cursor, depth, count)?);
        *count += 1;
        if *count > limits::SELECT_ITEMS {
            return Err(RestError::too_much(format!("more than {} things are selected", limits::SELECT_ITEMS)));
        }
        if !cursor.take(",") {
            return Ok(found);
        }
    }
}

fn item(cursor: &mut Cursor<'_>, depth: usize, count: &mut usize) -> Result<RawItem, RestError> {
    if cursor.take("*") {
        return Ok(RawItem::All);
    }
    if cursor.take("...") {
        let target = cursor.name()?;
        return embed(cursor, None, target, true, depth, count);
    }
    let mut ahead = cursor.clone();
    let mut alias = None;
    let first = ahead.name()?;
    if ahead.peek() == Some(':') && !ahead.rest().starts_with("::") {
        ahead.expect(":")?;
        alias = Some(first);
        *cursor = ahead;
    }
    if cursor.rest().starts_with("count()") {
        cursor.expect("count()")?;
        let cast = cast(cursor)?;
        return Ok(RawItem::Aggregate { alias, function: AggregateFunction::Count, field: None, cast });
    }
    let mut ahead = cursor.clone();
    let target = ahead.name()?;
    if matches!(ahead.peek(), Some('(' | '!')) {
        *cursor = ahead;
        return embed(cursor, alias, target, false, depth, count);
    }
    let field = path::field(cursor)?;
    let first_cast = cast(cursor)?;
    if !cursor.take(".") {
        // The old spelling of `count()` within an embedded relation.
        if depth > 0 && field.column == "count" && field.path.is_empty() && first_cast.is_none() {
            return Ok(RawItem::Aggregate { alias, function: AggregateFunction::Count, field: None, cast: None });
        }
        return Ok(RawItem::Field { alias, field, cast: first_cast });
    }
    if first_cast.is_some() {
        return Err(RestError::unsupported("a cast before an aggregate"));
    }
    let function = match cursor.take_while(|c| c.is_ascii_alphabetic()) {
        "count" => AggregateFunction::Count,
        "sum" => AggregateFunction::Sum,
        "avg" => AggregateFunction::Avg,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        _ => return Err(cursor.error("an aggregate: count(), sum(), avg(), min() or max()")),
    };
    cursor.expect("()")?;
    Ok(RawItem::Aggregate { alias, function, field: Some(field), cast: cast(cursor)? })
}

fn embed(
    cursor: &mut Cursor<'_>,
    alias: Option<String>,
    target: String,
    spread: bool,
    depth: usize,
    count: &mut usize,
) -> Result<RawItem, RestError> {
    let (mut hint, mut inner) = (None, false);
    while cursor.take("!") {
        match cursor.name()?.as_str() {
            "inner" => inner = true,
            "left" => inner = false,
            name if hint.is_none() => hint = Some(name.to_owned()),
            _ => return Err(cursor.error("one hint")),
        }
    }
    cursor.expect("(")?;
    if depth == limits::EMBED_DEPTH {
        return Err(RestError::too_much(format!("relations are embedded more than {} deep", limits::EMBED_DEPTH)));
    }
    let items = if cursor.peek() == Some(')') { Vec::new() } else { items(cursor, depth + 1, count)? };
    cursor.expect(")")?;
    Ok(RawItem::Embed(RawEmbed { alias, target, hint, inner, spread, items }))
}

fn cast(cursor: &mut Cursor<'_>) -> Result<Option<Cast>, RestError> {
    if !cursor.take("::") {
        return Ok(None);
    }
    let name = cursor.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ')).trim();
    let cast = match name.to_ascii_lowercase().as_str() {
        "text" | "varchar" => Cast::Text,
        "int" | "int2" | "int4" | "int8" | "integer" | "bigint" | "smallint" => Cast::Integer,
        "numeric" | "decimal" | "float4" | "float8" | "real" | "double precision" => Cast::Number,
        "bool" | "boolean" => Cast::Boolean,
        "json" | "jsonb" => Cast::Json,
        "date" => Cast::Date,
        "timestamptz" | "timestamp with time zone" => Cast::Timestamp,
        "uuid" => Cast::Uuid,
        "" => return Err(cursor.error("a type")),
        other => return Err(RestError::unsupported(format!("a cast to the type \"{other}\""))),
    };
    Ok(Some(cast))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        format!("{:?}", parse(text).unwrap())
    }

    #[test]
    fn columns_have_renames_paths_and_casts() {
        assert!(matches!(parse("").unwrap().as_slice(), [RawItem::All]));
        assert!(shown("a:settings->b->>c::text,*").contains("cast: Some(Text)"));
        let items = parse("id, \"title\" ,n:quantity.sum()::text,count()").unwrap();
        assert!(matches!(&items[2], RawItem::Aggregate { alias: Some(n), .. } if n == "n"), "{items:?}");
        assert!(matches!(&items[3], RawItem::Aggregate { field: None, .. }));
    }

    #[test]
    fn relations_are_embedded_with_hints_and_aliases() {
        let items = parse("id,last:messages!inner!fk(id,role,...conversations(name)),visitors()").unwrap();
        let RawItem::Embed(embed) = &items[1] else { panic!("{items:?}") };
        assert_eq!((embed.alias.as_deref(), embed.hint.as_deref(), embed.inner), (Some("last"), Some("fk"), true));
        assert!(matches!(&embed.items[2], RawItem::Embed(inner) if inner.spread));
        assert!(matches!(&items[2], RawItem::Embed(empty) if empty.items.is_empty()));
        let RawItem::Embed(counted) = &parse("messages(count)").unwrap()[0] else { panic!() };
        assert!(matches!(counted.items[0], RawItem::Aggregate { field: None, .. }));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let error = parse("id,,b").unwrap_err();
        assert_eq!((error.code.as_ref(), error.status), ("PGRST100", 400));
        assert_eq!(error.hint.as_deref(), Some("(line 1, column 4)"));
        for wrong in ["a(", "a)", "a(b", "a::", "a.median()", "a.sum", "a->", "!a", "a!b!c(d)", "\"a", "a b\u{0}"] {
            assert_eq!(parse(wrong).unwrap_err().code, "PGRST100", "{wrong}");
        }
        assert_eq!(parse("a::money").unwrap_err().code, "PGRST127");
        assert_eq!(parse("a(b(c(d(e))))").unwrap_err().code, "54000");
        assert_eq!(parse(&"a(".repeat(50_000)).unwrap_err().code, "54000");
        assert_eq!(parse(&"a,".repeat(50_000)).unwrap_err().code, "54000");
    }
}
