//! What a merge does to who answers: the conversation that goes on has whoever one of the two had.

use resly_core::{
    conversation::handover::{ConversationState, HandoverSource},
    id::{ConversationId, OrganizationId},
    time::Timestamp,
};

use super::{cut_off, find, give};
use crate::{error::unexpected, sql::Conn};

/// Closes a conversation's hand-over because it goes on in another one, which is locked as well: who had the first one
/// has the second one then, if nobody had that. Answers that are being written in the first one are cut off.
pub(crate) async fn pass_on(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    from: ConversationId,
    into: ConversationId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    cut_off(db, organization, from, None, now).await?;
    let gone = || unexpected("a locked conversation is gone");
    let old = find(db, organization, from).await?.ok_or_else(gone)?;
    let new = find(db, organization, into).await?.ok_or_else(gone)?;
    if new.state.is_handed_over() {
        return Ok(());
    }
    if old.state.is_handed_over() {
        let asked = Some((HandoverSource::Agent, None));
        give(db, organization, into, old.state, old.assignee, asked, now).await?;
        cut_off(db, organization, into, None, now).await?;
    } else if new.state == ConversationState::Closed && old.state == ConversationState::Ai {
        give(db, organization, into, ConversationState::Ai, None, None, now).await?;
    }
    Ok(())
}
