//! Functions of texts.

use crate::{
    arithmetic::{self, Raises, describe, raise},
    value::Val,
};

pub fn utf8_byte_length(v: &[Val]) -> Raises<Val> {
    match &v[0] {
        Val::Text(text) => Ok(Val::count(text.len())),
        other => raise(format!("{} only strings have UTF-8 byte length", describe(other))),
    }
}

pub fn split(v: &[Val]) -> Raises<Val> {
    match (&v[0], &v[1]) {
        (Val::Text(text), Val::Text(separator)) => Ok(arithmetic::split(text, separator)),
        _ => raise("split input and separator must be strings"),
    }
}

pub fn starts_with(v: &[Val]) -> Raises<Val> {
    match (&v[0], &v[1]) {
        (Val::Text(text), Val::Text(start)) => Ok(Val::Bool(text.starts_with(&**start))),
        _ => raise("startswith() requires string inputs"),
    }
}

pub fn ends_with(v: &[Val]) -> Raises<Val> {
    match (&v[0], &v[1]) {
        (Val::Text(text), Val::Text(end)) => Ok(Val::Bool(text.ends_with(&**end))),
        _ => raise("endswith() requires string inputs"),
    }
}

pub fn trim(value: &Val, what: &str, start: bool, end: bool) -> Raises<Val> {
    let Val::Text(text) = value else { return raise(format!("{what} input must be a string")) };
    let mut trimmed = &**text;
    if start {
        trimmed = trimmed.trim_start();
    }
    if end {
        trimmed = trimmed.trim_end();
    }
    Ok(if trimmed.len() == text.len() { value.clone() } else { Val::from(trimmed.to_owned()) })
}

pub fn explode(v: &[Val]) -> Raises<Val> {
    match &v[0] {
        Val::Text(text) => Ok(text.chars().map(|character| Val::Num(f64::from(u32::from(character)))).collect()),
        _ => raise("explode input must be a string"),
    }
}

pub fn implode(v: &[Val]) -> Raises<Val> {
    let Val::Array(codes) = &v[0] else { return raise("implode input must be an array") };
    let mut text = String::with_capacity(codes.len());
    for code in codes.iter() {
        let Some(number) = code.as_number().filter(|number| !number.is_nan()) else {
            return raise(format!("{} can't be imploded, unicode codepoint needs to be numeric", describe(code)));
        };
        let character = if number >= 0.0 { char::from_u32(number as u32) } else { None };
        text.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    Ok(Val::from(text))
}

pub fn map_ascii(value: &Val, map: fn(&str) -> String) -> Raises<Val> {
    match value {
        Val::Text(text) => Ok(Val::from(map(text))),
        _ => raise("explode input must be a string"),
    }
}
