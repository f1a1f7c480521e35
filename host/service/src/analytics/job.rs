//! Computes outcomes: what is new and what time has changed, by the rules of `resly_core::outcome`.

use std::time::Duration;

use resly_analysis::detect;
use resly_core::{
    boxed,
    error::StoreError,
    id::{MessageId, OrganizationId},
    outcome::{RULES_VERSION, Rating, UnansweredQuestion, judge},
    time::Timestamp,
};
use resly_search::telling_words;
use resly_store::{DueConversation, NewOutcome, NewQuestion, OutcomeWork};

use super::questions;
use crate::App;

/// Conversations of one transaction.
const BATCH: u32 = 50;
/// Between two transactions, so that chats come first.
const PAUSE: Duration = Duration::from_millis(10);
/// After so many, another organization comes first.
const BATCHES: usize = 400;
/// Bytes of the visitor's words that tell a conversation's language.
const SAMPLE: usize = 2000;
/// Characters of a question that are kept.
const QUESTION: usize = 400;
/// A text without a question mark asks something when it has so many telling words: a thank-you asks nothing.
const WORDS: usize = 3;

/// Computes the outcomes that are due, in short transactions with pauses. Any number of hosts may do it at once: each
/// organization is one host's, under a lease. Returns how many were computed.
#[boxed]
pub async fn update(app: &App) -> Result<u64, StoreError> {
    let mut computed = 0;
    for organization in app.store.organizations_with_outcome_work(RULES_VERSION, app.clock.now()).await? {
        let taken = app.store.take_outcome_work(organization, RULES_VERSION, app.clock.now()).await?;
        let Some(work) = taken else { continue };
        let outcome = update_one(app, work.clone()).await;
        app.store.release_outcome_work(&work).await?;
        computed += outcome?;
    }
    Ok(computed)
}

/// Has all outcomes of an organization computed again by the job.
#[boxed]
pub async fn recompute(app: &App, organization: OrganizationId) -> Result<(), StoreError> {
    app.store.recompute_outcomes(organization, app.clock.now()).await
}

/// Stores or takes back what a visitor says of an answer. Returns false when there is no such answer.
#[boxed]
pub async fn rate(
    app: &App,
    organization: OrganizationId,
    answer: MessageId,
    rating: Option<Rating>,
) -> Result<bool, StoreError> {
    app.store.rate_answer(organization, answer, rating, app.clock.now()).await
}

async fn update_one(app: &App, mut work: OutcomeWork) -> Result<u64, StoreError> {
    let mut computed = 0;
    let mut asks = false;
    for _ in 0..BATCHES {
        let now = app.clock.now();
        let batch = app.store.due_outcomes(&work, now, BATCH).await?;
        let outcomes: Vec<NewOutcome> =
            batch.conversations.into_iter().map(|conversation| outcome(conversation, now)).collect();
        let count = outcomes.len() as u64;
        asks |= outcomes.iter().any(|outcome| !outcome.unanswered.is_empty());
        if !app.store.put_outcomes(&work, outcomes, batch.seen, now).await? {
            return Ok(computed);
        }
        computed += count;
        work.seen = batch.seen;
        if !batch.more {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    if asks {
        questions::group(app, work.organization).await?;
    }
    for _ in 0..BATCHES {
        match app.store.count_logged_calls(work, app.clock.now()).await? {
            Some((next, true)) => work = next,
            Some((_, false)) | None => break,
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(computed)
}

/// Applies the rules to one conversation.
fn outcome(conversation: DueConversation, now: Timestamp) -> NewOutcome {
    let judgement = judge(&conversation.facts, now);
    let mut sample = String::new();
    for (_, text) in &conversation.questions {
        sample.push_str(text);
        sample.push('\n');
        if sample.len() > SAMPLE {
            break;
        }
    }
    let unanswered = judgement.unanswered.iter().filter_map(|question| asked(&conversation, *question)).collect();
    let language = detect(&sample).code();
    NewOutcome { conversation, judgement, rules_version: RULES_VERSION, language, unanswered }
}

/// A question to keep. `None` for what asks nothing, such as a greeting.
fn asked(conversation: &DueConversation, question: UnansweredQuestion) -> Option<NewQuestion> {
    let UnansweredQuestion { question: id, answer, asked_at, gap } = question;
    let (_, text) = conversation.questions.iter().find(|(known, _)| *known == id)?;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if !line.contains(['?', '？', '؟']) && telling_words(&line).len() < WORDS {
        return None;
    }
    let text: String = line.chars().take(QUESTION).collect();
    let language = detect(&text).code();
    Some(NewQuestion { id, answer, text, language, gap, asked_at })
}
