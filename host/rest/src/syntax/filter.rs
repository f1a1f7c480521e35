//! Conditions: `role=eq.user`, and trees of them: `or=(role.eq.user,and(…))`.

use super::path::{self, RawField};
use crate::{cursor::Cursor, error::RestError, limits};

/// A condition, without regard to a column's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawFilter {
    And(Vec<RawFilter>),
    Or(Vec<RawFilter>),
    Not(Box<RawFilter>),
    Test(RawField, RawTest),
}

/// An operator with its value as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTest {
    pub operator: String,
    /// `any`, `all` or a language.
    pub modifier: Option<String>,
    pub value: RawValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawValue {
    One(String),
    /// Of `in`.
    List(Vec<String>),
}

/// Every operator of PostgREST. Those that aren't in `docs/rest.md` are refused by name.
const OPERATORS: [&str; 26] = [
    "eq",
    "neq",
    "gt",
    "gte",
    "lt",
    "lte",
    "like",
    "ilike",
    "match",
    "imatch",
    "in",
    "is",
    "isdistinct",
    "cs",
    "cd",
    "ov",
    "fts",
    "plfts",
    "phfts",
    "wfts",
    "sl",
    "sr",
    "nxr",
    "nxl",
    "adj",
    "not_null",
];

/// Reads the value of a parameter that is named after a column.
pub fn test(field: RawField, text: &str) -> Result<RawFilter, RestError> {
    let mut cursor = Cursor::new("filter", text);
    let filter = operation(&mut cursor, field, &|cursor| Ok(cursor.take_while(|_| true).to_owned()))?;
    cursor.end()?;
    Ok(filter)
}

/// Reads the value of `and` or `or`.
pub fn logic(name: &str, negated: bool, text: &str) -> Result<RawFilter, RestError> {
    let mut cursor = Cursor::new("logic tree", text);
    let mut count = 0;
    let members = members(&mut cursor, 1, &mut count)?;
    cursor.end()?;
    let tree = if name == "or" { RawFilter::Or(members) } else { RawFilter::And(members) };
    Ok(if negated { RawFilter::Not(Box::new(tree)) } else { tree })
}

fn members(cursor: &mut Cursor<'_>, depth: usize, count: &mut usize) -> Result<Vec<RawFilter>, RestError> {
    if depth > limits::LOGIC_DEPTH {
        return Err(RestError::too_much(format!("conditions are nested more than {} deep", limits::LOGIC_DEPTH)));
    }
    cursor.expect("(")?;
    let mut found = Vec::new();
    loop {
        cursor.take_while(|c| c == ' ');
        found.push(member(cursor, depth, count)?);
        cursor.take_while(|c| c == ' ');
        if cursor.take(")") {
            return Ok(found);
        }
        cursor.expect(",")?;
    }
}

fn member(cursor: &mut Cursor<'_>, depth: usize, count: &mut usize) -> Result<RawFilter, RestError> {
    *count += 1;
    if *count > limits::CONDITIONS {
        return Err(RestError::too_much(format!("there are more than {} conditions", limits::CONDITIONS)));
    }
    for (start, negated, or) in
        [("and(", false, false), ("or(", false, true), ("not.and(", true, false), ("not.or(", true, true)]
    {
        if cursor.rest().starts_with(start) {
            cursor.take(&start[..start.len() - 1]);
            let members = members(cursor, depth + 1, count)?;
            let tree = if or { RawFilter::Or(members) } else { RawFilter::And(members) };
            return Ok(if negated { RawFilter::Not(Box::new(tree)) } else { tree });
        }
    }
    let field = path::field(cursor)?;
    cursor.expect(".")?;
    operation(cursor, field, &value_in_tree)
}

type ReadValue<'r> = &'r dyn Fn(&mut Cursor<'_>) -> Result<String, RestError>;

/// `[not.]operator[(modifier)].value`
fn operation(cursor: &mut Cursor<'_>, field: RawField, value: ReadValue<'_>) -> Result<RawFilter, RestError> {
    let negated = cursor.take("not.");
    let start = cursor.clone();
    let operator = cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_').to_owned();
    if !OPERATORS.contains(&operator.as_str()) {
        return Err(start.error("operator (eq, gt, ...)"));
    }
    let mut modifier = None;
    if cursor.take("(") {
        modifier = Some(cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_').to_owned());
        cursor.expect(")")?;
    }
    cursor.expect(".")?;
    let value = if operator == "in" { RawValue::List(list(cursor)?) } else { RawValue::One(value(cursor)?) };
    let test = RawFilter::Test(field, RawTest { operator, modifier, value });
    Ok(if negated { RawFilter::Not(Box::new(test)) } else { test })
}

/// `(a,"b,c",d)`
fn list(cursor: &mut Cursor<'_>) -> Result<Vec<String>, RestError> {
    cursor.expect("(")?;
    let mut found = Vec::new();
    if cursor.take(")") {
        return Ok(found);
    }
    loop {
        let item = if cursor.peek() == Some('"') {
            cursor.quoted()?
        } else {
            cursor.take_while(|c| !matches!(c, ',' | ')')).to_owned()
        };
        found.push(item);
        if found.len() > limits::LIST {
            return Err(RestError::too_much(format!("a list has more than {} values", limits::LIST)));
        }
        if cursor.take(")") {
            return Ok(found);
        }
        cursor.expect(",")?;
    }
}

/// A value ends at a comma or a parenthesis, unless it is quoted or an array or object in braces.
fn value_in_tree(cursor: &mut Cursor<'_>) -> Result<String, RestError> {
    match cursor.peek() {
        Some('"') => cursor.quoted(),
        Some(open @ ('{' | '[')) => {
            let close = if open == '{' { '}' } else { ']' };
            let (mut depth, mut quoted, mut escaped, mut end) = (0_usize, false, false, None);
            for (at, c) in cursor.rest().char_indices() {
                match c {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    '"' => quoted = !quoted,
                    c if !quoted && c == open => depth += 1,
                    c if !quoted && c == close => {
                        depth = depth.saturating_sub(1);
                        if depth == 0 {
                            end = Some(at + c.len_utf8());
                            break;
                        }
                    }
                    _ => {}
                }
            }
            let end = end.ok_or_else(|| cursor.error("a closing brace"))?;
            let text = cursor.rest()[..end].to_owned();
            cursor.take(&text);
            Ok(text)
        }
        _ => Ok(cursor.take_while(|c| !matches!(c, ',' | ')')).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str) -> RawField {
        RawField { column: name.to_owned(), path: vec![], as_text: false }
    }

    fn one(operator: &str, value: &str) -> RawTest {
        RawTest { operator: operator.to_owned(), modifier: None, value: RawValue::One(value.to_owned()) }
    }

    #[test]
    fn a_parameter_is_an_operator_and_everything_after_it() {
        let read = |text| test(field("a"), text).unwrap();
        assert_eq!(read("eq.a,b).c"), RawFilter::Test(field("a"), one("eq", "a,b).c")));
        assert_eq!(read("not.is.null"), RawFilter::Not(Box::new(RawFilter::Test(field("a"), one("is", "null")))));
        let RawFilter::Test(_, RawTest { value: RawValue::List(list), .. }) = read("in.(a,\"b,)\\\"\",)") else {
            panic!()
        };
        assert_eq!(list, ["a", "b,)\"", ""]);
        let RawFilter::Test(_, RawTest { modifier, .. }) = read("like(any).{a*,b*}") else { panic!() };
        assert_eq!(modifier.as_deref(), Some("any"));
    }

    #[test]
    fn a_tree_has_quotes_arrays_and_trees() {
        let tree = logic("or", true, "(a.eq.1, and(b.cs.{x,y},not.or(c.eq.\"d,)\",e->>f.in.(1,2))))").unwrap();
        let RawFilter::Not(tree) = tree else { panic!() };
        let RawFilter::Or(members) = *tree else { panic!() };
        assert_eq!(members.len(), 2);
        let RawFilter::And(inner) = &members[1] else { panic!() };
        assert_eq!(inner[0], RawFilter::Test(field("b"), one("cs", "{x,y}")));
    }

    #[test]
    fn what_is_wrong_or_too_much_is_refused() {
        for wrong in ["", "eq", "1", "is", "zz.1", "eq(.1", "in.1", "in.(1", "in.(\"a)", "in.(1)x"] {
            assert_eq!(test(field("a"), wrong).unwrap_err().code, "PGRST100", "{wrong}");
        }
        for wrong in ["", "a.eq.1", "(a.eq.1", "(a)", "()", "(a.eq.{1)", "(a.eq.1))"] {
            assert_eq!(logic("or", false, wrong).unwrap_err().code, "PGRST100", "{wrong}");
        }
        assert_eq!(logic("or", false, &format!("({}", "or(".repeat(100_000))).unwrap_err().code, "54000");
        let many = format!("({}a.eq.1)", "a.eq.1,".repeat(300));
        assert_eq!(logic("or", false, &many).unwrap_err().code, "54000");
        assert_eq!(test(field("a"), &format!("in.({}1)", "1,".repeat(2000))).unwrap_err().code, "54000");
    }
}
