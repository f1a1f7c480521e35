//! Mailboxes (RFC 5322, section 3.4): a name and an address, in the part of the grammar that real mail uses.

use mail_builder::headers::address::Address;
use resly_sdk::{Fault, Result};

const LONGEST_NAME: usize = 128;
/// The most bytes of a local part (RFC 5321, section 4.5.3.1), and of an address within a path.
const LONGEST_LOCAL: usize = 64;
const LONGEST_DOMAIN: usize = 253;
const LONGEST_ADDRESS: usize = 254;

/// A checked mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    pub name: Option<String>,
    pub address: String,
}

impl Mailbox {
    /// Parses `ada@example.com`, `Ada Lovelace <ada@example.com>` or `"Lovelace, Ada" <ada@example.com>`.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let wrong = |why: &str| Fault::invalid_input(format!("`{}` is no address: {why}", shown(text)));
        if !is_plain_text(text) {
            return Err(wrong("it holds a line break or another control character"));
        }
        let (name, address) = match text.strip_suffix('>') {
            None => ("", text),
            Some(text) => text.rsplit_once('<').ok_or_else(|| wrong("there is a `>` without its `<`"))?,
        };
        check(address).map_err(|why| wrong(&why))?;
        let name = unquoted(name.trim()).split_whitespace().collect::<Vec<_>>().join(" ");
        if name.chars().count() > LONGEST_NAME {
            return Err(wrong("its name is longer than 128 characters"));
        }
        Ok(Self { name: Some(name).filter(|name| !name.is_empty()), address: address.to_owned() })
    }

    /// Whether `allowed` is this address or its domain.
    pub fn is_of(&self, allowed: &str) -> bool {
        let allowed = allowed.trim();
        if allowed.contains('@') {
            return self.address.eq_ignore_ascii_case(allowed);
        }
        self.domain().eq_ignore_ascii_case(allowed)
    }

    pub fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    pub fn header(&self) -> Address<'_> {
        Address::new_address(self.name.as_deref(), self.address.as_str())
    }
}

/// Checks an addr-spec: a dot-atom, `@`, and a domain of at least two labels.
fn check(address: &str) -> core::result::Result<(), String> {
    let (local, domain) = address.rsplit_once('@').ok_or("it has no `@`")?;
    if !domain.is_ascii() {
        return Err("write its domain in ASCII, as registrars do (`xn--…` for letters beyond it)".to_owned());
    }
    if !local.is_ascii() {
        return Err("letters beyond ASCII before the `@` (RFC 6531) aren't supported".to_owned());
    }
    let atoms = local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext));
    if !atoms || local.len() > LONGEST_LOCAL {
        return Err("before the `@` stand 1 to 64 letters, digits and `!#$%&'*+-/=?^_{|}~`, with single dots between"
            .to_owned());
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels: Vec<&str> = domain.split('.').collect();
    let top_is_name = labels.last().is_some_and(|top| !top.bytes().all(|byte| byte.is_ascii_digit()));
    if labels.len() < 2 || !top_is_name || domain.len() > LONGEST_DOMAIN || !labels.into_iter().all(is_label) {
        return Err("after the `@` stands a domain such as `example.com`".to_owned());
    }
    if address.len() > LONGEST_ADDRESS {
        return Err(format!("it is longer than {LONGEST_ADDRESS} characters"));
    }
    Ok(())
}

/// Whether a text fits on one line: it has no control characters and no line ends of Unicode.
pub fn is_plain_text(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// Whether a byte is `atext` (RFC 5322, section 3.2.3).
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// The content of a quoted string. Any other text is returned unchanged.
fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else { return text.to_owned() };
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// The start of the given text, without characters that would break a line of the log.
fn shown(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, String) {
        let Mailbox { name, address } = Mailbox::parse(text).unwrap();
        (name.unwrap_or_default(), address)
    }

    #[test]
    fn addresses_come_with_and_without_names() {
        let ada = |name: &str| (name.to_owned(), "ada@example.com".to_owned());
        assert_eq!(parsed(" ada@example.com "), ada(""));
        assert_eq!(parsed("<ada@example.com>"), ada(""));
        assert_eq!(parsed("Ada   Lovelace <ada@example.com>"), ada("Ada Lovelace"));
        assert_eq!(parsed(r#""Lovelace, \"Ada\"" <ada@example.com>"#), ada("Lovelace, \"Ada\""));
        assert_eq!(parsed("Ada ❤ <ada@example.com>"), ada("Ada ❤"));
        assert_eq!(parsed("o'brien+shop@mail.xn--bcher-kva.example").1, "o'brien+shop@mail.xn--bcher-kva.example");
    }

    #[test]
    fn what_is_no_address_is_told_why() {
        for (text, why) in [
            ("", "no `@`"),
            ("ada", "no `@`"),
            ("ada@", "domain such as"),
            ("@example.com", "before the `@`"),
            ("ada@localhost", "domain such as"),
            ("ada@127.0.0.1", "domain such as"),
            ("ada@[127.0.0.1]", "domain such as"),
            ("ada@-a.example", "domain such as"),
            ("ada@a..example", "domain such as"),
            ("ada@example.com.", "domain such as"),
            ("a..b@example.com", "before the `@`"),
            (".a@example.com", "before the `@`"),
            ("\"a b\"@example.com", "before the `@`"),
            ("a b@example.com", "before the `@`"),
            ("a@b.example, c@d.example", "before the `@`"),
            ("a@b.example,c@d.example", "before the `@`"),
            ("Ada ada@example.com>", "without its `<`"),
            ("ada@bücher.example", "xn--"),
            ("adä@example.com", "RFC 6531"),
            ("ada@example.com\r\nBcc: eve@example.com", "line break"),
            ("Ada\nX: y <ada@example.com>", "line break"),
            ("Ada\0 <ada@example.com>", "line break"),
            ("Ada\u{2028} <ada@example.com>", "line break"),
        ] {
            let fault = Mailbox::parse(text).unwrap_err();
            assert!(fault.message.contains(why), "{text:?}: {}", fault.message);
            assert!(!fault.message.contains(['\r', '\n', '\0']));
        }
        let long = format!("{}@example.com", "a".repeat(65));
        assert!(Mailbox::parse(&long).is_err());
        assert!(Mailbox::parse(&format!("a@{}example.com", "b".repeat(63).to_owned() + &".b".repeat(100))).is_err());
    }

    #[test]
    fn who_may_get_mail_is_an_address_or_a_whole_domain() {
        let ada = Mailbox::parse("Ada@Example.com").unwrap();
        assert!(ada.is_of("example.COM") && ada.is_of(" ada@example.com "));
        for other in ["le.com", "mail.example.com", "com", "eve@example.com", "", "@example.com"] {
            assert!(!ada.is_of(other), "{other}");
        }
    }

    #[test]
    fn a_line_end_of_any_kind_is_no_plain_text() {
        for c in ['\r', '\n', '\0', '\t', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}', '\u{7f}'] {
            assert!(!is_plain_text(&format!("a{c}b")), "{c:?}");
        }
        assert!(is_plain_text("Zoë, 日本 «!»"));
    }
}
