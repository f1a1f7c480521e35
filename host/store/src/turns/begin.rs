//! Accepting a question: idempotency, conversation, messages, turn and count, in one transaction.

use resly_core::{
    conversation::{ClientMessage, Message, MessageStatus, Role, merge},
    id::{ConversationId, MessageId},
    time::Period,
    turn::store::{AcceptedTurn, BeginTurn, BeginTurnError, ConversationRef, NewTurn},
};

use super::{
    earlier::{self, CountedIn, Earlier, Unanswered},
    refused,
};
use crate::{
    conversations::{self, Held},
    error::{Halt, unexpected},
    messages::{self, Placed},
    sql::{Conn, execute, row},
    types::{Id, Text, Time, without_nul},
    usage,
};

type Outcome<T> = Result<T, Halt<BeginTurnError>>;

/// The count comes last: in PostgreSQL its row is the one that all turns of an organization want, and it is held from
/// there to the commit only.
pub(super) async fn begin(db: &mut Conn<'_>, turn: NewTurn) -> Outcome<BeginTurn> {
    let turn = storable(turn);
    if turn.messages.is_empty() {
        return Err(unexpected("a turn without a message").into());
    }
    let mut again = None;
    if let Some(by) = &turn.idempotency {
        match earlier::find(db, &turn, by).await? {
            Earlier::None => {}
            Earlier::Other => return Err(Halt::Refused(BeginTurnError::KeyReused)),
            Earlier::InFlight => return Err(Halt::Refused(BeginTurnError::InFlight)),
            Earlier::Answered(answer) => {
                let message = messages::any(db, turn.organization, answer).await?;
                let message = message.ok_or_else(|| unexpected("a turn without its answer"))?;
                return Ok(BeginTurn::Replay(message));
            }
            Earlier::Unanswered(earlier) => again = Some(earlier),
        }
    }
    let held = hold(db, &turn, again.as_ref()).await?;
    let history = match &again {
        Some(earlier) => say_again(db, &turn, &held, earlier).await?,
        None => say(db, &turn, &held).await?,
    };
    let (counted, billed) = again.as_ref().map_or((None, false), |earlier| (earlier.counted, earlier.billed));
    let counting = counted
        .unwrap_or(CountedIn { period: Time(Period::containing(turn.now).start), for_key: turn.key_cap.is_some() });
    match &again {
        Some(earlier) => take_over(db, &turn, &held, earlier, counting, billed).await?,
        None => start(db, &turn, &held, counting).await?,
    }
    let remaining = match counted {
        Some(_) => usage::remaining(db, turn.organization, turn.key, turn.key_cap, turn.now).await?,
        None => usage::count_message(db, turn.organization, turn.key, turn.key_cap, turn.now)
            .await
            .map_err(|halt| halt.refused_as(refused))?,
    };
    Ok(BeginTurn::Accepted(AcceptedTurn { conversation: held.id, answer: turn.answer, history, remaining }))
}

/// The turn as the databases can hold it, so that what is compared later is what was stored.
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
    turn
}

/// Finds or makes the conversation and sets positions aside for all that may be new.
async fn hold(db: &mut Conn<'_>, turn: &NewTurn, again: Option<&Unanswered>) -> Outcome<Held> {
    let visitor = match &turn.visitor {
        Some(visitor) => conversations::visitor(db, turn.organization, visitor, turn.now).await?,
        None => None,
    };
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
        None => conversations::hold(db, turn.organization, id, visitor, places, turn.now).await?,
    };
    held.ok_or(Halt::Refused(BeginTurnError::NoConversation))
}

/// Stores what the client's history brings, and the empty answer. The history up to the new question.
async fn say(db: &mut Conn<'_>, turn: &NewTurn, held: &Held) -> Outcome<Vec<Message>> {
    let stored = if held.is_new { Vec::new() } else { messages::live(db, turn.organization, held.id).await? };
    add(db, turn, held, stored).await
}

async fn add(db: &mut Conn<'_>, turn: &NewTurn, held: &Held, stored: Vec<Placed>) -> Outcome<Vec<Message>> {
    let (positions, mut history): (Vec<_>, Vec<_>) =
        stored.into_iter().map(|placed| (placed.position, placed.message)).unzip();
    let merged = merge(&history, &turn.messages);
    if let Some(position) = positions.get(merged.keep) {
        messages::supersede_from(db, turn.organization, held.id, *position, turn.now).await?;
        history.truncate(merged.keep);
    }
    let new: &[ClientMessage] = turn.messages.get(merged.new_from..).unwrap_or_default();
    if turn.message_ids.len() < new.len() {
        return Err(unexpected("fewer message ids than messages").into());
    }
    let new = new.iter().zip(&turn.message_ids).map(|(message, id)| said(turn, held.id, message, *id));
    let mut new = new.collect::<Vec<_>>();
    let question = new.pop();
    let mut position = held.position;
    for message in &new {
        messages::insert(db, turn.organization, message, position).await?;
        position += 1;
    }
    match &question {
        Some(question) => messages::insert_pair(db, turn.organization, question, turn.answer, position).await?,
        // The same question again: only its answer is new.
        None => messages::insert(db, turn.organization, &blank(turn, held.id), position).await?,
    }
    history.extend(new);
    history.extend(question);
    Ok(history)
}

fn said(turn: &NewTurn, conversation: ConversationId, message: &ClientMessage, id: MessageId) -> Message {
    Message {
        id,
        conversation_id: conversation,
        client_id: message.id.clone(),
        role: message.role,
        content: message.text.clone(),
        status: MessageStatus::Complete,
        citations: Vec::new(),
        steps: Vec::new(),
        created_at: turn.now,
    }
}

fn blank(turn: &NewTurn, conversation: ConversationId) -> Message {
    let nothing = ClientMessage { id: None, role: Role::Assistant, text: String::new() };
    Message { status: MessageStatus::Streaming, ..said(turn, conversation, &nothing, turn.answer) }
}

/// The same request again: its messages are stored already, and a new answer takes the old one's place.
async fn say_again(db: &mut Conn<'_>, turn: &NewTurn, held: &Held, earlier: &Unanswered) -> Outcome<Vec<Message>> {
    let replaced = row!(
        db,
        (i64,),
        "UPDATE messages SET superseded_at = COALESCE(superseded_at, $3),
             status = CASE WHEN status = 'streaming' THEN 'interrupted' ELSE status END
         WHERE id = $1 AND organization_id = $2 RETURNING position",
        Id(earlier.answer.0),
        Id(turn.organization.0),
        Time(turn.now)
    )?;
    let place = replaced.map_or(i64::MAX, |(position,)| position);
    let mut stored = messages::live(db, turn.organization, held.id).await?;
    let before = stored.iter().take_while(|placed| placed.position < place).count();
    let asked = before.checked_sub(1).and_then(|last| stored.get(last));
    if asked.is_some_and(|last| last.message.role == Role::User) {
        messages::insert(db, turn.organization, &blank(turn, held.id), place).await?;
        stored.truncate(before);
        return Ok(stored.into_iter().map(|placed| placed.message).collect());
    }
    // The question was replaced in the meantime, so it is asked anew.
    add(db, turn, held, stored).await
}

async fn start(db: &mut Conn<'_>, turn: &NewTurn, held: &Held, counting: CountedIn) -> Outcome<()> {
    let started = execute!(
        db,
        "INSERT INTO turns (id, organization_id, conversation_id, key_id, status, lease_until, idempotency_key,
                            fingerprint, period_start, counted, key_counted, billed, created_at)
         VALUES ($1, $2, $3, $4, 'streaming', $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (key_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING",
        Id(turn.answer.0),
        Id(turn.organization.0),
        Id(held.id.0),
        Id(turn.key.0),
        Time(turn.lease_until),
        turn.idempotency.as_ref().map(|by| Text(&by.key)),
        turn.idempotency.as_ref().map(|by| by.fingerprint.as_slice()),
        counting.period,
        true,
        counting.for_key,
        false,
        Time(turn.now)
    )?;
    if started > 0 {
        return Ok(());
    }
    // Another host took the key between the look and here.
    let other = match &turn.idempotency {
        Some(by) => earlier::find(db, turn, by).await?,
        None => Earlier::None,
    };
    Err(Halt::Refused(match other {
        Earlier::Other => BeginTurnError::KeyReused,
        _ => BeginTurnError::InFlight,
    }))
}

/// Puts this turn in the place of an earlier one that gave no answer. The earlier one's host, should it still be there,
/// finds nothing to finish.
async fn take_over(
    db: &mut Conn<'_>,
    turn: &NewTurn,
    held: &Held,
    earlier: &Unanswered,
    counting: CountedIn,
    billed: bool,
) -> Outcome<()> {
    execute!(
        db,
        "UPDATE turns SET id = $2, conversation_id = $3, status = 'streaming', lease_until = $4, period_start = $5,
             counted = $6, key_counted = $7, billed = $8, created_at = $9
         WHERE id = $1",
        Id(earlier.answer.0),
        Id(turn.answer.0),
        Id(held.id.0),
        Time(turn.lease_until),
        counting.period,
        true,
        counting.for_key,
        billed,
        Time(turn.now)
    )?;
    Ok(())
}
