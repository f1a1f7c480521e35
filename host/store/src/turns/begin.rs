//! Accepts a question in one transaction: the idempotency key, the conversation, the messages, the turn and the count.

use resly_core::{
    conversation::{
        ClientMessage, Merge, Message, MessageStatus, handover::ConversationState, merge, notice::DetectLanguage,
    },
    id::{ConversationId, MessageId},
    meter::Remaining,
    model::{FinishReason, Role, TokenUsage},
    time::Period,
    turn::store::{AcceptedTurn, BeginTurn, BeginTurnError, ConversationRef, FinishedTurn, NEW_MESSAGES_MOST, NewTurn},
};

use super::{
    finish::finish,
    idempotency::{self, CountedPeriod, IdempotencyMatch, UnansweredTurn},
    open::{TurnPlace, open},
    refused,
    rows::{blank, stored_message},
};
use crate::{
    conversations::{self, LockedConversation},
    error::{OperationError, unexpected},
    handover,
    messages::{self, PositionedMessage},
    sql::{Conn, execute, row},
    types::{Id, Time, without_nul},
    usage::{self, Caps},
};

type Outcome<T> = Result<T, OperationError<BeginTurnError>>;

pub(super) async fn begin(db: &mut Conn<'_>, turn: NewTurn, detect: DetectLanguage) -> Outcome<BeginTurn> {
    let turn = storable(turn);
    if turn.messages.is_empty() && turn.continues.is_none() {
        return Err(unexpected("a turn without a message").into());
    }
    let mut again = None;
    if let Some(by) = &turn.idempotency {
        match idempotency::find(db, &turn, by).await? {
            IdempotencyMatch::None => {}
            IdempotencyMatch::Other => return Err(OperationError::Refused(BeginTurnError::KeyReused)),
            IdempotencyMatch::InFlight { answer, lease_left } => {
                return Err(OperationError::Refused(BeginTurnError::InFlight { answer: Some(answer), lease_left }));
            }
            IdempotencyMatch::Answered(answer) => {
                let message = messages::find(db, turn.organization, answer).await?;
                let message = message.ok_or_else(|| unexpected("a turn without its answer"))?;
                return Ok(BeginTurn::Replay(message));
            }
            IdempotencyMatch::UnansweredTurn(earlier) => again = Some(earlier),
        }
    }
    let Begun { history, conversation, state, remaining } = match &again {
        Some(earlier) => run_again(db, &turn, earlier).await?,
        None => run(db, &turn).await?,
    };
    if state.is_handed_over() {
        let text = handover::notice_for(db, turn.organization, conversation, state, detect).await?;
        let notice = hand_to_person(db, &turn, text).await?;
        return Ok(BeginTurn::HandedOver { notice, state, remaining });
    }
    Ok(BeginTurn::Accepted(AcceptedTurn { conversation, answer: turn.answer, history, remaining }))
}

struct Begun {
    history: Vec<Message>,
    conversation: ConversationId,
    /// Who answers.
    state: ConversationState,
    remaining: Option<Remaining>,
}

/// Ends a turn whose conversation a person has. The answer says who answers.
async fn hand_to_person(db: &mut Conn<'_>, turn: &NewTurn, text: &str) -> Outcome<Message> {
    let notice = FinishedTurn {
        host: turn.host,
        organization: turn.organization,
        answer: turn.answer,
        content: text.to_owned(),
        status: MessageStatus::HandedOver,
        finish: Some(FinishReason::Stop),
        citations: Vec::new(),
        steps: Vec::new(),
        usage: TokenUsage::default(),
        refund: false,
        now: turn.now,
    };
    finish(db, &notice).await?;
    let stored = messages::find(db, turn.organization, turn.answer).await?;
    Ok(stored.ok_or_else(|| unexpected("a turn without its answer"))?)
}

async fn run(db: &mut Conn<'_>, turn: &NewTurn) -> Outcome<Begun> {
    if let Some(answer) = turn.continues {
        return continue_answer(db, turn, answer).await;
    }
    if turn.conversation == ConversationRef::New && turn.messages.len() == 1 {
        // Most turns open a conversation, so nothing has to be read first.
        let visitor = visitor(db, turn).await?;
        let history = stored_messages(turn, turn.new_conversation, &turn.messages)?;
        let conversation = TurnPlace::New { id: turn.new_conversation, visitor };
        let remaining = open(db, turn, conversation, history.last()).await?;
        let (conversation, state) = (turn.new_conversation, ConversationState::Ai);
        return Ok(Begun { history, conversation, state, remaining });
    }
    let held = lock(db, turn, None).await?;
    let stored = if held.is_new { Vec::new() } else { messages::live(db, turn.organization, held.id).await? };
    let said = store_history(db, turn, &held, stored).await?;
    let place = TurnPlace::LockedConversation { id: held.id, position: said.position, answers_as: None };
    let remaining = open(db, turn, place, said.question.as_ref()).await?;
    let history = said.history.into_iter().chain(said.question).collect();
    Ok(Begun { history, conversation: held.id, state: held.state, remaining })
}

/// Continues an answer that wasn't superseded. Messages after it are superseded.
async fn continue_answer(db: &mut Conn<'_>, turn: &NewTurn, answer: MessageId) -> Outcome<Begun> {
    let held = lock(db, turn, None).await?;
    let mut stored = messages::live(db, turn.organization, held.id).await?;
    let at = stored.iter().position(|placed| placed.message.id == answer);
    let at = at.ok_or(OperationError::Refused(BeginTurnError::NoApproval))?;
    if let Some(next) = stored.get(at + 1).filter(|_| !held.state.is_handed_over()) {
        messages::supersede_from(db, turn.organization, held.id, next.position, turn.now).await?;
        stored.truncate(at + 1);
    }
    let history: Vec<_> = stored.into_iter().map(|placed| placed.message).collect();
    let place = TurnPlace::LockedConversation {
        id: held.id,
        position: held.position,
        answers_as: history.last().map(Message::client_name),
    };
    let remaining = open(db, turn, place, None).await?;
    Ok(Begun { history, conversation: held.id, state: held.state, remaining })
}

async fn run_again(db: &mut Conn<'_>, turn: &NewTurn, earlier: &UnansweredTurn) -> Outcome<Begun> {
    if let Some(spent) = usage::spent_tokens(db, turn.organization, turn.now).await? {
        return Err(OperationError::Refused(BeginTurnError::Limit(spent)));
    }
    let held = lock(db, turn, Some(earlier)).await?;
    let history = replace_answer(db, turn, &held, earlier).await?;
    let caps = Caps::of(turn);
    let now = CountedPeriod {
        period: Time(Period::containing(turn.now).start),
        for_key: caps.key_cap.is_some(),
        for_visitor: caps.visitor.is_some(),
    };
    take_over(db, turn, &held, earlier, earlier.counted.unwrap_or(now)).await?;
    let remaining = match earlier.counted {
        Some(_) => usage::remaining(db, turn.organization, caps, turn.now).await?,
        None => usage::count_message(db, turn.organization, caps, turn.now)
            .await
            .map_err(|halt| halt.refused_as(refused))?,
    };
    Ok(Begun { history, conversation: held.id, state: held.state, remaining })
}

/// The turn with texts that both databases can hold, so that later comparisons see what was stored.
fn storable(mut turn: NewTurn) -> NewTurn {
    let clean = |text: &mut String| {
        if text.contains('\0') {
            *text = without_nul(text).into_owned();
        }
    };
    turn.messages.iter_mut().for_each(|message| {
        clean(&mut message.text);
        if let Some(id) = &mut message.id {
            clean(id);
        }
    });
    if let Some(by) = &mut turn.idempotency {
        clean(&mut by.key);
    }
    if let Some(visitor) = &mut turn.visitor {
        clean(visitor);
    }
    turn
}

/// Finds or creates the conversation and takes positions for all messages that may be new.
async fn lock(db: &mut Conn<'_>, turn: &NewTurn, again: Option<&UnansweredTurn>) -> Outcome<LockedConversation> {
    let visitor = visitor(db, turn).await?;
    let places = i64::try_from(turn.messages.len()).unwrap_or(i64::MAX - 1) + 1;
    let existing = |id| (id, None);
    let (id, name) = match (again, &turn.conversation) {
        (Some(earlier), _) => existing(earlier.conversation),
        (None, ConversationRef::Id(id)) => existing(*id),
        (None, ConversationRef::Named(name)) => (turn.new_conversation, Some(Some(name.as_str()))),
        (None, ConversationRef::New) => (turn.new_conversation, Some(None)),
    };
    let held = match name {
        Some(name) => conversations::make(db, turn.organization, id, turn.key, name, visitor, places, turn.now).await?,
        None => conversations::lock(db, turn.organization, id, visitor, places, turn.now).await?,
    };
    let held = held.ok_or(OperationError::Refused(BeginTurnError::NoConversation))?;
    if again.is_some() {
        // Its messages are where they were.
        return Ok(held);
    }
    Ok(conversations::follow(db, turn.organization, held, visitor, places, turn.now).await?)
}

async fn visitor(db: &mut Conn<'_>, turn: &NewTurn) -> Outcome<Option<Id>> {
    let Some(visitor) = &turn.visitor else { return Ok(None) };
    Ok(conversations::visitor(db, turn.organization, visitor, turn.now).await?)
}

/// A client's history after its messages were stored.
struct StoredHistory {
    /// The stored messages that aren't superseded.
    history: Vec<Message>,
    /// The last new message. It is stored later, together with its answer.
    question: Option<Message>,
    position: i64,
}

/// Supersedes the messages that the client's history replaces, and stores its new ones, except for the question.
async fn store_history(
    db: &mut Conn<'_>,
    turn: &NewTurn,
    held: &LockedConversation,
    stored: Vec<PositionedMessage>,
) -> Outcome<StoredHistory> {
    let (positions, mut history): (Vec<_>, Vec<_>) =
        stored.into_iter().map(|placed| (placed.position, placed.message)).unzip();
    let merged = if held.is_merged {
        // The client knows the conversation that was merged into this one, so its history is that one's.
        Merge { keep: history.len(), new_from: turn.messages.len().saturating_sub(1) }
    } else {
        merge(&history, &turn.messages)
    };
    if let Some(position) = positions.get(merged.keep) {
        messages::supersede_from(db, turn.organization, held.id, *position, turn.now).await?;
        history.truncate(merged.keep);
    }
    let new = turn.messages.get(merged.new_from..).unwrap_or_default();
    if new.len() > NEW_MESSAGES_MOST {
        return Err(OperationError::Refused(BeginTurnError::TooManyNew { new: new.len() }));
    }
    let mut new = stored_messages(turn, held.id, new)?;
    let question = new.pop();
    let mut position = held.position;
    for message in &new {
        messages::insert(db, turn.organization, message, position).await?;
        position += 1;
    }
    history.extend(new);
    Ok(StoredHistory { history, question, position })
}

fn stored_messages(turn: &NewTurn, conversation: ConversationId, new: &[ClientMessage]) -> Outcome<Vec<Message>> {
    if turn.message_ids.len() < new.len() {
        return Err(unexpected("fewer message ids than messages").into());
    }
    Ok(new
        .iter()
        .zip(&turn.message_ids)
        .map(|(message, id)| stored_message(turn, conversation, message, *id))
        .collect())
}

/// Repeats a request. Its messages are stored already, and a new answer replaces the old one.
async fn replace_answer(
    db: &mut Conn<'_>,
    turn: &NewTurn,
    held: &LockedConversation,
    earlier: &UnansweredTurn,
) -> Outcome<Vec<Message>> {
    let replaced = row!(
        db,
        (i64,),
        "UPDATE messages SET superseded_at = COALESCE(superseded_at, $3), updated_at = $3,
             status = CASE WHEN status = 'streaming' THEN 'interrupted' ELSE status END
         WHERE id = $1 AND organization_id = $2 RETURNING position",
        Id(earlier.answer.0),
        Id(turn.organization.0),
        Time(turn.now)
    )?;
    let place = replaced.map_or(i64::MAX, |(position,)| position);
    let mut stored = messages::live(db, turn.organization, held.id).await?;
    let before = stored.iter().take_while(|placed| placed.position < place).count();
    let asked = before.checked_sub(1).and_then(|last| stored.get(last)).map(|placed| &placed.message);
    let continues = asked.filter(|last| turn.continues == Some(last.id)).map(Message::client_name);
    if continues.is_some() || asked.is_some_and(|last| last.role == Role::User) {
        let blank = Message { client_id: continues, ..blank(turn, held.id) };
        messages::insert(db, turn.organization, &blank, place).await?;
        stored.truncate(before);
        return Ok(stored.into_iter().map(|placed| placed.message).collect());
    }
    if turn.continues.is_some() {
        return Err(OperationError::Refused(BeginTurnError::NoApproval));
    }
    // The question was superseded meanwhile, so it is stored again.
    let said = store_history(db, turn, held, stored).await?;
    let mut position = said.position;
    if let Some(question) = &said.question {
        messages::insert(db, turn.organization, question, position).await?;
        position += 1;
    }
    messages::insert(db, turn.organization, &blank(turn, held.id), position).await?;
    Ok(said.history.into_iter().chain(said.question).collect())
}

/// Replaces an earlier turn that gave no answer. If the earlier turn's host is still running, it finds no turn to finish.
async fn take_over(
    db: &mut Conn<'_>,
    turn: &NewTurn,
    held: &LockedConversation,
    earlier: &UnansweredTurn,
    counting: CountedPeriod,
) -> Outcome<()> {
    execute!(
        db,
        "UPDATE turns SET id = $2, conversation_id = $3, status = 'streaming', lease_until = $4, period_start = $5,
             counted = $6, key_counted = $7, billed = $8, created_at = $9, cancel_requested = $10,
             visitor_counted = $11, host_id = $12
         WHERE id = $1",
        Id(earlier.answer.0),
        Id(turn.answer.0),
        Id(held.id.0),
        Time(turn.lease_until),
        counting.period,
        true,
        counting.for_key,
        earlier.billed,
        Time(turn.now),
        false,
        counting.for_visitor,
        Id(turn.host.0)
    )?;
    Ok(())
}
