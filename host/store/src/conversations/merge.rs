//! Merging two conversations of a visitor: the first one is closed and stays readable, and leads to the second one.

use resly_core::{
    boxed,
    conversation::handover::ConversationState,
    error::StoreError,
    id::{ConversationId, OrganizationId},
    time::Timestamp,
};
use serde::Serialize;

use super::LockedConversation;
use crate::{
    Store,
    audit::{Author, Subject, view},
    error::OperationError,
    handover,
    sql::{Conn, execute, row},
    types::{Id, Time},
};

/// Conversations that one leads through. A merge into a merged one is refused, so a chain grows only at its end.
const STEPS: usize = 16;

/// Why conversations aren't merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error("there is no such conversation")]
    Missing,
    #[error("a conversation can't be merged into itself")]
    Same,
    #[error("the conversations aren't of one visitor")]
    OtherVisitor,
    #[error("one of the conversations was merged before")]
    Merged,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize)]
struct MergeView {
    merged_into: ConversationId,
}

/// A conversation that is locked for a merge.
struct Part {
    visitor: Option<Id>,
    merged_into: Option<Id>,
}

async fn part(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: ConversationId,
) -> Result<Part, OperationError<MergeError>> {
    let sql = db.pick(
        "SELECT visitor_id, merged_into FROM conversations WHERE id = $1 AND organization_id = $2",
        "SELECT visitor_id, merged_into FROM conversations WHERE id = $1 AND organization_id = $2 FOR NO KEY UPDATE",
    );
    let found = row!(db, (Option<Id>, Option<Id>), sql, Id(id.0), Id(organization.0))?;
    let (visitor, merged_into) = found.ok_or(OperationError::Refused(MergeError::Missing))?;
    Ok(Part { visitor, merged_into })
}

async fn merge(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    from: ConversationId,
    into: ConversationId,
    now: Timestamp,
) -> Result<(), OperationError<MergeError>> {
    if from == into {
        return Err(OperationError::Refused(MergeError::Same));
    }
    // Always in one order, so that two merges of the same conversations wait for each other.
    let (one, other) = if from.0 < into.0 { (from, into) } else { (into, from) };
    let (one, other) = (part(db, organization, one).await?, part(db, organization, other).await?);
    if one.merged_into.is_some() || other.merged_into.is_some() {
        return Err(OperationError::Refused(MergeError::Merged));
    }
    if one.visitor.is_none() || one.visitor != other.visitor {
        return Err(OperationError::Refused(MergeError::OtherVisitor));
    }
    handover::pass_on(db, organization, from, into, now).await?;
    execute!(
        db,
        "UPDATE conversations SET state = 'closed', merged_into = $3, closed_at = $4, snoozed_until = NULL, updated_at = $4
         WHERE id = $1 AND organization_id = $2",
        Id(from.0),
        Id(organization.0),
        Id(into.0),
        Time(now)
    )?;
    Ok(())
}

/// Goes on from a locked conversation to the one that it was merged into, and locks that. When the other one is gone, the
/// conversation is its own again.
pub(crate) async fn follow(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    mut held: LockedConversation,
    visitor: Option<Id>,
    places: i64,
    now: Timestamp,
) -> Result<LockedConversation, sqlx::Error> {
    for _ in 0..STEPS {
        let Some(next) = held.merged_into else { break };
        match super::lock(db, organization, next, visitor, places, now).await? {
            Some(found) => held = LockedConversation { is_merged: true, ..found },
            None => {
                let sql = "UPDATE conversations SET merged_into = NULL, state = 'ai', updated_at = $3
                           WHERE id = $1 AND organization_id = $2 RETURNING state";
                row!(db, (String,), sql, Id(held.id.0), Id(organization.0), Time(now))?;
                let state = ConversationState::Ai;
                held = LockedConversation { merged_into: None, state, ..held };
            }
        }
    }
    Ok(held)
}

/// The conversation that this one leads to, which is itself unless it was merged.
pub(super) async fn target(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: ConversationId,
) -> Result<ConversationId, sqlx::Error> {
    let mut last = id;
    for _ in 0..STEPS {
        let sql = "SELECT t.id FROM conversations c JOIN conversations t ON t.id = c.merged_into
                   WHERE c.id = $1 AND c.organization_id = $2 AND t.organization_id = $2";
        let Some((next,)) = row!(db, (Id,), sql, Id(last.0), Id(organization.0))? else { break };
        last = ConversationId(next.0);
    }
    Ok(last)
}

impl Store {
    /// Merges a conversation into another one of the same visitor. Whoever writes to the first one reaches the second one
    /// from then on. An answer that is being written in the first one is cut off.
    #[boxed]
    pub async fn merge_conversations(
        &self,
        organization: OrganizationId,
        from: ConversationId,
        into: ConversationId,
        now: Timestamp,
    ) -> Result<(), MergeError> {
        let by = Author::current();
        self.write(organization, "merge two conversations", move |mut db| {
            Box::pin(async move {
                merge(&mut db, organization, from, into, now).await?;
                let after = view(&MergeView { merged_into: into })?;
                Ok(by.created(&mut db, organization, "conversation.merge", Subject::by_id(from), after).await?)
            })
        })
        .await
    }
}
