//! Writes jq's values as JSON (RFC 8259), to a bounded depth.
//!
//! jaq's values are more than JSON: bytes and names that are no texts have no form and are refused, and numbers that have
//! none are written as jq writes them.

use std::io::Write as _;

use jaq_json::{Num, Val};

use crate::read::number;

/// Appends a value.
pub fn write(value: &Val, out: &mut Vec<u8>, deepest: usize) -> Result<(), &'static str> {
    match value {
        Val::Null => out.extend_from_slice(b"null"),
        Val::Bool(true) => out.extend_from_slice(b"true"),
        Val::Bool(false) => out.extend_from_slice(b"false"),
        Val::Num(value) => num(value, out),
        Val::TStr(bytes) => text(bytes, out),
        Val::BStr(_) => return Err("the output holds bytes, which JSON has no form for: use `@base64`"),
        Val::Arr(items) => {
            let deepest = deepest.checked_sub(1).ok_or("the output nests too deep")?;
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(item, out, deepest)?;
            }
            out.push(b']');
        }
        Val::Obj(members) => {
            let deepest = deepest.checked_sub(1).ok_or("the output nests too deep")?;
            out.push(b'{');
            for (at, (name, member)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                let Val::TStr(name) = name else {
                    return Err("the output has an object with a name that is no text: use `tostring`");
                };
                text(name, out);
                out.push(b':');
                write(member, out, deepest)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn num(value: &Num, out: &mut Vec<u8>) {
    // Writing to a vector can't fail.
    let _ = match value {
        Num::Float(float) => return self::float(*float, out),
        // A filter's own literal may have a form that JSON has not, such as `1.`.
        Num::Dec(digits) if number(digits.as_bytes()) != Some(digits.len()) => {
            return float(digits.parse().unwrap_or(f64::NAN), out);
        }
        Num::Dec(digits) => out.write_all(digits.as_bytes()),
        Num::Int(_) | Num::BigInt(_) => write!(out, "{value}"),
    };
}

/// As jq: nothing is null, and infinity the largest number that there is.
fn float(float: f64, out: &mut Vec<u8>) {
    let _ = match float {
        float if float.is_nan() => out.write_all(b"null"),
        float if float.is_infinite() => write!(out, "{}1.7976931348623157e308", if float < 0.0 { "-" } else { "" }),
        float => write!(out, "{}", Num::Float(float)),
    };
}

fn text(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut plain = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            ..0x20 => b"",
            _ => continue,
        };
        out.extend_from_slice(&bytes[plain..at]);
        plain = at + 1;
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.extend_from_slice(escape);
        }
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read;

    fn written(value: &Val) -> Result<String, &'static str> {
        let mut out = Vec::new();
        write(value, &mut out, 64).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn json_comes_out_as_it_went_in() {
        for text in [
            "null",
            "true",
            "false",
            "0",
            "-7",
            "1.10",
            "123456789012345678901234567890",
            "[]",
            "{}",
            r#"[1,[2,"x"],{"a":{"b":null}}]"#,
            r#""a\"b\\c\n\r\t\u0001ä😀""#,
        ] {
            assert_eq!(written(&read(text, 64).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn what_json_has_no_form_for() {
        assert_eq!(written(&Val::Num(Num::Float(f64::NAN))).unwrap(), "null");
        assert_eq!(written(&Val::Num(Num::Float(f64::NEG_INFINITY))).unwrap(), "-1.7976931348623157e308");
        assert_eq!(written(&Val::Num(Num::Dec("1.".to_owned().into()))).unwrap(), "1.0");
        assert!(written(&Val::byte_str("x")).is_err());
        assert!(written(&Val::obj([(Val::Null, Val::Null)].into_iter().collect())).is_err());
        let deep = (0..65).fold(Val::Null, |inner, _| Val::Arr(vec![inner].into()));
        assert!(written(&deep).unwrap_err().contains("deep"));
    }
}
