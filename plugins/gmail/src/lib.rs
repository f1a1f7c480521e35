//! The bundled Gmail connector: sends a mail, and replies in a thread. It uses the only method that the scope
//! `gmail.send` allows (Gmail API v1, `users.messages.send`).

mod address;
mod api;
mod date;
mod message;

use resly_sdk::{
    Call, Connector, Fault, Result,
    http::{Failure, Request, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use address::Mailbox;
use message::{Content, Message, Thread};

/// The connector.
pub struct Gmail;

impl Connector for Gmail {
    fn invoke(call: &Call) -> Result<Value> {
        run(call, &Request::send)
    }
}

resly_sdk::export!(Gmail);

/// Sends a request through the host. Tests use doubles.
type Sender<'a> = &'a dyn Fn(Request) -> core::result::Result<Response, Failure>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    from: String,
    reply_to: String,
    allowed_recipients: Option<Vec<String>>,
}

impl Settings {
    fn from(&self) -> Result<Option<Mailbox>> {
        Self::mailbox("from", &self.from)
    }

    fn reply_to(&self) -> Result<Option<Mailbox>> {
        Self::mailbox("reply_to", &self.reply_to)
    }

    fn mailbox(name: &str, text: &str) -> Result<Option<Mailbox>> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let wrong =
            |fault: Fault| Fault::invalid_input(format!("the connection's setting `{name}`: {}", fault.message));
        Mailbox::parse(text).map(Some).map_err(wrong)
    }

    fn allow(&self, recipient: &Mailbox) -> Result<()> {
        let Some(allowed) = &self.allowed_recipients else { return Ok(()) };
        if allowed.iter().any(|allowed| recipient.is_of(allowed)) {
            return Ok(());
        }
        let address = &recipient.address;
        let message =
            format!("mail may not go to {address}: the connection's setting `allowed_recipients` doesn't name it");
        Err(Fault::invalid_input(message))
    }
}

#[derive(Deserialize)]
struct EmailInput {
    to: Vec<String>,
    #[serde(default)]
    cc: Vec<String>,
    #[serde(default)]
    bcc: Vec<String>,
    reply_to: Option<String>,
    subject: String,
    text: String,
    html: Option<String>,
}

#[derive(Deserialize)]
struct ReplyInput {
    thread_id: String,
    in_reply_to: String,
    #[serde(default)]
    references: Vec<String>,
    #[serde(flatten)]
    email: EmailInput,
}

fn run(call: &Call, send: Sender) -> Result<Value> {
    match call.action() {
        "send_email" => deliver(call, call.input()?, None, send),
        "reply" => {
            let ReplyInput { thread_id, in_reply_to, references, email } = call.input()?;
            let thread = Thread::new(&in_reply_to, &references)?;
            deliver(call, email, Some((&thread_id, thread)), send)
        }
        "check_access" => {
            let settings: Settings = call.settings()?;
            settings.from()?;
            settings.reply_to()?;
            api::check(send).map(|()| json!({"can_send": true}))
        }
        _ => Err(call.unknown_action()),
    }
}

/// Builds the message and sends it once, because Gmail can't tell a repeat from a second mail.
fn deliver(call: &Call, email: EmailInput, reply: Option<(&str, Thread)>, send: Sender) -> Result<Value> {
    let settings: Settings = call.settings()?;
    let boxes = |texts: &[String]| texts.iter().map(|text| Mailbox::parse(text)).collect::<Result<Vec<_>>>();
    let (to, cc, bcc) = (boxes(&email.to)?, boxes(&email.cc)?, boxes(&email.bcc)?);
    to.iter().chain(&cc).chain(&bcc).try_for_each(|recipient| settings.allow(recipient))?;
    let (thread_id, thread) = reply.unzip();
    let message = Message {
        from: settings.from()?,
        reply_to: match &email.reply_to {
            Some(given) => Some(Mailbox::parse(given)?),
            None => settings.reply_to()?,
        },
        to,
        cc,
        bcc,
        subject: &email.subject,
        content: Content { text: &email.text, html: email.html.as_deref() },
        thread,
        call: call.id(),
        now: call.now(),
    };
    let api::Sent { id, thread_id } = api::send(&message.build()?, thread_id, send)?;
    Ok(json!({"id": id, "thread_id": thread_id, "message_id": format!("<{}>", message.id())}))
}

#[cfg(test)]
mod tests;
