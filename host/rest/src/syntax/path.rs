//! A column, and a path into its JSON: `settings->plan->>name`.

use crate::{cursor::Cursor, error::RestError, limits, plan::Step};

/// A column's name, and a path in its JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawField {
    pub column: String,
    pub path: Vec<Step>,
    /// Whether the path ends as text.
    pub as_text: bool,
}

pub fn field(cursor: &mut Cursor<'_>) -> Result<RawField, RestError> {
    let column = cursor.name()?;
    let (mut path, mut as_text) = (Vec::new(), false);
    while !as_text && cursor.peek() == Some('-') {
        as_text = cursor.take("->>");
        if !as_text {
            cursor.expect("->")?;
        }
        path.push(step(cursor)?);
        if path.len() > limits::PATH_STEPS {
            return Err(RestError::too_much(format!("a JSON path has more than {} steps", limits::PATH_STEPS)));
        }
    }
    Ok(RawField { column, path, as_text })
}

fn step(cursor: &mut Cursor<'_>) -> Result<Step, RestError> {
    let mut ahead = cursor.clone();
    let negative = ahead.take("-");
    let digits = ahead.take_while(|c| c.is_ascii_digit());
    let ends = ahead.peek().is_none_or(|c| matches!(c, '-' | ':' | ',' | '.' | ')' | '='));
    if !digits.is_empty() && ends {
        let index: i64 = digits.parse().map_err(|_| cursor.error("an index of an array"))?;
        *cursor = ahead;
        return Ok(Step::Index(if negative { -index } else { index }));
    }
    let key = cursor.name()?;
    if key.contains(['"', '\\']) || key.chars().any(char::is_control) {
        return Err(RestError::unsupported(
            "a member's name with quotes, backslashes or control characters in a JSON path",
        ));
    }
    Ok(Step::Key(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RawField, RestError> {
        field(&mut Cursor::new("field", text))
    }

    #[test]
    fn a_path_has_keys_and_indexes() {
        let found = read("log->0->\"a b\"->>-1").unwrap();
        assert_eq!(found.column, "log");
        assert_eq!(found.path, [Step::Index(0), Step::Key("a b".to_owned()), Step::Index(-1)]);
        assert!(found.as_text);
        assert_eq!(read("a->1b").unwrap().path, [Step::Key("1b".to_owned())]);
        assert!(read("a->>").is_err() && read("").is_err());
        assert_eq!(read("a->\"b\\\\c\"").unwrap_err().code, "PGRST127");
        assert_eq!(read(&format!("a{}", "->b".repeat(17))).unwrap_err().code, "54000");
    }
}
