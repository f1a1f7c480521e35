//! The formats, such as `@csv`.

use crate::{
    arithmetic::{Raises, describe, raise},
    json, natives,
    value::Val,
};

pub fn by_name(v: &[Val]) -> Raises<Val> {
    let Val::Text(name) = &v[1] else { return raise(format!("{} is not a valid format", describe(&v[1]))) };
    match natives::format(&format!("@{}", &**name)) {
        Some(format) => format(&v[..1]),
        None => raise(format!("{} is not a valid format", &**name)),
    }
}

/// A value as `tostring` writes it.
fn plain(value: &Val) -> String {
    match value {
        Val::Text(text) => text.to_string(),
        value => json::to_text(value),
    }
}

fn row(v: &[Val], what: &str, separator: &str, quote: fn(&str) -> String) -> Raises<Val> {
    let Val::Array(items) = &v[0] else {
        return raise(format!("{} cannot be {what}-formatted, only array", describe(&v[0])));
    };
    let cells: Raises<Vec<String>> = items
        .iter()
        .map(|item| match item {
            Val::Null => Ok(String::new()),
            Val::Num(number) if number.is_nan() => Ok(String::new()),
            Val::Bool(_) | Val::Num(_) | Val::Literal(_) => Ok(json::to_text(item)),
            Val::Text(text) => Ok(quote(text)),
            Val::Array(_) | Val::Object(_) => raise(format!("{} is not valid in a csv row", describe(item))),
        })
        .collect();
    Ok(Val::from(cells?.join(separator)))
}

pub fn csv(v: &[Val]) -> Raises<Val> {
    row(v, "csv", ",", |text| format!("\"{}\"", text.replace('"', "\"\"")))
}

pub fn tsv(v: &[Val]) -> Raises<Val> {
    row(v, "tsv", "\t", |text| {
        text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
    })
}

pub fn html(v: &[Val]) -> Raises<Val> {
    let mut out = String::new();
    for character in plain(&v[0]).chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    Ok(Val::from(out))
}

pub fn uri(v: &[Val]) -> Raises<Val> {
    let mut out = String::new();
    for byte in plain(&v[0]).bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(Val::from(out))
}

pub fn uri_decoded(v: &[Val]) -> Raises<Val> {
    let text = plain(&v[0]);
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'%', ..) => return raise(format!("{} is not a valid uri encoding", describe(&v[0]))),
            _ => out.push(*byte),
        }
        at += 1;
    }
    match String::from_utf8(out) {
        Ok(text) => Ok(Val::from(text)),
        Err(_) => raise(format!("{} is not a valid uri encoding", describe(&v[0]))),
    }
}

pub fn shell(v: &[Val]) -> Raises<Val> {
    let word = |value: &Val| match value {
        Val::Text(text) => Ok(format!("'{}'", text.replace('\'', "'\\''"))),
        Val::Array(_) | Val::Object(_) => raise(format!("{} can not be escaped for shell", describe(value))),
        value => Ok(json::to_text(value)),
    };
    let words: Raises<Vec<String>> = match &v[0] {
        Val::Array(items) => items.iter().map(word).collect(),
        value => word(value).map(|word| vec![word]),
    };
    Ok(Val::from(words?.join(" ")))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Encodes bytes as digits of `bits` bits each, padded to groups of `group` digits.
fn encode(bytes: &[u8], alphabet: &[u8], bits: u32, group: usize) -> Val {
    let mut out = String::new();
    let (mut held, mut count) = (0_u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        count += 8;
        while count >= bits {
            count -= bits;
            out.push(char::from(alphabet[(held >> count) as usize & (alphabet.len() - 1)]));
        }
        held &= (1 << count) - 1;
    }
    if count > 0 {
        out.push(char::from(alphabet[(held << (bits - count)) as usize & (alphabet.len() - 1)]));
    }
    while !out.len().is_multiple_of(group) {
        out.push('=');
    }
    Val::from(out)
}

/// Decodes digits. `None` when one of them is invalid.
fn decode(digits: &str, alphabet: &[u8], bits: u32) -> Option<Val> {
    let mut out = Vec::new();
    let (mut held, mut count) = (0_u32, 0);
    for byte in digits.bytes() {
        let digit = alphabet.iter().position(|digit| *digit == byte)?;
        held = held << bits | digit as u32;
        count += bits;
        if count >= 8 {
            count -= 8;
            out.push((held >> count) as u8);
            held &= (1 << count) - 1;
        }
    }
    Some(Val::from(String::from_utf8_lossy(&out).into_owned()))
}

pub fn base64(v: &[Val]) -> Raises<Val> {
    Ok(encode(plain(&v[0]).as_bytes(), BASE64, 6, 4))
}

pub fn base64_decoded(v: &[Val]) -> Raises<Val> {
    let text = plain(&v[0]);
    // Text after the padding is ignored.
    let digits = text.split('=').next().unwrap_or_default();
    if digits.len() % 4 == 1 && digits.len() == text.len() {
        return raise(format!("{} trailing base64 byte found", describe(&Val::from(text))));
    }
    match decode(digits, BASE64, 6) {
        Some(decoded) => Ok(decoded),
        None => raise(format!("{} is not valid base64 data", describe(&Val::from(text)))),
    }
}

pub fn base32(v: &[Val]) -> Raises<Val> {
    Ok(encode(plain(&v[0]).as_bytes(), BASE32, 5, 8))
}

pub fn base32_decoded(v: &[Val]) -> Raises<Val> {
    let text = plain(&v[0]);
    match decode(text.trim_end_matches('='), BASE32, 5) {
        Some(decoded) => Ok(decoded),
        None => raise(format!("{} is not valid base32 data", describe(&Val::from(text)))),
    }
}
