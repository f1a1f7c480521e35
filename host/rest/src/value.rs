//! Values of conditions and of written columns, as their column's type reads them.

use jiff::{civil::DateTime, tz::Offset};
use resly_core::time::Timestamp;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::{error::RestError, limits, registry::Type};

/// A value that is bound to a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Uuid(Uuid),
    Text(String),
    Int(i64),
    Bool(bool),
    Time(Timestamp),
    Json(Json),
    Texts(Vec<String>),
}

impl Value {
    /// Reads a text of a query or of CSV.
    pub fn parse(kind: Type, text: &str) -> Result<Self, RestError> {
        let invalid = || RestError::invalid_value(kind.name(), text);
        let bare = text.trim();
        Ok(match kind {
            Type::Text => Self::Text(text.to_owned()),
            Type::Uuid => Self::Uuid(Uuid::try_parse(bare).map_err(|_| invalid())?),
            Type::Bigint => Self::Int(bare.parse().map_err(|_| match bare.trim_start_matches(['-', '+']) {
                digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                    RestError::new(400, "22003", format!("value \"{bare}\" is out of range for type bigint"))
                }
                _ => invalid(),
            })?),
            Type::Boolean => Self::Bool(boolean(bare).ok_or_else(invalid)?),
            Type::Timestamp => Self::Time(timestamp(bare).ok_or_else(invalid)?),
            Type::Jsonb => {
                let value = serde_json::from_str(text)
                    .map_err(|_| RestError::new(400, "22P02", "invalid input syntax for type json"))?;
                Self::Json(value)
            }
            Type::Texts => Self::Texts(texts(bare).ok_or_else(|| {
                RestError::new(400, "22P02", format!("malformed array literal: \"{}\"", crate::error::short(text)))
            })?),
        })
    }

    /// Reads a member of a body in JSON.
    pub fn from_json(kind: Type, value: Json) -> Result<Self, RestError> {
        let value = match (kind, value) {
            (Type::Jsonb, value) => Self::Json(value),
            (_, Json::Null) => Self::Null,
            (Type::Boolean, Json::Bool(value)) => Self::Bool(value),
            (Type::Texts, Json::Array(items)) => {
                let text = |item| match item {
                    Json::String(text) => Ok(text),
                    other => Err(RestError::invalid_value("text", &other.to_string())),
                };
                let items: Vec<String> = items.into_iter().map(text).collect::<Result<_, _>>()?;
                if items.len() > limits::LIST {
                    return Err(RestError::too_much(format!("a list has more than {} values", limits::LIST)));
                }
                Self::Texts(items)
            }
            (kind, Json::String(text)) => Self::parse(kind, &text)?,
            (Type::Text, other) => Self::Text(other.to_string()),
            (kind, other) => Self::parse(kind, &other.to_string())?,
        };
        value.without_nul()
    }

    /// PostgreSQL holds no U+0000 in a text, so neither database gets one.
    fn without_nul(self) -> Result<Self, RestError> {
        let has_nul = match &self {
            Self::Text(text) => text.contains('\0'),
            Self::Texts(texts) => texts.iter().any(|text| text.contains('\0')),
            Self::Json(value) => value.to_string().contains("\\u0000"),
            _ => false,
        };
        if has_nul {
            Err(RestError::new(400, "22P05", "unsupported Unicode escape sequence: \\u0000"))
        } else {
            Ok(self)
        }
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// RFC 3339 and what PostgreSQL writes: a space for the `T`, an offset without minutes. Without an offset it is UTC.
fn timestamp(text: &str) -> Option<Timestamp> {
    if let Ok(exact) = text.parse() {
        return Some(exact);
    }
    // In a query that isn't percent-encoded, the plus of an offset is a space.
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.trim_start_matches(['T', 't', ' ']);
    if rest.is_empty() {
        return format!("{date}T00:00:00Z").parse().ok();
    }
    let at = rest.find(['+', '-', ' ', 'Z', 'z']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(at);
    let seconds = match zone.trim_start().trim_start_matches('+') {
        "" | "Z" | "z" | "UTC" => 0,
        offset => {
            let (sign, digits) = offset.strip_prefix('-').map_or((1, offset), |digits| (-1, digits));
            let (hours, minutes) = match digits.split_once(':') {
                Some((hours, minutes)) => (hours, minutes),
                None if digits.len() == 4 => digits.split_at_checked(2)?,
                None => (digits, "0"),
            };
            sign * (hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60)
        }
    };
    let civil: DateTime = format!("{date}T{time}").parse().ok()?;
    let instant = Offset::from_seconds(seconds).ok()?.to_timestamp(civil).ok()?;
    Some(Timestamp::from_micros(instant.as_microsecond()))
}

/// An array literal of PostgreSQL, such as `{a,"b c"}`. `None` when it isn't one, or has more values than a list may.
pub fn texts(literal: &str) -> Option<Vec<String>> {
    let inner = literal.strip_prefix('{')?.strip_suffix('}')?;
    let mut found = Vec::new();
    let mut chars = inner.chars().peekable();
    if inner.trim().is_empty() {
        return Some(found);
    }
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let mut item = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next()? {
                    '"' => break,
                    '\\' => item.push(chars.next()?),
                    c => item.push(c),
                }
            }
            while chars.next_if(|c| c.is_whitespace()).is_some() {}
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                match c {
                    '\\' => item.push(chars.next()?),
                    '{' | '}' | '"' => return None,
                    c => item.push(c),
                }
            }
            item.truncate(item.trim_end().len());
            if item.is_empty() || item.eq_ignore_ascii_case("null") {
                return None;
            }
        }
        found.push(item);
        match chars.next() {
            None if found.len() <= limits::LIST => return Some(found),
            Some(',') => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_postgresql_reads_them() {
        for (text, read) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000Z"),
            ("2026-01-31T12:00:00.123456+00:00", "2026-01-31T12:00:00.123456Z"),
            ("2026-01-31 12:00:00+02", "2026-01-31T10:00:00.000000Z"),
            ("2026-01-31 12:00:00 02:30", "2026-01-31T09:30:00.000000Z"),
            ("2026-01-31T12:00", "2026-01-31T12:00:00.000000Z"),
            ("2026-01-31 12:00:00-0130", "2026-01-31T13:30:00.000000Z"),
            ("2026-01-31", "2026-01-31T00:00:00.000000Z"),
        ] {
            assert_eq!(timestamp(text).unwrap().to_string(), read, "{text}");
        }
        for text in ["", "now", "2026-02-31", "2026-01-31T25:00", "2026-01-31T12:00:00+99:99x", "é026-01-31"] {
            assert!(timestamp(text).is_none(), "{text}");
        }
        assert_eq!(Value::parse(Type::Timestamp, "soon").unwrap_err().code, "22007");
    }

    #[test]
    fn array_literals_are_read_with_quotes_and_escapes() {
        let read = |text| texts(text).map(|texts| texts.join("|"));
        assert_eq!(read(r#"{a, "b,c" ,"d\"e"}"#).as_deref(), Some("a|b,c|d\"e"));
        assert_eq!(texts("{}"), Some(vec![]));
        for wrong in ["a", "{a", "{a}b}", "{,}", "{\"a}", "{null}", "{{a}}"] {
            assert_eq!(texts(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn values_of_the_wrong_type_have_postgresqls_codes() {
        let code = |kind, text| Value::parse(kind, text).unwrap_err().code;
        assert_eq!(code(Type::Bigint, "1.5"), "22P02");
        assert_eq!(code(Type::Bigint, "99999999999999999999"), "22003");
        assert_eq!(code(Type::Uuid, "1"), "22P02");
        assert_eq!(code(Type::Boolean, "maybe"), "22P02");
        assert_eq!(Value::from_json(Type::Text, serde_json::json!("a\0")).unwrap_err().code, "22P05");
        assert_eq!(Value::from_json(Type::Text, serde_json::json!(5)).unwrap(), Value::Text("5".to_owned()));
    }
}
