//! A mail as a message (RFC 5322), with its text twice: plain and as HTML.

use std::time::{Duration, UNIX_EPOCH};

use lettre::{
    Address, Message,
    message::{Mailbox, MultiPart},
};
use resly_core::mail::{Mail, MailError};

/// Characters of a subject.
const SUBJECT: usize = 150;

/// The message. What isn't an address, and what would break a header, is refused or taken out.
pub fn message(mail: &Mail, from: &Mailbox) -> Result<Message, MailError> {
    let to: Address = mail.to.parse().map_err(|_| MailError::Refused("the address is none".to_owned()))?;
    let micros = u64::try_from(mail.at.micros()).unwrap_or(0);
    let id = format!("<{}@{}>", mail.id, from.email.domain());
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(one_line(&mail.subject))
        .date(UNIX_EPOCH + Duration::from_micros(micros))
        .message_id(Some(id))
        .multipart(MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone()))
        .map_err(|error| MailError::Refused(format!("it can't be written: {error}")))
}

/// A text without line breaks and other control characters, as a header may hold it.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
    text.chars().take(SUBJECT).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use resly_core::{id::MailId, time::Timestamp};

    use super::*;

    fn mail(to: &str, subject: &str) -> Mail {
        Mail {
            id: MailId("01989c3a-7e10-7aaa-8bbb-0123456789ab".parse().unwrap()),
            to: to.to_owned(),
            subject: subject.to_owned(),
            text: "Grüße\r\n.\r\nQUIT".to_owned(),
            html: "<p>Grüße</p>".to_owned(),
            at: Timestamp::from_micros(1_700_000_000_000_000),
        }
    }

    #[test]
    fn nothing_adds_a_header() {
        let from: Mailbox = "Acme <help@example.com>".parse().unwrap();
        for hostile in [
            "x\r\nBcc: eve@example.com",
            "x\nBcc: eve@example.com",
            "x\rBcc: eve@example.com",
            "x\r\n\r\n<script>",
            "x\u{2028}Bcc: eve@example.com",
            "x\u{85}Bcc: eve@example.com",
            "=?utf-8?q?=0D=0ABcc:_eve@example.com?=",
            "x\0y",
        ] {
            let written = message(&mail("ana@example.com", hostile), &from).unwrap();
            let text = String::from_utf8(written.formatted()).unwrap();
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            let names: Vec<&str> = head
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .filter_map(|line| line.split_once(':').map(|(name, _)| name))
                .collect();
            assert_eq!(names.len(), head.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])).count(), "{head}");
            assert!(names.iter().all(|name| !name.eq_ignore_ascii_case("bcc")), "{hostile:?}: {head}");
            assert_eq!(written.envelope().to().len(), 1);
        }
        for wrong in ["", "ana", "ana@example.com\r\nBcc: eve@example.com", "a@b.de,c@d.de", "<a@b.de>", "a b@c.de"] {
            assert!(matches!(message(&mail(wrong, "x"), &from), Err(MailError::Refused(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_message_has_both_texts_and_the_mail_s_id() {
        let from: Mailbox = "Acme <help@example.com>".parse().unwrap();
        let written = message(&mail("ana@example.com", "Grüße"), &from).unwrap();
        let text = String::from_utf8(written.formatted()).unwrap();
        for part in [
            "Message-ID: <01989c3a-7e10-7aaa-8bbb-0123456789ab@example.com>",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000",
            "From: Acme <help@example.com>",
            "To: ana@example.com",
            "multipart/alternative",
            "text/plain; charset=utf-8",
            "text/html; charset=utf-8",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.is_ascii());
    }
}
