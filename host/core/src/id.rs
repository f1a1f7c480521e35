//! Identifiers: one type for each kind of row, so the compiler finds an id in the wrong place.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use uuid::Uuid;

/// The error about a text that is no id, for whoever sent it.
const NO_ID: &str = "it is no id, such as `01989c3a-7e10-7aaa-8bbb-0123456789ab`";

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(|_| D::Error::custom(NO_ID))
            }
        }

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
    /// A person who signs in at the console.
    PersonId,
    /// A person's membership of one organization.
    MemberId,
    /// A person's session at the console.
    SessionId,
    /// An invitation to become a member.
    InvitationId,
    /// How an organization's people sign in with their company.
    IdentityProviderId,
    /// A mail to send.
    MailId,
    /// A conversation.
    ConversationId,
    /// A message. A turn has the id of the answer that it writes.
    MessageId,
    /// A source of knowledge.
    SourceId,
    /// The content of a source as of one change. A revision never changes; a source gets another one.
    RevisionId,
    /// A crawl of a site.
    CrawlId,
    /// A passage of a source.
    PassageId,
    /// One running process of the host. A restart gets another id, so the id is also an epoch.
    HostId,
    /// A host's hold on work that it took from a queue.
    LeaseId,
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
    /// A publisher whose signatures an organization trusts.
    PublisherId,
    /// An alert.
    AlertId,
    /// An organization's webhook.
    WebhookId,
    /// A message to a webhook.
    DeliveryId,
    /// A request to delete a visitor's data.
    DeletionId,
    /// A row that nothing refers to (a usage row, an event).
    RowId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_id_is_told_in_plain_words() {
        let id: KeyId = serde_json::from_str("\"01989c3a-7e10-7aaa-8bbb-0123456789ab\"").unwrap();
        assert_eq!(serde_json::to_value(id).unwrap(), "01989c3a-7e10-7aaa-8bbb-0123456789ab");
        let error = serde_json::from_str::<KeyId>("\"nope\"").unwrap_err().to_string();
        assert!(error.starts_with("it is no id") && !error.contains("UUID"), "{error}");
    }
}
