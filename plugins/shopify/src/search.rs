//! Shopify's search syntax (Shopify, "API search syntax"): what a customer typed is only ever a value in it.

/// `field:"value"`, the value quoted and escaped, so that no operator in it widens the search.
pub fn term(field: &str, value: &str) -> String {
    format!("{field}:{}", quoted(value))
}

/// A value as one phrase.
pub fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// Each word as a phrase of its own, all of which must match.
pub fn words(text: &str) -> String {
    text.split_whitespace().map(quoted).collect::<Vec<_>>().join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        assert_eq!(term("name", "#1001"), r##"name:"#1001""##);
        assert_eq!(term("name", r##"#1001" OR name:"*"##), r##"name:"#1001\" OR name:\"*""##);
        assert_eq!(quoted("a\\\" OR b"), r#""a\\\" OR b""#);
        assert_eq!(words("red OR shoes"), r#""red" AND "OR" AND "shoes""#);
        assert_eq!(quoted("a\nb"), "\"a b\"");
    }
}
