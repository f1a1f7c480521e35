//! Estimates the memory that a JSON text takes once it is parsed, without building anything of it.
//!
//! Parsing can multiply a text's size: by thirty with two bytes for each element, by eighty with empty objects. So a
//! stranger's text is weighed first. The reader visits each value, keeps none, and stops at the bound.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Bytes of a list's element. A list may have reserved twice what it holds.
const ELEMENT: usize = 2 * size_of::<Value>();
/// Bytes of a member in an object's table, with its hash.
const MEMBER: usize = size_of::<u64>() + size_of::<String>() + size_of::<Value>();
/// Bytes of an object: with its first member, it reserves space for four and an index of them.
const OBJECT: usize = 4 * MEMBER + 64 + 2 * ALLOCATION;
/// Bytes of a name besides its text: its place in a table that may have reserved twice what it holds.
const NAME: usize = 2 * (MEMBER - size_of::<Value>()) + 16;
/// Bytes of an integer of 64 bits, which keeps its digits.
const DIGITS: usize = ALLOCATION + 8;
/// The member by which serde_json represents any other number: an object with this member, whose value has the digits.
const NUMBER: &str = "$serde_json::private::Number";
/// Bytes that an allocation takes besides its content.
const ALLOCATION: usize = 24;

const BEYOND: &str = "parsed, it takes more memory than it may";

/// Why a text has no weight.
#[derive(Debug, thiserror::Error)]
pub enum WeighError {
    #[error("it holds so many values that, parsed, it would take more than {} MiB of memory", most >> 20)]
    TooHeavy { most: usize },
    /// It isn't JSON. The parser's error says more.
    #[error("it is not JSON")]
    NotJson,
}

/// Estimates the bytes of a text as a [`Value`], rather too many than too few. It takes time in proportion to the text,
/// and memory in proportion to its depth.
///
/// # Errors
/// When the weight is more than `most`, or the text isn't JSON.
pub fn weigh(text: &str, most: usize) -> Result<usize, WeighError> {
    let mut scale = Scale { weight: 0, most };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Weighed(&mut scale).deserialize(&mut reader).and_then(|()| reader.end());
    match read {
        Ok(()) => Ok(scale.weight),
        Err(_) if scale.weight > most => Err(WeighError::TooHeavy { most }),
        Err(_) => Err(WeighError::NotJson),
    }
}

struct Scale {
    weight: usize,
    most: usize,
}

impl Scale {
    fn add<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        self.weight = self.weight.saturating_add(bytes);
        if self.weight > self.most { Err(E::custom(BEYOND)) } else { Ok(()) }
    }
}

/// Weighs one value.
struct Weighed<'s>(&'s mut Scale);

impl<'de> DeserializeSeed<'de> for Weighed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.add(ELEMENT)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Weighed<'_> {
    type Value = ();

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.0.add(DIGITS)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.0.add(DIGITS)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.0.add(DIGITS)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.add(text.len() + ALLOCATION)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.0.add(ALLOCATION)?;
        while list.next_element_seed(Weighed(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut first = true;
        while let Some(is_number) = object.next_key_seed(Name(self.0))? {
            if is_number {
                let digits: String = object.next_value()?;
                self.0.add(digits.len() + ALLOCATION)?;
                continue;
            }
            if std::mem::take(&mut first) {
                self.0.add(OBJECT)?;
            }
            object.next_value_seed(Weighed(self.0))?;
        }
        Ok(())
    }
}

/// Weighs a member's name. Returns whether the object stands for a number.
struct Name<'s>(&'s mut Scale);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = bool;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        let is_number = name == NUMBER;
        if !is_number {
            self.0.add(name.len() + ALLOCATION + NAME)?;
        }
        Ok(is_number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn list(element: &str, times: usize) -> String {
        format!("[{}]", vec![element; times].join(","))
    }

    #[test]
    fn what_expands_is_refused_and_an_honest_text_is_not() {
        // Each has a megabyte or two as a text.
        for element in ["0", "[]", "{\"\":0}", "\"\"", "null", "[[[0]]]", "1e1", "true"] {
            let text = list(element, (2 * MIB) / (element.len() + 1));
            assert!(matches!(weigh(&text, 16 * MIB), Err(WeighError::TooHeavy { .. })), "{element}");
        }
        let honest =
            list(r#"{"name": "a name of some length", "description": "and some words about what it is"}"#, 9_000);
        let weight = weigh(&honest, 16 * MIB).unwrap();
        assert!(weight > honest.len() && weight < 16 * honest.len(), "{weight} of {}", honest.len());
        // A number is its digits and no object.
        let floats = list("0.12345", 1_000);
        assert!(weigh(&floats, MIB).unwrap() < 1_000 * (ELEMENT + 100));
        let text = format!("\"{}\"", "x".repeat(MIB));
        assert!(weigh(&text, 2 * MIB).unwrap() < MIB + 200);
    }

    #[test]
    fn what_is_no_json_has_no_weight() {
        for text in ["", "[0", "[0] 1", "{\"a\"}", "nul"] {
            assert!(matches!(weigh(text, MIB), Err(WeighError::NotJson)), "{text}");
        }
        assert!(matches!(weigh(&"[".repeat(1_000), MIB), Err(WeighError::NotJson)));
        assert!(weigh(" {\"a\": [1, \"\\u00e9\"]} ", MIB).is_ok());
    }
}
