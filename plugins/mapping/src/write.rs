//! Writes values as JSON (RFC 8259), to a bounded depth.

use std::io::Write as _;

use crate::{number, value::Val};

/// Appends a value.
pub fn write(value: &Val, out: &mut Vec<u8>, deepest: usize) -> Result<(), &'static str> {
    match value {
        Val::Null => out.extend_from_slice(b"null"),
        Val::Bool(true) => out.extend_from_slice(b"true"),
        Val::Bool(false) => out.extend_from_slice(b"false"),
        Val::Num(value) => out.extend_from_slice(number::double(*value).as_bytes()),
        Val::Literal(text) => out.extend_from_slice(number::canonical(text).as_bytes()),
        Val::Text(value) => text(value.as_bytes(), out),
        Val::Array(items) => {
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
        Val::Object(members) => {
            let deepest = deepest.checked_sub(1).ok_or("the output nests too deep")?;
            out.push(b'{');
            for (at, (name, member)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                text(name.as_bytes(), out);
                out.push(b':');
                write(member, out, deepest)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
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
            0x8 => b"\\b",
            0xc => b"\\f",
            ..0x20 | 0x7f => b"",
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
        assert_eq!(written(&Val::Num(f64::NAN)).unwrap(), "null");
        assert_eq!(written(&Val::Num(f64::NEG_INFINITY)).unwrap(), "-1.7976931348623157e+308");
        let deep = (0..65).fold(Val::Null, |inner, _| Val::array(vec![inner]));
        assert!(written(&deep).unwrap_err().contains("deep"));
    }
}
