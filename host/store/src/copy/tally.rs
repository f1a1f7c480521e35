//! What the rows of a table come to: their number and a digest that doesn't depend on their order.

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{schema::Table, value::Value};

/// A sum of the rows' SHA-256, as two numbers modulo 2^128. Equal rows in any order have equal sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum([u128; 2]);

impl Sum {
    fn add(&mut self, digest: [u8; 32]) {
        let (low, high) = digest.split_at(16);
        for (sum, half) in self.0.iter_mut().zip([low, high]) {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(half);
            *sum = sum.wrapping_add(u128::from_be_bytes(bytes));
        }
    }
}

/// The rows of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub rows: u64,
    all: Sum,
    /// Of what changes only when somebody changes something.
    lasting: Sum,
}

impl Tally {
    pub fn add(&mut self, table: &Table, row: &[Value]) {
        self.rows += 1;
        let passing = table.columns.iter().any(|column| !column.lasting);
        let all = digest(row.iter());
        self.all.add(all);
        if !table.lasting {
            return;
        }
        let lasting = || row.iter().zip(&table.columns).filter(|(_, column)| column.lasting).map(|(value, _)| value);
        self.lasting.add(if passing { digest(lasting()) } else { all });
    }

    /// Whether both are of the same rows, but for what hosts write by themselves.
    pub fn lasts_as(&self, other: &Self, table: &Table) -> bool {
        self.lasting == other.lasting && (self.rows == other.rows || !table.lasting)
    }

    /// The beginning of the digest, for people.
    pub fn short(&self) -> String {
        format!("{:016x}", self.all.0[0] >> 64)
    }

    pub fn to_text(self) -> String {
        let [a, b, c, d] = [self.all.0[0], self.all.0[1], self.lasting.0[0], self.lasting.0[1]];
        format!("{} {a:x} {b:x} {c:x} {d:x}", self.rows)
    }

    /// Reads what [`Self::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let rows = parts.next()?.parse().ok()?;
        let mut half = || u128::from_str_radix(parts.next()?, 16).ok();
        let tally = Self { rows, all: Sum([half()?, half()?]), lasting: Sum([half()?, half()?]) };
        parts.next().is_none().then_some(tally)
    }
}

/// The digest of values: each with its type and its length, so that no two rows look alike.
fn digest<'v>(values: impl Iterator<Item = &'v Value>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut put = |tag: u8, bytes: &[u8]| {
        hash.update([tag]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for value in values {
        match value {
            Value::Null => put(0, &[]),
            Value::Uuid(id) => put(1, id.as_bytes()),
            Value::Text(text) => put(2, text.as_bytes()),
            Value::Int(number) => put(3, &number.to_be_bytes()),
            Value::Bool(flag) => put(4, &[u8::from(*flag)]),
            Value::Time(time) => put(5, &time.micros().to_be_bytes()),
            Value::Bytes(bytes) => put(6, bytes),
            Value::Json(json) => put(7, canonical(json).as_bytes()),
            Value::Texts(texts) => put(8, canonical(&Json::from(texts.clone())).as_bytes()),
        }
    }
    hash.finalize().into()
}

/// JSON as `jsonb` tells values apart: members without order, numbers by their value.
fn canonical(json: &Json) -> String {
    let mut text = String::new();
    push_canonical(&mut text, json);
    text
}

fn push_canonical(text: &mut String, json: &Json) {
    match json {
        Json::Null | Json::Bool(_) | Json::String(_) => text.push_str(&json.to_string()),
        Json::Number(number) => text.push_str(&decimal(&number.to_string())),
        Json::Array(items) => {
            text.push('[');
            for item in items {
                push_canonical(text, item);
                text.push(',');
            }
            text.push(']');
        }
        Json::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| name.as_str());
            text.push('{');
            for (name, value) in members {
                text.push_str(&Json::from(name.as_str()).to_string());
                text.push(':');
                push_canonical(text, value);
                text.push(',');
            }
            text.push('}');
        }
    }
}

/// A number's digits without zeros at their ends, and the power of ten of the last one: `1.50` and `15e-1` are `15e-1`.
fn decimal(number: &str) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return "0".to_owned();
    }
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let dropped = length(digits) - length(kept);
    match exponent.parse::<i64>() {
        Ok(exponent) => format!("{sign}{kept}e{}", exponent.saturating_add(dropped).saturating_sub(length(fraction))),
        // PostgreSQL has no such number.
        Err(_) => format!("{sign}{number}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(columns: &[(&str, bool)]) -> Table {
        let column = |(name, lasting): &(&str, bool)| super::super::schema::Column {
            name: (*name).to_owned(),
            kind: super::super::schema::Kind::Text,
            lasting: *lasting,
        };
        Table { name: "t".to_owned(), columns: columns.iter().map(column).collect(), key: vec![0], lasting: true }
    }

    fn tally(table: &Table, rows: &[[&str; 2]]) -> Tally {
        let mut tally = Tally::default();
        rows.iter().for_each(|row| tally.add(table, &row.map(|text| Value::Text(text.to_owned()))));
        tally
    }

    #[test]
    fn a_digest_has_no_order_and_sees_every_change() {
        let table = table(&[("id", true), ("seen", false)]);
        let one = tally(&table, &[["a", "1"], ["b", "2"]]);
        assert_eq!(one, tally(&table, &[["b", "2"], ["a", "1"]]));
        for other in [
            &[["a", "1"], ["b", "3"]][..],
            &[["a", "1"]],
            &[["a", "1"], ["b", "2"], ["b", "2"]],
            &[["a1", ""], ["b", "2"]],
        ] {
            assert_ne!(one, tally(&table, other));
        }
        assert!(one.lasts_as(&tally(&table, &[["a", "1"], ["b", "3"]]), &table), "that is passing");
        assert!(!one.lasts_as(&tally(&table, &[["a", "1"], ["c", "2"]]), &table));
        assert_eq!(Tally::parse(&one.to_text()), Some(one));
        assert_eq!(Tally::parse("1 2"), None);
    }

    #[test]
    fn json_is_equal_where_jsonb_says_so() {
        let one: Json = serde_json::from_str(r#"{"b": [1.50, -0, 1e3, {"x": "é"}], "a": null}"#).unwrap();
        let same: Json = serde_json::from_str(r#"{"a":null,"b":[15e-1,0.0,1000,{"x":"\u00e9"}]}"#).unwrap();
        assert_eq!(canonical(&one), canonical(&same));
        for (one, other) in [(json!([1]), json!(["1"])), (json!([[1], 2]), json!([1, [2]])), (json!(10), json!(1))] {
            assert_ne!(canonical(&one), canonical(&other));
        }
        assert_eq!(decimal("-0012.3400e5"), "-1234e3");
        assert_eq!(decimal("9007199254740993"), "9007199254740993e0");
    }
}
