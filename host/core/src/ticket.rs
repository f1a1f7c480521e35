//! Tickets: what customers need a person for, beyond the conversation.

use uuid::Uuid;

use crate::{
    id::{ConversationId, OrganizationId, TicketId},
    time::Timestamp,
};

/// Where a ticket is, in the order of its life.
pub const STATUSES: [&str; 4] = ["open", "pending", "resolved", "closed"];
/// How soon a ticket has to be looked at, the least first.
pub const PRIORITIES: [&str; 4] = ["low", "normal", "high", "urgent"];

/// Bytes of a ticket's texts.
pub const SUBJECT_BYTES: usize = 800;
pub const BODY_BYTES: usize = 40_000;
/// The most tags of a ticket, and bytes of each.
pub const TAGS: usize = 20;
pub const TAG_BYTES: usize = 100;

/// What people set of a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TicketFields {
    pub subject: String,
    pub body: String,
    /// One of [`STATUSES`].
    pub status: String,
    /// One of [`PRIORITIES`].
    pub priority: String,
    /// The member who sees to it.
    pub assignee: Option<Uuid>,
    /// Who asks: a name or an address, as somebody wrote it.
    pub requester: Option<String>,
    pub due_at: Option<Timestamp>,
    pub tags: Vec<String>,
}

/// A ticket to store.
#[derive(Clone, Debug)]
pub struct TicketWrite {
    pub organization: OrganizationId,
    pub id: TicketId,
    pub conversation: Option<ConversationId>,
    pub fields: TicketFields,
    pub now: Timestamp,
}
