//! The encodings of a secret that redaction looks for in responses.
//!
//! They are made of each secret of four bytes or more, and of the Base64 of a Basic authentication pair:
//!
//! - the secret itself;
//! - percent-encoded by the usual rules (once and twice), and with every byte encoded;
//! - as `application/x-www-form-urlencoded`;
//! - escaped by the usual JSON writers (once and twice), and with every character escaped;
//! - in hex, and in UTF-16;
//! - in Base64 of both alphabets, at each of the three positions that a secret can have in a longer text.
//!
//! A part of 16 bytes or more that no rule escapes is also looked for by itself, so that nested escapes can't hide it.
//!
//! Letters match in both cases. Shorter secrets aren't redacted: removing every `ab` would ruin a page and hide nothing
//! that can't be guessed. A user name counts as a secret only when the password is too short to be one, because some
//! services take a key as the user name.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode};
use resly_vault::SHORTEST_SECRET;
use zeroize::Zeroizing;

/// The shortest part of a secret that is looked for by itself. A shorter one may be a word.
const PART: usize = 16;

/// All but the characters that `encodeURIComponent` leaves as they are.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
/// All but RFC 3986's unreserved characters.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The set of the `application/x-www-form-urlencoded` serializer, which writes spaces as plus signs.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*');
/// The URL Standard's query and path sets.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\'');
const PATH: &AsciiSet = &QUERY.remove(b'\'').add(b'?').add(b'^').add(b'`').add(b'{').add(b'}');

/// One encoding of a secret, in lower case.
pub struct SecretEncoding {
    pub bytes: Zeroizing<Vec<u8>>,
    /// Whether the Base64 character before, or after, it also holds bits of the secret.
    pub before: bool,
    pub after: bool,
}

/// Adds all encodings of a secret.
pub fn add(secret: &[u8], forms: &mut Vec<SecretEncoding>) {
    let mut add = |bytes: Vec<u8>, before: bool, after: bool| {
        let mut bytes = Zeroizing::new(bytes);
        bytes.make_ascii_lowercase();
        if bytes.len() >= SHORTEST_SECRET && !forms.iter().any(|form| *form.bytes == *bytes) {
            forms.push(SecretEncoding { bytes, before, after });
        }
    };
    add(secret.to_vec(), false, false);
    add(percent_everything(secret), false, false);
    // Some servers escape every character of a JSON string. A parser turns this back into the secret.
    add(
        String::from_utf8_lossy(secret).chars().flat_map(|character| units(character).into_bytes()).collect(),
        false,
        false,
    );
    // A guest may decode the response by its charset. The other charsets that it knows write ASCII as ASCII, apart from
    // the escape sequences that `DecodedText::unshifted` removes.
    let wide: Vec<u16> = String::from_utf8_lossy(secret).encode_utf16().collect();
    add(wide.iter().flat_map(|unit| unit.to_le_bytes()).collect(), false, false);
    add(wide.iter().flat_map(|unit| unit.to_be_bytes()).collect(), false, false);
    add(data_encoding::HEXLOWER.encode(secret).into_bytes(), false, false);
    // Most keys have only characters that no rule escapes.
    if !secret.iter().all(|byte| is_unreserved(*byte)) {
        for form in escaped(secret) {
            add(form, false, false);
        }
        for part in secret.split(|byte| !is_unreserved(*byte)).filter(|part| part.len() >= PART) {
            add(part.to_vec(), false, false);
        }
    }
    for lead in 0..3 {
        let padded = Zeroizing::new([&[0; 2][..lead], secret].concat());
        let full = Zeroizing::new(STANDARD_NO_PAD.encode(&*padded).into_bytes());
        // Only the characters whose six bits all belong to the secret.
        let (first, last) = ((lead * 8).div_ceil(6), padded.len() * 8 / 6);
        let inner = full.get(first..last).unwrap_or_default();
        let (before, after) = (lead != 0, !(padded.len() * 8).is_multiple_of(6));
        if inner.iter().any(|byte| matches!(byte, b'+' | b'/')) {
            let url_safe = inner.iter().map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            });
            add(url_safe.collect(), before, after);
            add(encoded(inner, STRICT), before, after);
            // Base64 is ASCII.
            let inner = String::from_utf8_lossy(inner);
            for rule in &JSON {
                add(json(&inner, rule), before, after);
            }
        }
        add(inner.to_vec(), before, after);
    }
}

/// A secret in the escapes of URLs, forms and JSON.
fn escaped(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    let form = secret.split(|byte| *byte == b' ').map(|word| encoded(word, FORM)).collect::<Vec<_>>().join(&b'+');
    let percent = [COMPONENT, STRICT, QUERY, PATH].map(|set| encoded(secret, set));
    for once in percent.into_iter().chain([form]) {
        // Encoded twice, as in a URL that is a parameter of another URL.
        forms.push(encoded(&once, COMPONENT));
        let percent_signs = |byte: &u8| if *byte == b'%' { b"%25".to_vec() } else { vec![*byte] };
        forms.push(once.iter().flat_map(percent_signs).collect());
        forms.push(once);
    }
    // JSON can't hold bytes that aren't UTF-8.
    let text = String::from_utf8_lossy(secret);
    for rule in &JSON {
        let once = json(&text, rule);
        // JSON is often a string within JSON, written by the same writer or a plain one.
        for outer in [rule, &JSON[0]] {
            forms.push(json(&String::from_utf8_lossy(&once), outer));
        }
        forms.push(once);
    }
    forms
}

/// Whether no rule escapes this byte. Forms escape `~`.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

fn percent_everything(secret: &[u8]) -> Vec<u8> {
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
    secret.iter().flat_map(|byte| [b'%', digit(byte >> 4), digit(byte & 15)]).collect()
}

fn encoded(bytes: &[u8], set: &'static AsciiSet) -> Vec<u8> {
    percent_encode(bytes, set).flat_map(str::bytes).collect()
}

/// The characters that a JSON writer escapes beyond the required ones (RFC 8259, section 7).
struct JsonRule {
    /// Characters that are written as `\uXXXX`.
    escaped: &'static str,
    /// Whether `/` is written as `\/`.
    slash: bool,
    /// Whether it writes ASCII only.
    ascii: bool,
}

const JSON: [JsonRule; 6] = [
    JsonRule { escaped: "", slash: false, ascii: false },
    // Go.
    JsonRule { escaped: "<>&", slash: false, ascii: false },
    JsonRule { escaped: "", slash: true, ascii: false },
    // Python.
    JsonRule { escaped: "", slash: false, ascii: true },
    // PHP.
    JsonRule { escaped: "", slash: true, ascii: true },
    // .NET.
    JsonRule { escaped: "\"<>&'+`", slash: false, ascii: true },
];

fn json(text: &str, rule: &JsonRule) -> Vec<u8> {
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '/' if rule.slash => out.push_str("\\/"),
            other if other < ' ' || rule.escaped.contains(other) || (rule.ascii && !other.is_ascii()) => {
                out.push_str(&units(other));
            }
            '"' => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out.into_bytes()
}

/// A character as JSON escapes: one for each of its UTF-16 units.
fn units(character: char) -> String {
    character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}
