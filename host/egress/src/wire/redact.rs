//! Redaction: removes a credential from a response, in every encoding in which a service may echo it.
//!
//! `wire/secret_encodings.rs` has the encodings to look for. `wire/decodings.rs` gives other readings of a text, so that
//! HTML references, JSON escapes and wrapped lines can't hide a secret.
//!
//! The search is that of Wu and Manber ("A fast algorithm for multi-pattern searching", 1994). It makes one pass and
//! skips ahead by nearly the length of the shortest form, so it costs less than copying the body.
//!
//! It is implemented here because forms are secrets, too, and have to be zeroized. The crate `aho-corasick` (1.1) spells the
//! patterns out in private vectors, of which building drops several and an `Arc` shares the last, and it wipes none.
//!
//! Its automaton would bound the work for any text; this search doesn't. Somebody who chooses both the secret and the text
//! can make every position look like a match almost to its end. So comparisons are counted, and a text that needs more of
//! them than any honest one is withheld as a whole.

use std::borrow::Cow;

use resly_vault::SHORTEST_SECRET;

use bytes::Bytes;

use super::{
    decodings::{DecodedText, is_base64},
    secret_encodings::{self, SecretEncoding},
};

/// Replaces a secret.
pub const MARK: &str = "[redacted]";

const BLOCKS: usize = 1 << 12;

/// Bytes that may be compared for each byte of a text, and in addition for any text.
const COMPARED: usize = 32;
const COMPARED_ANYHOW: usize = 1 << 20;

/// The bytes that may still be compared.
struct Budget(usize);

/// The text needs more comparisons than its budget allows.
#[derive(Debug)]
struct Costly;

impl Budget {
    fn of(text: &[u8]) -> Self {
        Self(COMPARED_ANYHOW + COMPARED * text.len())
    }

    /// Whether a text starts with a form, without regard to case.
    fn starts_with(&mut self, text: &[u8], form: &[u8]) -> Result<bool, Costly> {
        if text.len() < form.len() {
            return Ok(false);
        }
        let differs = text.iter().zip(form).position(|(have, want)| !have.eq_ignore_ascii_case(want));
        self.0 = self.0.checked_sub(differs.unwrap_or(form.len()) + 1).ok_or(Costly)?;
        Ok(differs.is_none())
    }
}

/// Finds and replaces all forms of one call's secrets.
pub struct Redactor {
    forms: Vec<SecretEncoding>,
    /// Length of the shortest form, which is the width of the moving window.
    window: usize,
    /// How far the window may move when it ends in a block: no form has that block further to the right.
    shift: Box<[u16; BLOCKS]>,
    longest: usize,
}

impl Redactor {
    /// `None` when every secret is too short to look for.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut forms = Vec::new();
        for secret in secrets.into_iter().filter(|secret| secret.len() >= SHORTEST_SECRET) {
            secret_encodings::add(secret, &mut forms);
        }
        let window = forms.iter().map(|form| form.bytes.len()).min()?;
        let longest = forms.iter().map(|form| form.bytes.len()).max()?;
        let farthest = u16::try_from(window - 1).unwrap_or(u16::MAX);
        let mut shift = Box::new([farthest; BLOCKS]);
        for form in &forms {
            for (at, pair) in form.bytes[..window].windows(2).enumerate() {
                let from_end = u16::try_from(window - 2 - at).unwrap_or(u16::MAX);
                let slot = &mut shift[block(pair[0], pair[1])];
                *slot = (*slot).min(from_end);
            }
        }
        Some(Self { forms, window, shift, longest })
    }

    /// How far a secret that starts before a cut may reach beyond it. Line breaks and character references can make it
    /// longer than each of its forms.
    pub fn overlap(&self) -> usize {
        self.longest * 2 + 1
    }

    pub fn finds(&self, text: &str) -> bool {
        self.replace(text.as_bytes(), text.len()).map_or(true, |replaced| replaced.is_some())
    }

    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.replace(text.as_bytes(), text.len()) {
            Ok(None) => Cow::Borrowed(text),
            Err(Costly) => Cow::Borrowed(MARK),
            // If the secret's bytes aren't UTF-8 as the text's are, a form may start or end within a character.
            Ok(Some(bytes)) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// Redacts a body, then cuts it to `most` bytes. `body` may have [`Self::overlap`] bytes more, so that a secret
    /// across the cut is found as a whole.
    pub fn body(&self, body: Bytes, most: usize) -> Bytes {
        match self.replace(&body, most) {
            Ok(None) => body.slice(..body.len().min(most)),
            Err(Costly) => Bytes::from_static(MARK.as_bytes()).slice(..MARK.len().min(most)),
            Ok(Some(mut bytes)) => {
                bytes.truncate(most);
                bytes.into()
            }
        }
    }

    /// `text[..until]` with every match that starts in it replaced. `None` when there is none.
    fn replace(&self, text: &[u8], until: usize) -> Result<Option<Vec<u8>>, Costly> {
        let until = until.min(text.len());
        let mut found = self.matches(text)?;
        let views = [
            DecodedText::decoded(text),
            DecodedText::unescaped(text),
            DecodedText::unshifted(text),
            DecodedText::unwrapped(text),
        ];
        for view in views.into_iter().flatten() {
            let seen = self.matches(&view.text)?;
            found.extend(seen.into_iter().map(|(start, end)| view.original(start, end)));
        }
        found.retain(|(start, _)| *start < until);
        if found.is_empty() {
            return Ok(None);
        }
        found.sort_unstable();
        let mut out = Vec::with_capacity(text.len());
        let mut from = 0;
        let mut found = found.into_iter().peekable();
        while let Some((start, mut end)) = found.next() {
            // Overlapping matches are merged, because the rest of the second one would remain otherwise.
            while let Some((_, further)) = found.next_if(|(start, _)| *start < end) {
                end = end.max(further);
            }
            out.extend_from_slice(&text[from..start]);
            out.extend_from_slice(MARK.as_bytes());
            from = end;
        }
        out.extend_from_slice(text.get(from..until).unwrap_or_default());
        Ok(Some(out))
    }

    /// Start and end of every match.
    fn matches(&self, text: &[u8]) -> Result<Vec<(usize, usize)>, Costly> {
        let mut budget = Budget::of(text);
        let mut found = Vec::new();
        let mut from = 0;
        while let Some((start, end)) = self.find(text, from, &mut budget)? {
            found.push((start, end));
            from = start + 1;
        }
        Ok(found)
    }

    /// Start and end of the first match at or after `from`.
    fn find(&self, text: &[u8], from: usize, budget: &mut Budget) -> Result<Option<(usize, usize)>, Costly> {
        let mut end = from + self.window;
        while end <= text.len() {
            let shift = self.shift[block(lower(text[end - 2]), lower(text[end - 1]))];
            if shift > 0 {
                end += usize::from(shift);
                continue;
            }
            let start = end - self.window;
            let mut here: Option<&SecretEncoding> = None;
            for form in &self.forms {
                let longer = here.is_none_or(|other| form.bytes.len() >= other.bytes.len());
                if longer && budget.starts_with(&text[start..], &form.bytes)? {
                    here = Some(form);
                }
            }
            if let Some(form) = here {
                let stop = start + form.bytes.len();
                let before = form.before && start > from && is_base64(text[start - 1]);
                let after = form.after && text.get(stop).is_some_and(|byte| is_base64(*byte));
                return Ok(Some((start - usize::from(before), stop + usize::from(after))));
            }
            end += 1;
        }
        Ok(None)
    }
}

fn lower(byte: u8) -> u8 {
    byte.to_ascii_lowercase()
}

fn block(first: u8, second: u8) -> usize {
    ((usize::from(first) << 5) ^ usize::from(second)) & (BLOCKS - 1)
}

#[cfg(test)]
mod tests {
    use base64::{
        Engine,
        engine::general_purpose::{STANDARD, URL_SAFE},
    };
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "sk_live+/=&\"4eC39 HqLyj";

    fn redactor(secret: &str) -> Redactor {
        Redactor::new([secret.as_bytes()]).unwrap()
    }

    #[test]
    fn every_form_is_taken_out() {
        let redactor = redactor(SECRET);
        // As `encodeURIComponent` has it.
        let component = "sk_live%2B%2F%3D%26%224eC39%20HqLyj".to_owned();
        for form in [
            SECRET.to_owned(),
            SECRET.to_uppercase(),
            component.clone(),
            component.replace("%2B", "%2b").replace("%2F", "%2f"),
            component.replace("%20", "+"),
            component.replace('%', "%25"),
            url::Url::parse(&format!("https://a/?{SECRET}")).unwrap().query().unwrap().to_owned(),
            url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect(),
            serde_json::to_string(SECRET).unwrap().trim_matches('"').to_owned(),
            SECRET.replace('/', "\\/").replace('"', "\\\""),
            SECRET.replace('&', "\\u0026").replace('"', "\\\""),
            SECRET.replace('&', "&amp;").replace('"', "&quot;"),
            SECRET.replace('&', "&amp;").replace('"', "&#34;").replace('+', "&#43;"),
            SECRET.replace('&', "\\u0026").replace('"', "\\u0022").replace('+', "\\u002B"),
            data_encoding::HEXLOWER.encode(SECRET.as_bytes()),
            data_encoding::HEXUPPER.encode(SECRET.as_bytes()),
            SECRET.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            SECRET.bytes().map(|byte| format!("\\u{byte:04X}")).collect(),
            SECRET.bytes().map(|byte| format!("&#{byte};")).collect(),
            SECRET.bytes().map(|byte| format!("&#x{byte:x};")).collect(),
            SECRET.bytes().map(|byte| format!("&#X{byte:04X};")).collect(),
            SECRET.bytes().map(|byte| format!("&amp;#{byte:05};")).collect(),
            SECRET.replace('&', "&#38;").replace('+', "&#x2b;").replace('C', "&#67;"),
        ] {
            assert_eq!(redactor.text(&format!("a {form} b")), "a [redacted] b", "{form}");
        }
    }

    #[test]
    fn escapes_of_escapes_hide_nothing() {
        let secret = r#"ak+"\4eC39HqLyjWDarjtT1zdp7dc"#;
        let mut nested = secret.to_owned();
        for depth in 0..5 {
            let out = redactor(secret).text(&nested).into_owned();
            assert!(!out.contains("4eC39HqLyj") && out.contains(MARK), "{depth}: {out}");
            nested = serde_json::to_string(&format!("x {nested:?}")).unwrap();
        }
        assert_eq!(redactor("a long-winded pass phrase").text("long-winded phrase"), "long-winded phrase");
    }

    #[test]
    fn base64_is_found_wherever_the_secret_lies_in_it() {
        let redactor = redactor(SECRET);
        for lead in 0..7 {
            for tail in 0..7 {
                let plain = [&"x".repeat(lead), SECRET, &"y".repeat(tail)].concat();
                for engine in [&STANDARD, &URL_SAFE] {
                    let text = engine.encode(&plain);
                    let redacted = redactor.text(&text).into_owned();
                    let (before, after) = redacted.split_once(MARK).unwrap_or_else(|| panic!("{lead} {tail}: {text}"));
                    assert!(text.starts_with(before) && text.ends_with(after));
                    // No character that is left holds a bit of it.
                    assert!(before.len() <= lead * 8 / 6, "{lead} {tail}: {redacted}");
                    assert!(after.trim_end_matches('=').len() <= (tail * 8).div_ceil(6), "{lead} {tail}: {redacted}");
                }
            }
        }
    }

    #[test]
    fn base64_is_found_in_lines_of_any_length() {
        let redactor = redactor(SECRET);
        for (line, wrap) in [(76, "\r\n"), (64, "\n"), (20, "\n "), (7, "\\n"), (5, "\\r\\n"), (9, "\\\\n")] {
            let text = STANDARD.encode(["x".repeat(61).as_str(), SECRET, "yyyyyyyyy"].concat());
            let lines: Vec<&str> =
                text.as_bytes().chunks(line).map(|line| std::str::from_utf8(line).unwrap()).collect();
            let redacted = redactor.text(&lines.join(wrap)).into_owned();
            assert_eq!(redacted.matches(MARK).count(), 1, "{line}: {redacted}");
            let left = redacted.replace(wrap, "");
            let (before, after) = left.split_once(MARK).unwrap();
            assert!(before.len() <= 61 * 8 / 6 && after.trim_end_matches('=').len() <= 12, "{line}: {redacted}");
        }
    }

    #[test]
    fn letters_beyond_ascii_are_found_as_writers_of_json_escape_them() {
        let redactor = redactor("pässwört/\u{1f511}'x");
        for form in [
            "pässwört/\u{1f511}'x",
            r"p\u00e4ssw\u00F6rt/\ud83d\udd11'x",
            r"p\u00e4ssw\u00f6rt\/\uD83D\uDD11'x",
            r"p\u00E4ssw\u00F6rt/\uD83D\uDD11\u0027x",
            r"p\\u00e4ssw\\u00f6rt/\\ud83d\\udd11'x",
            r"\u0070\u00e4\u0073\u0073\u0077\u00f6\u0072\u0074\u002f\ud83d\udd11\u0027\u0078",
            "pässwört/\u{1f511}&#x27;x",
            "pässwört/\u{1f511}&#039;x",
        ] {
            assert_eq!(redactor.text(&format!("a {form} b")), "a [redacted] b", "{form}");
        }
    }

    #[test]
    fn short_secrets_are_left_alone() {
        assert!(Redactor::new([&b"abc"[..], b""]).is_none());
        assert_eq!(redactor("abcd").text("xabcdx"), "x[redacted]x");
    }

    #[test]
    fn what_lies_across_the_cut_is_gone() {
        let redactor = redactor("0123456789");
        for most in 0..24 {
            let body = Bytes::from_static(b"abcdef0123456789ghij0123456789");
            let cut = redactor.body(body.slice(..body.len().min(most + redactor.overlap())), most);
            assert!(cut.len() <= most);
            let text = String::from_utf8(cut.to_vec()).unwrap();
            assert!(!text.contains('0'), "{most}: {text}");
        }
    }

    #[test]
    fn a_text_made_to_look_like_the_secret_everywhere_is_withheld() {
        let plain = "a".repeat(16_000);
        for secret in [plain.clone(), format!("{plain}\"/&+<%>\\'")] {
            let redactor = redactor(&secret);
            for text in ["a".repeat(30_000), "A".repeat(200_000)] {
                assert_eq!(redactor.body(Bytes::from(text.clone()), 1 << 20), MARK);
                assert_eq!(redactor.text(&text), MARK);
                assert!(redactor.finds(&text));
            }
        }
        let echoed = format!("{SECRET} ").repeat(2_000);
        let marks = redactor(SECRET).body(Bytes::from(echoed), 1 << 20);
        assert_eq!(marks, format!("{MARK} ").repeat(2_000), "what only holds it often is not withheld");
    }

    #[test]
    fn a_body_without_a_secret_is_not_copied() {
        let body = Bytes::from(vec![b'x'; 100_000]);
        assert_eq!(redactor(SECRET).body(body.clone(), 1 << 20).as_ptr(), body.as_ptr());
    }

    proptest! {
        #[test]
        fn nothing_is_left_and_nothing_else_is_taken(
            secrets in prop::collection::vec("[abc]{4,7}", 1..3),
            text in "[abcd]{0,60}",
        ) {
            let redactor = Redactor::new(secrets.iter().map(String::as_bytes)).unwrap();
            let out = redactor.text(&text).into_owned();
            for secret in &secrets {
                prop_assert!(!out.contains(secret.as_str()), "{}", out);
            }
            if !secrets.iter().any(|secret| text.contains(secret.as_str())) {
                // Base64 of such secrets has letters that the text has too, so a chance hit is possible but rare.
                prop_assert!(out == text || out.contains(MARK));
            }
        }

        #[test]
        fn any_bytes_are_searched_like_a_naive_search_would(
            secret in prop::collection::vec(any::<u8>(), 4..12),
            before in prop::collection::vec(any::<u8>(), 0..40),
            after in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let redactor = Redactor::new([secret.as_slice()]).unwrap();
            let body = [before.as_slice(), &secret, &after].concat();
            let out = redactor.body(Bytes::from(body.clone()), body.len() + 1000);
            prop_assert!(!out.windows(secret.len()).any(|window| window == secret));
            prop_assert!(out.windows(MARK.len()).any(|window| window == MARK.as_bytes()));
        }
    }
}
