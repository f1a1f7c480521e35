//! Canaries: secrets that are recognised wherever they appear, as a whole or in part, in every encoding of a leak.
//!
//! A failure in here is a mistake in a test, so it panics.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "this is test code in a library's place")]

use std::{collections::HashMap, fmt::Write};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use resly_core::time::Random;
use resly_service::random::OsRandom;

/// Bytes of a secret that are searched for together. A shorter piece could be coincidence; a longer one would miss a
/// cut secret.
const PIECE: usize = 12;
/// Bytes by which the index finds pieces. Every encoding of a piece is longer.
const HEAD: usize = 8;

/// Random characters of a secret text.
const CHANCE: usize = 2 * PIECE;

/// A new secret text: `lead`, which names it, and random characters, which are searched for.
pub fn secret(lead: &str) -> String {
    let mut bytes = [0; CHANCE];
    OsRandom.fill(&mut bytes);
    let letters = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let chance = bytes.map(|byte| char::from(letters[usize::from(byte) % letters.len()]));
    format!("{lead}{}", chance.iter().collect::<String>())
}

struct Needle {
    canary: usize,
    form: &'static str,
    bytes: Vec<u8>,
}

/// All secrets of a run, with the places that may contain them.
#[derive(Default)]
pub struct Canaries {
    names: Vec<String>,
    /// By canary: places that may contain it.
    allowed: Vec<Vec<String>>,
    needles: Vec<Needle>,
    by_head: HashMap<[u8; HEAD], Vec<usize>>,
}

impl Canaries {
    /// Adds a text that [`secret`] made, or that ends in as many random characters.
    pub fn watch(&mut self, name: &str, secret: &str, allowed: &[&str]) {
        self.watch_bytes(name, &secret.as_bytes()[secret.len() - CHANCE..], allowed);
    }

    /// Adds bytes that are all random.
    pub fn watch_bytes(&mut self, name: &str, chance: &[u8], allowed: &[&str]) {
        let canary = self.names.len();
        self.names.push(name.to_owned());
        self.allowed.push(allowed.iter().map(|place| (*place).to_owned()).collect());
        assert!(chance.len() >= PIECE, "{name} is too short to be looked for");
        for piece in chance.chunks_exact(PIECE) {
            for (form, bytes) in forms(piece) {
                let head = *bytes.first_chunk().expect("every form of a piece is longer than its head");
                self.by_head.entry(head).or_default().push(self.needles.len());
                self.needles.push(Needle { canary, form, bytes });
            }
        }
    }

    /// The secrets in the bytes of `place`: name, encoding and the text before it.
    pub fn found_in(&self, place: &str, bytes: &[u8]) -> Vec<String> {
        let mut begins = vec![false; 1 << 16];
        let first = |bytes: &[u8]| usize::from(bytes[0]) << 8 | usize::from(bytes[1]);
        for head in self.by_head.keys() {
            begins[first(head)] = true;
        }
        let mut found: Vec<String> = Vec::new();
        for (at, head) in bytes.windows(HEAD).enumerate() {
            if !begins[first(head)] {
                continue;
            }
            let head: &[u8; HEAD] = head.try_into().unwrap();
            for needle in self.by_head.get(head).into_iter().flatten().map(|needle| &self.needles[*needle]) {
                let allowed = || self.allowed[needle.canary].iter().any(|allowed| allowed == place);
                let what = format!("{place}: {} ({}) after ", self.names[needle.canary], needle.form);
                if bytes[at..].starts_with(&needle.bytes)
                    && !allowed()
                    && !found.iter().any(|had| had.starts_with(&what))
                {
                    let before = String::from_utf8_lossy(&bytes[at.saturating_sub(160)..at]).into_owned();
                    found.push(format!("{what}{before:?}"));
                }
            }
        }
        found
    }
}

/// A piece of a secret in each encoding.
fn forms(piece: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hex = |format: fn(&mut String, u8)| {
        piece.iter().fold(String::new(), |mut text, byte| {
            format(&mut text, *byte);
            text
        })
    };
    let list = |between: &str| piece.iter().map(u8::to_string).collect::<Vec<_>>().join(between);
    let mut forms = vec![
        ("raw", piece.to_vec()),
        ("hex", hex(|text, byte| write!(text, "{byte:02x}").unwrap()).into_bytes()),
        ("HEX", hex(|text, byte| write!(text, "{byte:02X}").unwrap()).into_bytes()),
        ("percent", hex(|text, byte| write!(text, "%{byte:02x}").unwrap()).into_bytes()),
        ("PERCENT", hex(|text, byte| write!(text, "%{byte:02X}").unwrap()).into_bytes()),
        ("JSON escapes", hex(|text, byte| write!(text, "\\u00{byte:02x}").unwrap()).into_bytes()),
        ("a list of bytes", list(", ").into_bytes()),
        ("a JSON list of bytes", list(",").into_bytes()),
    ];
    for before in 0..3 {
        // The characters at the edges also depend on neighbouring bytes. Those in between depend on the piece only.
        let placed = [vec![0; before], piece.to_vec()].concat();
        let (from, to) = ((before * 8).div_ceil(6), placed.len() * 8 / 6);
        for (form, text) in
            [("base64", STANDARD_NO_PAD.encode(&placed)), ("base64url", URL_SAFE_NO_PAD.encode(&placed))]
        {
            forms.push((form, text.as_bytes()[from..to].to_vec()));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    #[test]
    fn a_canary_is_found_in_every_form_and_only_where_it_is_not_allowed() {
        let value = secret("sk_");
        let mut canaries = Canaries::default();
        canaries.watch("key", &value, &["home"]);
        assert!(canaries.found_in("elsewhere", secret("sk_").as_bytes()).is_empty());
        let half = &value[value.len() - 12..];
        let percent: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for text in [
            format!("x{value}y"),
            half.to_owned(),
            STANDARD.encode(&value),
            STANDARD.encode(format!("x{value}")),
            URL_SAFE.encode(format!("xy{value}?>")),
            STANDARD.encode(format!("user:{half}")),
            percent,
            format!("{:?}", value.as_bytes()),
            serde_json::to_string(value.as_bytes()).unwrap(),
        ] {
            assert!(!canaries.found_in("elsewhere", text.as_bytes()).is_empty(), "{text}");
            assert!(canaries.found_in("home", text.as_bytes()).is_empty());
        }
    }
}
