//! What a visitor is told when a person has the conversation.

use resly_core::{
    conversation::{
        handover::ConversationState,
        notice::{DetectLanguage, notice},
    },
    id::{ConversationId, OrganizationId},
};

use crate::{
    sql::{Conn, row, rows},
    types::{Count, Id},
};

/// The visitor's last messages by which the host finds out the language to tell something in, and bytes of each.
const READ_FOR_LANGUAGE: i64 = 5;
const TEXT_FOR_LANGUAGE: usize = 1_000;

/// What to tell the visitor of a conversation that a person has: in the language of the visitor's last messages, and by
/// whether an agent is available. Without agents that the host knows, the organization answers by other means.
pub(crate) async fn notice_for(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    conversation: ConversationId,
    state: ConversationState,
    detect: DetectLanguage,
) -> Result<&'static str, sqlx::Error> {
    let written = rows!(
        db,
        (String,),
        "SELECT content FROM messages WHERE conversation_id = $1 AND organization_id = $2 AND role = 'user'
             AND superseded_at IS NULL ORDER BY position DESC, id DESC LIMIT $3",
        Id(conversation.0),
        Id(organization.0),
        READ_FOR_LANGUAGE
    )?;
    let written: Vec<_> = written.iter().map(|(text,)| &text[..text.floor_char_boundary(TEXT_FOR_LANGUAGE)]).collect();
    let agents = row!(
        db,
        (Count, Count),
        "SELECT COUNT(*), COALESCE(SUM(CASE WHEN available THEN 1 ELSE 0 END), 0) FROM members
         WHERE organization_id = $1 AND role IN ('owner', 'admin', 'agent')",
        Id(organization.0)
    )?;
    let staffed = agents.is_none_or(|(Count(all), Count(available))| all == 0 || available > 0);
    Ok(notice(state, staffed, detect(&written.join("\n"))))
}
