//! The message (RFC 5322) with its parts (RFC 2046): plain text, and HTML beside it where there is some.

use resly_sdk::{Fault, Result};

use crate::{
    address::{Mailbox, list},
    date,
    header::{is_plain_text, unstructured},
    quoted_printable,
};

/// The most bytes of a message: in base64 it still fits what the host sends.
const LARGEST: usize = 700 << 10;
/// RFC 5322 sets no bound; a line does.
const LONGEST_ID: usize = 250;

/// What is to be sent.
pub struct Message<'a> {
    /// Absent, Gmail writes the account's own address.
    pub from: Option<Mailbox>,
    pub reply_to: Option<Mailbox>,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
    pub subject: &'a str,
    pub content: Content<'a>,
    pub thread: Option<Thread>,
    /// The call's id, of which Message-ID and boundary are made.
    pub call: &'a str,
    /// RFC 3339.
    pub now: &'a str,
}

pub struct Content<'a> {
    pub text: &'a str,
    pub html: Option<&'a str>,
}

/// What a reply answers: Message-IDs, in their angle brackets.
pub struct Thread {
    in_reply_to: String,
    /// The thread's earlier ones, oldest first, and the answered one last (RFC 5322, section 3.6.4).
    references: Vec<String>,
}

impl Thread {
    pub fn new(in_reply_to: &str, references: &[String]) -> Result<Self> {
        let in_reply_to = message_id(in_reply_to)?;
        let earlier = references.iter().map(|id| message_id(id)).collect::<Result<Vec<_>>>()?;
        let mut references: Vec<String> = Vec::with_capacity(earlier.len() + 1);
        for id in earlier.into_iter().filter(|id| *id != in_reply_to) {
            if !references.contains(&id) {
                references.push(id);
            }
        }
        references.push(in_reply_to.clone());
        Ok(Self { in_reply_to, references })
    }
}

impl Message<'_> {
    /// The same for one call, however often it is built.
    pub fn id(&self) -> String {
        let domain = self.from.as_ref().map_or("gmail.com", Mailbox::domain);
        format!("<{}@{domain}>", self.call)
    }

    /// The whole message: ASCII, CRLF, no line longer than its limit.
    pub fn build(&self) -> Result<String> {
        let mut message = String::with_capacity(1024 + self.content.text.len() * 2);
        let mut field = |name: &str, value: &str| message.push_str(&format!("{name}: {value}\r\n"));
        if let Some(from) = &self.from {
            field("From", &from.header());
        }
        if let Some(reply_to) = &self.reply_to {
            field("Reply-To", &reply_to.header());
        }
        for (name, mailboxes) in [("To", &self.to), ("Cc", &self.cc), ("Bcc", &self.bcc)] {
            if !mailboxes.is_empty() {
                field(name, &list(mailboxes));
            }
        }
        field("Date", &date::of(self.now)?);
        field("Message-ID", &self.id());
        if let Some(thread) = &self.thread {
            field("In-Reply-To", &thread.in_reply_to);
            field("References", &thread.references.join("\r\n "));
        }
        field("MIME-Version", "1.0");
        message.push_str(&unstructured("Subject", &self.subject()?));
        self.content.write(self.call, &mut message)?;
        if message.len() > LARGEST {
            let message = format!("the mail is larger than {} KiB once it is encoded; shorten it", LARGEST >> 10);
            return Err(Fault::invalid_input(message));
        }
        Ok(message)
    }

    /// A reply's begins with `Re:`, as Gmail wants it of a thread's mails (RFC 5322, section 3.6.5).
    fn subject(&self) -> Result<String> {
        let subject = self.subject.trim();
        if subject.is_empty() || !is_plain_text(subject) {
            return Err(Fault::invalid_input("the subject is one line of text, without control characters"));
        }
        let is_reply = subject.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"));
        Ok(if self.thread.is_some() && !is_reply { format!("Re: {subject}") } else { subject.to_owned() })
    }
}

impl Content<'_> {
    fn write(&self, call: &str, message: &mut String) -> Result<()> {
        let part = |kind: &str, text: &str| -> Result<String> {
            if text.contains(|c: char| c.is_control() && !matches!(c, '\r' | '\n' | '\t')) {
                return Err(Fault::invalid_input("the mail's text holds control characters; leave them out"));
            }
            let encoded = quoted_printable::encode(text);
            Ok(format!(
                "Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{encoded}"
            ))
        };
        let plain = part("plain", self.text)?;
        let Some(html) = self.html else {
            message.push_str(&plain);
            return Ok(());
        };
        let html = part("html", html)?;
        // No quoted-printable text holds `=_`, so the boundary can't stand in one (RFC 2045, section 6.7).
        let boundary = format!("=_{call}");
        message.push_str(&format!("Content-Type: multipart/alternative;\r\n boundary=\"{boundary}\"\r\n\r\n"));
        for part in [plain, html] {
            message.push_str(&format!("--{boundary}\r\n{part}"));
        }
        message.push_str(&format!("--{boundary}--\r\n"));
        Ok(())
    }
}

/// A Message-ID with its angle brackets, which may be missing where it was copied from (RFC 5322, section 3.6.4).
fn message_id(text: &str) -> Result<String> {
    let inner = text.trim();
    let inner = inner.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(inner);
    let sound = inner.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>'));
    let halves = inner.split_once('@').is_some_and(|(left, right)| !left.is_empty() && !right.is_empty());
    if !sound || !halves || inner.len() > LONGEST_ID {
        return Err(Fault::invalid_input("a Message-ID looks like `<abc@mail.example.com>`; copy it from the mail"));
    }
    Ok(format!("<{inner}>"))
}
