//! The arithmetic operators.

use std::rc::Rc;

use crate::{
    code::Operator,
    json,
    map::Map,
    number,
    value::{Text, Val, compare},
};

/// A value, or the error that was raised.
pub type Raises<T> = Result<T, Val>;

/// The most bytes or items that a text or a list may become in one step.
const LONGEST: f64 = 64_000_000.0;

pub fn raise<T>(message: impl Into<String>) -> Raises<T> {
    Err(Val::from(message.into()))
}

/// A value in an error message: its type and its start.
pub fn describe(value: &Val) -> String {
    const LONGEST: usize = 30;
    let mut text = json::to_text(value);
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST - 3));
        text.push_str("...");
    }
    format!("{} ({text})", value.type_name())
}

pub fn binary(operator: Operator, left: Val, right: Val) -> Raises<Val> {
    match operator {
        Operator::Add => add(left, right),
        Operator::Subtract => subtract(left, right),
        Operator::Multiply => multiply(left, right),
        Operator::Divide => divide(left, right),
        Operator::Remainder => remainder(left, right),
        Operator::Equal => Ok(Val::Bool(left == right)),
        Operator::Unequal => Ok(Val::Bool(left != right)),
        Operator::Less => Ok(Val::Bool(compare(&left, &right).is_lt())),
        Operator::AtMost => Ok(Val::Bool(compare(&left, &right).is_le())),
        Operator::Greater => Ok(Val::Bool(compare(&left, &right).is_gt())),
        Operator::AtLeast => Ok(Val::Bool(compare(&left, &right).is_ge())),
    }
}

pub fn add(left: Val, right: Val) -> Raises<Val> {
    Ok(match (left, right) {
        (Val::Null, other) | (other, Val::Null) => other,
        (Val::Num(a), Val::Num(b)) => Val::Num(a + b),
        (Val::Text(a), Val::Text(b)) => {
            if a.is_empty() {
                return Ok(Val::Text(b));
            }
            let mut text = String::with_capacity(a.len() + b.len());
            text.push_str(&a);
            text.push_str(&b);
            Val::from(text)
        }
        (Val::Array(mut a), Val::Array(b)) => {
            let items = Rc::make_mut(&mut a);
            match Rc::try_unwrap(b) {
                Ok(mut b) => items.append(&mut b),
                Err(b) => items.extend(b.iter().cloned()),
            }
            Val::Array(a)
        }
        (Val::Object(mut a), Val::Object(b)) => {
            let members = Rc::make_mut(&mut a);
            b.iter().for_each(|(name, value)| members.insert(name.clone(), value.clone()));
            Val::Object(a)
        }
        (a, b) => match (a.as_number(), b.as_number()) {
            (Some(a), Some(b)) => Val::Num(a + b),
            _ => return raise(format!("{} and {} cannot be added", describe(&a), describe(&b))),
        },
    })
}

fn subtract(left: Val, right: Val) -> Raises<Val> {
    match (&left, &right) {
        (Val::Array(a), Val::Array(b)) => Ok(a.iter().filter(|item| !b.contains(item)).cloned().collect()),
        _ => match (left.as_number(), right.as_number()) {
            (Some(a), Some(b)) => Ok(Val::Num(a - b)),
            _ => raise(format!("{} and {} cannot be subtracted", describe(&left), describe(&right))),
        },
    }
}

fn multiply(left: Val, right: Val) -> Raises<Val> {
    match (&left, &right) {
        (Val::Text(text), times) | (times, Val::Text(text)) if times.as_number().is_some() => {
            repeat(text, times.as_number().unwrap_or_default())
        }
        (Val::Object(a), Val::Object(b)) => Ok(merge(a, b).into()),
        _ => match (left.as_number(), right.as_number()) {
            (Some(a), Some(b)) => Ok(Val::Num(a * b)),
            _ => raise(format!("{} and {} cannot be multiplied", describe(&left), describe(&right))),
        },
    }
}

/// Repeats a text. The number of repetitions is cut to an integer; the result is null when it is negative or `nan`.
fn repeat(text: &Text, times: f64) -> Raises<Val> {
    if times.is_nan() || times < 0.0 {
        return Ok(Val::Null);
    }
    if text.len() as f64 * times > LONGEST {
        return raise("the repeated text has too many bytes");
    }
    Ok(Val::from(text.repeat(times as usize)))
}

fn merge(a: &Map, b: &Map) -> Map {
    let mut merged = a.clone();
    for (name, value) in b.iter() {
        let value = match (merged.get(name), value) {
            (Some(Val::Object(a)), Val::Object(b)) => merge(a, b).into(),
            _ => value.clone(),
        };
        merged.insert(name.clone(), value);
    }
    merged
}

fn divide(left: Val, right: Val) -> Raises<Val> {
    if let (Val::Text(text), Val::Text(separator)) = (&left, &right) {
        return Ok(split(text, separator));
    }
    match (left.as_number(), right.as_number()) {
        (Some(_), Some(0.0)) => {
            let (left, right) = (describe(&left), describe(&right));
            raise(format!("{left} and {right} cannot be divided because the divisor is zero"))
        }
        (Some(a), Some(b)) => Ok(Val::Num(a / b)),
        _ => raise(format!("{} and {} cannot be divided", describe(&left), describe(&right))),
    }
}

/// Splits a text. An empty separator splits it into characters.
pub fn split(text: &str, separator: &str) -> Val {
    if text.is_empty() {
        return Val::array(Vec::new());
    }
    if separator.is_empty() {
        return text.chars().map(|character| Val::from(character.to_string())).collect();
    }
    text.split(separator).map(|part| Val::from(part.to_owned())).collect()
}

fn remainder(left: Val, right: Val) -> Raises<Val> {
    let (Some(a), Some(b)) = (left.as_number(), right.as_number()) else {
        return raise(format!("{} and {} cannot be divided", describe(&left), describe(&right)));
    };
    if a.is_nan() || b.is_nan() {
        return Ok(Val::Num(f64::NAN));
    }
    // Both are converted to integers, limited to the range of integers.
    let (a, b) = (a as i64, b as i64);
    if b == 0 {
        let (left, right) = (describe(&left), describe(&right));
        return raise(format!("{left} and {right} cannot be divided (remainder) because the divisor is zero"));
    }
    let rest = a.unsigned_abs() % b.unsigned_abs();
    Ok(Val::Num(if a < 0 { -(rest as f64) } else { rest as f64 }))
}

pub fn negate(value: &Val) -> Raises<Val> {
    match number::negate(value) {
        Some(negated) => Ok(negated),
        None => raise(format!("{} cannot be negated", describe(value))),
    }
}
