//! Masks what looks like a secret in names that errors repeat. Strangers choose these names, and a key pasted in a
//! member's place is one of them.

use std::borrow::Cow;

const MASK: &str = "[masked]";

/// How keys and tokens of well-known services begin.
const PREFIXES: [&str; 23] = [
    "sk_live_",
    "sk_test_",
    "sk-",
    "pk_live_",
    "pk_test_",
    "rk_live_",
    "rk_test_",
    "rsk_",
    "rpk_",
    "whsec_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "shpat_",
    "shpss_",
    "eyJ",
    "AKIA",
    "AIza",
];
/// The least bytes of a word with such a prefix. A shorter one is a name.
const PREFIXED: usize = 12;
/// The shortest run of letters and digits that may be a secret. Those of a UUID are shorter.
const RUN: usize = 16;
/// A run of this length is no name, even with a single digit.
const LONG_RUN: usize = 24;

/// A text in which every word that looks like a secret is masked.
pub fn secrets(text: &str) -> Cow<'_, str> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '=');
    if !text.split(|c| !is_word(c)).any(looks_secret) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let end = rest[start..].find(|c| !is_word(c)).map_or(rest.len(), |at| start + at);
        out.push_str(&rest[..start]);
        out.push_str(if looks_secret(&rest[start..end]) { MASK } else { &rest[start..end] });
        rest = &rest[end..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Whether a word is a key or token and no name. Its prefix tells that, or a long run of letters with digits among
/// them.
fn looks_secret(word: &str) -> bool {
    let prefixed = word.len() >= PREFIXED && PREFIXES.iter().any(|prefix| word.starts_with(prefix));
    prefixed
        || word.split(|c: char| !c.is_ascii_alphanumeric()).filter(|run| run.len() >= RUN).any(|run| {
            let digits = run.bytes().filter(u8::is_ascii_digit).count();
            let letters = run.len() - digits;
            letters > 0 && (digits >= 2 || (digits == 1 && run.len() >= LONG_RUN))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_masked() {
        for (text, masked) in [
            ("unknown field `sk_live_4eC39HqLyjWDarjtT1zdp7dc`", "unknown field `[masked]`"),
            ("/credentials/rsk_live_x_y_z0", "/credentials/[masked]"),
            ("a.9f86d081884c7d659a2feaa0.b", "a.[masked].b"),
            ("xoxb-1-abcdefgh, eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig", "[masked], [masked].[masked].sig"),
            ("AIzaSyD-abcdefgh", "[masked]"),
        ] {
            assert_eq!(secrets(text), masked);
        }
    }

    #[test]
    fn names_are_left() {
        for text in [
            "unknown field `shipping_address_line_2`, expected one of `id`, `lines`",
            "/actions/0/input/properties/customerShippingAddressPostalCode",
            "there is no 0192d3a4-7b6c-7def-8123-456789abcdef",
            "x-amz-meta-2024 oauth2_client sk_country eyJ line2AddressPostal",
            "größe2 `\u{1f511}`",
        ] {
            assert!(matches!(secrets(text), Cow::Borrowed(_)), "{text}");
        }
    }
}
