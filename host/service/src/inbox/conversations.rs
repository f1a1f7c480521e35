//! A conversation that a person answers: ask for a person, take it, reply, give it back, close it.
//!
//! An answer that this host is writing in it ends at once. Other hosts see that theirs was cut off within a second, and none
//! can store it as an answer.

use resly_core::{
    approval::ChatClient,
    boxed,
    conversation::{
        Message,
        handover::{ConversationState, HandOver, HandedOver, HandoverSource},
    },
    error::StoreError,
    id::{ConversationId, MessageId, OrganizationId},
};
use resly_store::{AgentReply, Assignment, HandoverError};
use uuid::Uuid;

use crate::{App, FieldError};

/// The longest reply, in bytes.
pub const REPLY_BYTES: usize = 40_000;

/// Why nothing was done in a conversation.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Handover(#[from] HandoverError),
}

/// Asks for a person. `None` when there is no such conversation.
#[boxed]
pub async fn hand_over(
    app: &App,
    organization: OrganizationId,
    conversation: ConversationId,
    by: HandoverSource,
) -> Result<Option<HandedOver>, StoreError> {
    let now = app.clock.now();
    let request = HandOver { organization, conversation, by, summary: None, answer: None, now };
    let handed = app.turns.store.hand_over(request).await?;
    if handed.is_some() {
        end_answer(app, organization, conversation);
    }
    Ok(handed)
}

/// The messages of a visitor's conversation that follow `after`, at most `most`.
pub struct Heard {
    pub conversation: ConversationId,
    pub state: ConversationState,
    pub messages: Vec<Message>,
}

/// What was said in a visitor's conversation, by its id or the client's name of it. `None` when the visitor has no such
/// conversation.
#[boxed]
pub async fn messages_after(
    app: &App,
    client: &ChatClient,
    name: &str,
    after: Option<MessageId>,
    most: u32,
) -> Result<Option<Heard>, StoreError> {
    let Some(conversation) = app.turns.store.find_conversation(client, name).await? else { return Ok(None) };
    let found = app.store.messages_after(client.organization, conversation, after, most).await?;
    Ok(found.map(|(state, messages)| Heard { conversation, state, messages }))
}

/// Gives a conversation to a member. It is taken from `from` and from nobody else.
#[boxed]
pub async fn assign(
    app: &App,
    organization: OrganizationId,
    conversation: ConversationId,
    assignee: Option<Uuid>,
    from: Option<Uuid>,
) -> Result<(), HandoverError> {
    let now = app.clock.now();
    app.store.assign_conversation(Assignment { organization, conversation, assignee, from, now }).await?;
    end_answer(app, organization, conversation);
    Ok(())
}

/// Says something to the visitor.
#[boxed]
pub async fn reply(
    app: &App,
    organization: OrganizationId,
    conversation: ConversationId,
    author: Option<Uuid>,
    content: &str,
) -> Result<Message, InboxError> {
    if content.trim().is_empty() || content.len() > REPLY_BYTES {
        let message = format!("1 to {REPLY_BYTES} bytes are expected");
        return Err(InboxError::Invalid(vec![FieldError::new("content", message)]));
    }
    let now = app.clock.now();
    let id = MessageId(app.random.uuid(now));
    let content = content.to_owned();
    let reply = AgentReply { organization, conversation, id, author, content, now };
    Ok(app.store.reply_as_agent(reply).await?)
}

/// Gives a conversation back to the assistant.
#[boxed]
pub async fn give_back(
    app: &App,
    organization: OrganizationId,
    conversation: ConversationId,
) -> Result<(), HandoverError> {
    app.store.return_conversation(organization, conversation, app.clock.now()).await
}

/// Marks a conversation as settled.
#[boxed]
pub async fn close(app: &App, organization: OrganizationId, conversation: ConversationId) -> Result<(), HandoverError> {
    app.store.close_conversation(organization, conversation, app.clock.now()).await
}

/// Ends the answer that this host is writing. The store has cut it off already.
pub(super) fn end_answer(app: &App, organization: OrganizationId, conversation: ConversationId) {
    if let Some(live) = app.turns.live.find(organization, conversation) {
        live.cancel();
    }
}
