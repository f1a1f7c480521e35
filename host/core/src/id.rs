//! Identifiers: one newtype for each kind of row, so that a message's id can't stand in for a conversation's.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )+};
}

ids! {
    /// A company that uses this host.
    OrganizationId,
    /// An API key.
    KeyId,
    /// A conversation.
    ConversationId,
    /// A message. A turn is known by the id of the assistant's message that it writes.
    MessageId,
    /// A source of knowledge.
    SourceId,
    /// A passage of a source.
    PassageId,
    /// A connector installed by an organization.
    ConnectionId,
    /// One call of a connector's action, and its row in the log.
    CallId,
    /// A write that a person was asked to confirm.
    ApprovalId,
    /// A ticket.
    TicketId,
    /// A workflow rule.
    WorkflowId,
    /// Somebody whose signatures an organization trusts.
    PublisherId,
    /// An alert.
    AlertId,
    /// An organization's webhook.
    WebhookId,
    /// A message to a webhook.
    DeliveryId,
    /// A row that nothing refers to (a usage row, an event).
    RowId,
}
