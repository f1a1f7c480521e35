//! Tickets: open one, change it, comment on it.

use resly_core::{
    boxed,
    error::StoreError,
    id::{ConversationId, OrganizationId, RowId, TicketId},
    ticket::{BODY_BYTES, PRIORITIES, STATUSES, SUBJECT_BYTES, TAG_BYTES, TAGS, TicketFields, TicketWrite},
};
use resly_store::TicketComment;
use uuid::Uuid;

use crate::{App, FieldError};

/// Bytes of a requester's name or address.
const REQUESTER_BYTES: usize = 300;

/// Why a ticket isn't kept.
#[derive(Debug, thiserror::Error)]
pub enum TicketError {
    #[error("there is no such ticket")]
    Missing,
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens a ticket, which may be about a conversation.
#[boxed]
pub async fn open(
    app: &App,
    organization: OrganizationId,
    conversation: Option<ConversationId>,
    fields: TicketFields,
) -> Result<TicketId, TicketError> {
    check(&fields)?;
    let now = app.clock.now();
    let id = TicketId(app.random.uuid(now));
    if app.store.open_ticket(TicketWrite { organization, id, conversation, fields, now }).await? {
        return Ok(id);
    }
    Err(TicketError::Invalid(vec![FieldError::new("conversation", "there is no such conversation")]))
}

/// Replaces what people set of a ticket.
#[boxed]
pub async fn change(
    app: &App,
    organization: OrganizationId,
    id: TicketId,
    fields: TicketFields,
) -> Result<(), TicketError> {
    check(&fields)?;
    let now = app.clock.now();
    let write = TicketWrite { organization, id, conversation: None, fields, now };
    if app.store.change_ticket(write).await? { Ok(()) } else { Err(TicketError::Missing) }
}

/// Adds a comment to a ticket.
#[boxed]
pub async fn comment(
    app: &App,
    organization: OrganizationId,
    ticket: TicketId,
    author: Option<Uuid>,
    body: &str,
) -> Result<(), TicketError> {
    if body.trim().is_empty() || body.len() > BODY_BYTES {
        return Err(TicketError::Invalid(vec![length("comment", BODY_BYTES)]));
    }
    let created_at = app.clock.now();
    let id = RowId(app.random.uuid(created_at));
    let comment = TicketComment { id, author, body: body.to_owned(), created_at };
    let stored = app.store.comment_on_ticket(organization, ticket, comment).await?;
    if stored { Ok(()) } else { Err(TicketError::Missing) }
}

fn length(path: &str, most: usize) -> FieldError {
    FieldError::new(path, format!("1 to {most} bytes are expected"))
}

fn check(fields: &TicketFields) -> Result<(), TicketError> {
    let mut mistakes = Vec::new();
    if fields.subject.trim().is_empty() || fields.subject.len() > SUBJECT_BYTES {
        mistakes.push(length("subject", SUBJECT_BYTES));
    }
    if fields.body.len() > BODY_BYTES {
        mistakes.push(FieldError::new("body", format!("at most {BODY_BYTES} bytes are expected")));
    }
    for (path, value, allowed) in [("status", &fields.status, STATUSES), ("priority", &fields.priority, PRIORITIES)] {
        if !allowed.contains(&value.as_str()) {
            mistakes.push(FieldError::new(path, format!("one of {} is expected", allowed.join(", "))));
        }
    }
    if fields.requester.as_ref().is_some_and(|requester| requester.len() > REQUESTER_BYTES) {
        mistakes.push(FieldError::new("requester", format!("at most {REQUESTER_BYTES} bytes are expected")));
    }
    if fields.tags.len() > TAGS || fields.tags.iter().any(|tag| tag.is_empty() || tag.len() > TAG_BYTES) {
        let message = format!("at most {TAGS} tags of 1 to {TAG_BYTES} bytes are expected");
        mistakes.push(FieldError::new("tags", message));
    }
    if mistakes.is_empty() { Ok(()) } else { Err(TicketError::Invalid(mistakes)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_with_its_field() {
        let good = TicketFields {
            subject: "Broken".to_owned(),
            status: "open".to_owned(),
            priority: "high".to_owned(),
            ..TicketFields::default()
        };
        assert!(check(&good).is_ok());
        let bad = TicketFields {
            body: "b".repeat(BODY_BYTES + 1),
            requester: Some("r".repeat(REQUESTER_BYTES + 1)),
            tags: vec![String::new()],
            ..TicketFields::default()
        };
        let Err(TicketError::Invalid(mistakes)) = check(&bad) else { panic!("it was taken") };
        let paths: Vec<&str> = mistakes.iter().map(|mistake| mistake.path.as_str()).collect();
        assert_eq!(paths, ["subject", "body", "status", "priority", "requester", "tags"]);
    }
}
