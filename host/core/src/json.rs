//! Compares JSON values by meaning: numbers by their value, objects without regard to order.
//!
//! A [`Value`] keeps a number's digits and an object's order, so that both reach a service as they were written. For
//! this reason `==` tells `1` from `1.0`, and a value's text depends on its order. Code that compares or hashes uses
//! the functions below.

use serde_json::{Number, Value};

/// Whether two values mean the same: `1.50` is `1.5`, and `{"a": 1, "b": 2}` is `{"b": 2, "a": 1}`.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => same_number(left, right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| same(left, right)))
        }
        (left, right) => left == right,
    }
}

fn same_number(left: &Number, right: &Number) -> bool {
    left == right || decimal(left.as_str()).is_some_and(|left| decimal(right.as_str()) == Some(left))
}

/// A number as its sign, its digits without zeros at either end, and the power of ten that `0.digits` is multiplied by.
/// `None` when the exponent doesn't fit 64 bits.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    let leading = i64::try_from(digits.len() - significant.len()).ok()?;
    let point = i64::try_from(whole.len()).ok()?.checked_sub(leading)?.checked_add(exponent.parse().ok()?)?;
    Some((negative, significant.trim_end_matches('0').to_owned(), point))
}

/// The text of a value with its members sorted by name, so that two values that differ in order only give one text.
pub fn canonical(value: &Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string()
}

/// JSON or other text without a byte order mark, which RFC 8259, section 8.1, lets readers ignore.
pub fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn values_are_the_same_whatever_their_spelling() {
        for (left, right) in [
            ("1", "1.0"),
            ("1.50", "1.5"),
            ("100", "1e2"),
            ("0.001", "1E-3"),
            ("-0", "0.0"),
            ("12345678901234567890123.0", "12345678901234567890123"),
            ("[1, {\"a\": 1, \"b\": 2}]", "[1.0, {\"b\": 2, \"a\": 1}]"),
        ] {
            assert!(same(&read(left), &read(right)), "{left} {right}");
        }
        for (left, right) in [
            ("1", "-1"),
            ("1", "10"),
            ("12345678901234567890123", "12345678901234567890124"),
            ("0.1234567890123456789", "0.1234567890123456788"),
            ("1", "\"1\""),
            ("[1]", "[1, 2]"),
            ("{\"a\": 1}", "{\"a\": 1, \"b\": 2}"),
            ("1e99999999999999999999", "1"),
        ] {
            assert!(!same(&read(left), &read(right)), "{left} {right}");
        }
    }

    #[test]
    fn order_and_digits_are_kept_where_they_pass() {
        let text = r#"{"z":12345678901234567890123456789,"a":{"y":1.10,"b":null},"m":0.1234567890123456789}"#;
        assert_eq!(read(text).to_string(), text);
        assert_eq!(
            canonical(&read(text)),
            canonical(&json!({"m": read("0.1234567890123456789"),
            "a": {"b": null, "y": read("1.10")}, "z": read("12345678901234567890123456789")}))
        );
        assert!(canonical(&read(text)).starts_with("{\"a\":{\"b\":"));
    }

    #[test]
    fn a_mark_goes() {
        assert_eq!(without_bom("\u{feff}{}".as_bytes()), b"{}");
        assert_eq!(without_bom(b"{}"), b"{}");
    }
}
