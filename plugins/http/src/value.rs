//! Converts values between JSON and templates without losing digits or the order of members.

use std::{fmt, sync::Arc};

use minijinja::{
    Error, ErrorKind,
    value::{Object, ObjectRepr, Value as Value_, ValueKind},
};
use resly_sdk::{Fault, Result};
use serde_json::{Map, Number, Value};

/// Digits that a 64-bit float can always hold.
const SAFE_DIGITS: usize = 15;

/// A number that fits neither an integer of 128 bits nor a float. It keeps its digits, and can't be computed with.
#[derive(Debug)]
struct Exact(String);

impl Object for Exact {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.0.bytes().take_while(|byte| !matches!(byte, b'e' | b'E')).any(|byte| matches!(byte, b'1'..=b'9'))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Converts a JSON value for templates.
pub fn from_json(value: &Value) -> Value_ {
    match value {
        Value::Null => Value_::from(()),
        Value::Bool(flag) => Value_::from(*flag),
        Value::Number(number) => from_number(number),
        Value::String(text) => Value_::from(text.as_str()),
        Value::Array(items) => items.iter().map(from_json).collect(),
        Value::Object(members) => {
            Value_::from_pairs(members.iter().map(|(name, member)| (name.as_str(), from_json(member))))
        }
    }
}

fn from_number(number: &Number) -> Value_ {
    if let Some(number) = number.as_i64() {
        return Value_::from(number);
    }
    if let Some(number) = number.as_i128() {
        return Value_::from(number);
    }
    let text = number.as_str();
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0').collect();
    let significant = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    match number.as_f64() {
        Some(float) if significant <= SAFE_DIGITS && (float != 0.0 || significant == 0) => Value_::from(float),
        _ => Value_::from_object(Exact(text.to_owned())),
    }
}

/// Converts a template's value to JSON. `None` when it is undefined.
pub fn to_json(value: &Value_) -> Result<Option<Value>> {
    Ok(Some(match value.kind() {
        ValueKind::Undefined => return Ok(None),
        ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => Value::Number(number(value)?),
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in value.try_iter().map_err(|error| Fault::internal(error.to_string()))? {
                items.push(to_json(&item)?.unwrap_or_default());
            }
            Value::Array(items)
        }
        ValueKind::Map => {
            let mut members = Map::new();
            for name in value.try_iter().map_err(|error| Fault::internal(error.to_string()))? {
                let member = value.get_item(&name).map_err(|error| Fault::internal(error.to_string()))?;
                if let Some(member) = to_json(&member)? {
                    members.insert(name.to_string(), member);
                }
            }
            Value::Object(members)
        }
        ValueKind::Plain if value.downcast_object_ref::<Exact>().is_some() => {
            let digits = value.to_string();
            Value::Number(digits.parse().map_err(|_| Fault::internal(format!("`{digits}` is no number")))?)
        }
        _ => Value::String(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
    }))
}

fn number(value: &Value_) -> Result<Number> {
    if value.is_integer() {
        let digits = value.to_string();
        return digits.parse().map_err(|_| Fault::internal(format!("`{digits}` is no number")));
    }
    let float = f64::try_from(value.clone()).ok().and_then(Number::from_f64);
    float.ok_or_else(|| Fault::invalid_input(format!("a template came to {value}, which is no number of JSON's")))
}

/// A value as part of a text: texts unchanged, everything else as in JSON. Null counts as absent.
///
/// # Errors
/// For null and undefined values.
pub fn spell(value: &Value_) -> core::result::Result<Value_, Error> {
    match value.kind() {
        ValueKind::String => Ok(value.clone()),
        ValueKind::Undefined | ValueKind::None => {
            Err(Error::new(ErrorKind::UndefinedError, "a part of this text has no value"))
        }
        _ => spelled(value).map(Value_::from),
    }
}

/// The same, but null is written as `null`, because it has a place among other values in a list.
pub fn spelled(value: &Value_) -> core::result::Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    let json = to_json(value).map_err(|fault| Error::new(ErrorKind::InvalidOperation, fault.message))?;
    Ok(match json.unwrap_or_default() {
        Value::String(text) => text,
        other => other.to_string(),
    })
}
