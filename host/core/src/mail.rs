//! Mails that the host writes to people, and the port to what carries them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{id::MailId, time::Timestamp};

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailKind {
    Invitation,
    /// A member set a password.
    PasswordChanged,
    /// A company's account was linked to a member.
    SignInLinked,
    TicketAssigned,
    TicketCommented,
    /// The status of a ticket, for whoever asked.
    TicketStatus,
    /// A conversation waits for a person.
    HandOver,
    Test,
}

impl MailKind {
    pub const ALL: [Self; 8] = [
        Self::Invitation,
        Self::PasswordChanged,
        Self::SignInLinked,
        Self::TicketAssigned,
        Self::TicketCommented,
        Self::TicketStatus,
        Self::HandOver,
        Self::Test,
    ];

    /// As it is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::PasswordChanged => "password_changed",
            Self::SignInLinked => "sign_in_linked",
            Self::TicketAssigned => "ticket_assigned",
            Self::TicketCommented => "ticket_commented",
            Self::TicketStatus => "ticket_status",
            Self::HandOver => "hand_over",
            Self::Test => "test",
        }
    }
}

/// What a mail says, before it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailFacts {
    /// What it is about, such as a ticket's subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The name of whoever did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The page of the console that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A mail as it is sent.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The same in each attempt, so that a receiver can recognise repeats.
    pub id: MailId,
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// When its reason arose.
    pub at: Timestamp,
}

/// Why a mail isn't on its way. The texts are for admins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Another attempt would end the same.
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Failed(String),
}

/// What carries mails.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Gives a mail to a mail server, which has taken it when this is `Ok`.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;

    /// The server and the sender, without a secret.
    fn description(&self) -> MailerDescription;
}

/// What admins see of a mailer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailerDescription {
    /// The server's host and port.
    pub server: String,
    pub from: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_stored_by_its_name() {
        for kind in MailKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
