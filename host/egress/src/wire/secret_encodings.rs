//! What a secret looks like in what comes back.
//!
//! For each secret of four bytes or more, and for what Basic authentication makes of a pair: as it is, percent-encoded
//! by the usual rules (once and twice) and whole, as `application/x-www-form-urlencoded`, escaped as the usual writers of
//! JSON (once, twice and whole) do it, in hex, and in Base64 of both alphabets at each of the three positions a
//! secret can have in a longer text. A part of 16 bytes or more that no rule escapes is looked for by itself, so that
//! escapes of escapes hide nothing.
//!
//! Letters match in both cases. Shorter secrets are left alone: taking every `ab` out of a page would ruin it and hide
//! nothing that can't be guessed; a user name is taken for a secret only when there is no password to speak of (services
//! that take a key as the user name).

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode};
use resly_vault::SHORTEST_SECRET;
use zeroize::Zeroizing;

/// The shortest part of a secret that is looked for without the rest: a shorter one may be a word.
const PART: usize = 16;

/// What `encodeURIComponent` leaves as it is, beyond letters and digits.
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
/// RFC 3986's unreserved characters.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The `application/x-www-form-urlencoded` serializer's, whose spaces are plus signs.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*');
/// The URL Standard's query and path sets.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\'');
const PATH: &AsciiSet = &QUERY.remove(b'\'').add(b'?').add(b'^').add(b'`').add(b'{').add(b'}');

/// One form of a secret, in lower case.
pub struct Form {
    pub bytes: Zeroizing<Vec<u8>>,
    /// Base64 characters before and after that hold some of the secret's bits beside those of a neighbour.
    pub before: bool,
    pub after: bool,
}

/// Adds what a secret may look like to the forms that are known.
pub fn add(secret: &[u8], forms: &mut Vec<Form>) {
    let mut add = |bytes: Vec<u8>, before: bool, after: bool| {
        let mut bytes = Zeroizing::new(bytes);
        bytes.make_ascii_lowercase();
        if bytes.len() >= SHORTEST_SECRET && !forms.iter().any(|form| *form.bytes == *bytes) {
            forms.push(Form { bytes, before, after });
        }
    };
    add(secret.to_vec(), false, false);
    add(percent_everything(secret), false, false);
    // Some servers write every character of a JSON string so; a parser makes the secret of it again.
    add(
        String::from_utf8_lossy(secret).chars().flat_map(|character| units(character).into_bytes()).collect(),
        false,
        false,
    );
    // What a guest decodes by the response's charset. The others that it knows write ASCII as ASCII, but for what
    // `View::unshifted` takes out.
    let wide: Vec<u16> = String::from_utf8_lossy(secret).encode_utf16().collect();
    add(wide.iter().flat_map(|unit| unit.to_le_bytes()).collect(), false, false);
    add(wide.iter().flat_map(|unit| unit.to_be_bytes()).collect(), false, false);
    add(data_encoding::HEXLOWER.encode(secret).into_bytes(), false, false);
    // Most keys are made of what no rule escapes.
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
        // The characters whose six bits are the secret's alone.
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
            // It is ASCII.
            let inner = String::from_utf8_lossy(inner);
            for rule in &JSON {
                add(json(&inner, rule), before, after);
            }
        }
        add(inner.to_vec(), before, after);
    }
}

/// What the rules for URLs, forms and JSON make of a secret.
fn escaped(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    let form = secret.split(|byte| *byte == b' ').map(|word| encoded(word, FORM)).collect::<Vec<_>>().join(&b'+');
    let percent = [COMPONENT, STRICT, QUERY, PATH].map(|set| encoded(secret, set));
    for once in percent.into_iter().chain([form]) {
        // Twice: what was encoded already, in a URL that is a parameter of another.
        forms.push(encoded(&once, COMPONENT));
        let percent_signs = |byte: &u8| if *byte == b'%' { b"%25".to_vec() } else { vec![*byte] };
        forms.push(once.iter().flat_map(percent_signs).collect());
        forms.push(once);
    }
    // What isn't UTF-8 is in no JSON as it is.
    let text = String::from_utf8_lossy(secret);
    for rule in &JSON {
        let once = json(&text, rule);
        // JSON is often carried as a string in JSON, by the same writer or a plain one.
        for outer in [rule, &JSON[0]] {
            forms.push(json(&String::from_utf8_lossy(&once), outer));
        }
        forms.push(once);
    }
    forms
}

/// What none of the rules escapes; forms do write `~` as `%7E`.
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

/// What a writer of JSON escapes beyond what it must (RFC 8259, section 7).
struct JsonRule {
    /// As `\uXXXX`.
    escaped: &'static str,
    /// `/` as `\/`.
    slash: bool,
    /// Whether it writes ASCII alone.
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

/// A character as JSON escapes any: its UTF-16 units.
fn units(character: char) -> String {
    character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}
