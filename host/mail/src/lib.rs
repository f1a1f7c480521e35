//! Mails by SMTP, to the operator's mail server. The crate `lettre` writes and sends them; [`resly_core::mail`] has the port.

mod config;
mod message;
mod smtp;

pub use config::{MailConfig, Sender, ServerAddress};
pub use smtp::{SmtpError, SmtpMailer};
