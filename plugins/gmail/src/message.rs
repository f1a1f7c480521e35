//! Builds the message (RFC 5322) and its parts (RFC 2046): plain text, and HTML if there is any.

use mail_builder::{
    MessageBuilder,
    headers::{address::Address, content_type::ContentType, message_id::MessageId, raw::Raw},
    mime::MimePart,
};
use resly_sdk::{Fault, Result};

use crate::{
    address::{Mailbox, is_plain_text},
    date,
};

/// The most bytes of a message. Its Base64 still fits the host's limit for a request.
const LARGEST: usize = 700 << 10;
/// The most bytes of a Message-ID. RFC 5322 sets no limit, but a line has one.
const LONGEST_ID: usize = 250;

/// A message to send.
pub struct Message<'a> {
    /// When absent, Gmail uses the account's own address.
    pub from: Option<Mailbox>,
    pub reply_to: Option<Mailbox>,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
    pub subject: &'a str,
    pub content: Content<'a>,
    pub thread: Option<Thread>,
    /// The call's id, from which Message-ID and boundary are made.
    pub call: &'a str,
    /// The time of the call (RFC 3339).
    pub now: &'a str,
}

pub struct Content<'a> {
    pub text: &'a str,
    pub html: Option<&'a str>,
}

/// The messages that a reply refers to: Message-IDs without their angle brackets.
pub struct Thread {
    in_reply_to: String,
    /// Earlier messages of the thread, oldest first, then the answered one (RFC 5322, section 3.6.4).
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
    /// The Message-ID without its angle brackets. It is the same for each attempt of one call.
    pub fn id(&self) -> String {
        let domain = self.from.as_ref().map_or("gmail.com", Mailbox::domain);
        format!("{}@{domain}", self.call)
    }

    /// The whole message: ASCII with CRLF, and no line over the limit.
    pub fn build(&self) -> Result<String> {
        let mut builder = MessageBuilder::new();
        if let Some(from) = &self.from {
            builder = builder.from(from.header());
        }
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.header());
        }
        for (name, mailboxes) in [("To", &self.to), ("Cc", &self.cc), ("Bcc", &self.bcc)] {
            if !mailboxes.is_empty() {
                let list = mailboxes.iter().map(Mailbox::header).collect();
                builder = builder.header(name, Address::new_list(list));
            }
        }
        builder = builder.header("Date", Raw::new(date::of(self.now)?)).message_id(self.id());
        if let Some(Thread { in_reply_to, references }) = &self.thread {
            builder = builder.in_reply_to(in_reply_to.as_str());
            builder = builder.references(MessageId::new_list(references.iter().map(String::as_str)));
        }
        let message = builder.subject(self.subject()?).body(self.content.part(self.call)?).write_to_string();
        let message = message.map_err(|error| Fault::internal(format!("the mail can't be written: {error}")))?;
        if message.len() > LARGEST {
            let message = format!("the mail is larger than {} KiB once it is encoded; shorten it", LARGEST >> 10);
            return Err(Fault::invalid_input(message));
        }
        Ok(message)
    }

    /// The subject. A reply's starts with `Re:`, which Gmail requires to keep it in the thread (RFC 5322, section
    /// 3.6.5).
    fn subject(&self) -> Result<String> {
        let subject = self.subject.trim();
        if subject.is_empty() || !is_plain_text(subject) {
            return Err(Fault::invalid_input("the subject is one line of text, without control characters"));
        }
        let is_reply = subject.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"));
        Ok(if self.thread.is_some() && !is_reply { format!("Re: {subject}") } else { subject.to_owned() })
    }
}

impl<'a> Content<'a> {
    fn part(&self, call: &str) -> Result<MimePart<'a>> {
        let part = |kind: &'static str, text: &'a str| {
            if text.contains(|c: char| c.is_control() && !matches!(c, '\r' | '\n' | '\t')) {
                return Err(Fault::invalid_input("the mail's text holds control characters; leave them out"));
            }
            Ok(MimePart::new(kind, text))
        };
        let plain = part("text/plain", self.text)?;
        let Some(html) = self.html else { return Ok(plain) };
        // The same for each attempt of one call, and nothing that a customer could write.
        let boundary = ContentType::new("multipart/alternative").attribute("boundary", format!("=_{call}"));
        Ok(MimePart::new(boundary, vec![plain, part("text/html", html)?]))
    }
}

/// Parses a Message-ID. Its angle brackets may be missing when it was copied (RFC 5322, section 3.6.4).
fn message_id(text: &str) -> Result<String> {
    let inner = text.trim();
    let inner = inner.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(inner);
    let sound = inner.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>'));
    let halves = inner.split_once('@').is_some_and(|(left, right)| !left.is_empty() && !right.is_empty());
    if !sound || !halves || inner.len() > LONGEST_ID {
        return Err(Fault::invalid_input("a Message-ID looks like `<abc@mail.example.com>`; copy it from the mail"));
    }
    Ok(inner.to_owned())
}
