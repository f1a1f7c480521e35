//! Questions that the knowledge didn't answer, grouped by what they ask about, and articles that are drafted from them.

use std::{collections::BTreeSet, fmt::Write, time::Duration};

use resly_core::{
    boxed,
    conversation::{Message, handover::cut},
    error::StoreError,
    id::OrganizationId,
    model::Role,
};
use resly_store::{QuestionGroup, StoredQuestion};
use uuid::Uuid;

use super::Span;
use crate::App;

/// The newest questions that are grouped, and for how long a group takes in new ones.
const GROUPED: u32 = 500;
const GROUPED_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
/// Groups that are shown, and questions of each.
const SHOWN: u32 = 50;
const EXAMPLES: u32 = 5;
/// Questions that an article is drafted from, and conversations that are looked into for a person's answer.
const DRAFTED_FROM: u32 = 20;
const LOOKED_INTO: usize = 5;
/// Bytes of a title, and of a person's answer.
const TITLE: usize = 150;
const ANSWER: usize = 4_000;

/// Puts questions that are new into groups. The oldest question of a group stands for it.
pub(super) async fn group(app: &App, organization: OrganizationId) -> Result<(), StoreError> {
    let since = app.clock.now().minus(GROUPED_FOR);
    let mut questions = app.store.unanswered_questions(organization, since, GROUPED).await?;
    questions.reverse();
    let new: Vec<StoredQuestion> = questions.iter().filter(|question| question.group.is_none()).cloned().collect();
    if new.is_empty() {
        return Ok(());
    }
    let mut leaders: Vec<(Uuid, String)> = Vec::new();
    for StoredQuestion { group, text, .. } in questions {
        if let Some(group) = group.filter(|group| leaders.iter().all(|(known, _)| known != group)) {
            leaders.push((group, text));
        }
    }
    let (ids, texts): (Vec<Uuid>, Vec<String>) = leaders.into_iter().unzip();
    let asked: Vec<String> = new.iter().map(|question| question.text.clone()).collect();
    let places = app.library.group_alike(&texts, &asked).await;
    let group = |place: usize| match place.checked_sub(ids.len()) {
        None => ids.get(place).copied(),
        Some(at) => new.get(at).map(|question| question.id.0),
    };
    let groups = new.iter().zip(places).filter_map(|(question, place)| Some((question.id, group(place)?))).collect();
    app.store.group_unanswered(organization, groups).await
}

/// The groups of questions that were asked in a span, those first that were asked most often.
#[boxed]
pub async fn groups(app: &App, organization: OrganizationId, span: Span) -> Result<Vec<QuestionGroup>, StoreError> {
    app.store.question_groups(organization, span.starts_at(), span.ends_at(), SHOWN, EXAMPLES).await
}

/// An article to begin with. Nothing of it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArticleDraft {
    pub title: String,
    /// Markdown.
    pub text: String,
}

/// Drafts an article from a group's questions and from what people answered to them. `None` when there is no such group.
#[boxed]
pub async fn draft(app: &App, organization: OrganizationId, group: Uuid) -> Result<Option<ArticleDraft>, StoreError> {
    let questions = app.store.group_questions(organization, group, DRAFTED_FROM).await?;
    if questions.is_empty() {
        return Ok(None);
    }
    let mut answers = Vec::new();
    let mut looked_into = BTreeSet::new();
    for question in &questions {
        if looked_into.len() == LOOKED_INTO || !looked_into.insert(question.conversation) {
            continue;
        }
        if let Some(record) = app.store.conversation(organization, question.conversation).await? {
            answers.extend(person_s_answer(&record.messages, question));
        }
    }
    answers.dedup();
    Ok(Some(write(&questions, &answers)))
}

/// What a person said next after a question.
fn person_s_answer(messages: &[Message], question: &StoredQuestion) -> Option<String> {
    let at = messages.iter().position(|message| message.id == question.id)?;
    let answer =
        messages[at..].iter().find(|message| message.role == Role::Agent && !message.content.trim().is_empty())?;
    Some(cut(answer.content.trim(), ANSWER))
}

fn write(questions: &[StoredQuestion], answers: &[String]) -> ArticleDraft {
    // The shortest question asks it most plainly.
    let plainest = questions.iter().min_by_key(|question| (question.text.chars().count(), question.id));
    let title = plainest.map(|question| cut(&question.text, TITLE)).unwrap_or_default();
    let mut text = String::new();
    match answers {
        [] => text.push_str("Write the answer here.\n"),
        answers => {
            for answer in answers {
                let _ = writeln!(text, "{answer}\n");
            }
        }
    }
    let mut asked: Vec<&str> = Vec::new();
    for question in questions.iter().map(|question| question.text.as_str()) {
        if question != title && !asked.contains(&question) {
            asked.push(question);
        }
    }
    if !asked.is_empty() {
        text.truncate(text.trim_end().len());
        text.push_str("\n\n## Also asked as\n\n");
        for question in asked {
            let _ = writeln!(text, "- {question}");
        }
    }
    ArticleDraft { title, text }
}

#[cfg(test)]
mod tests {
    use resly_core::{
        id::{ConversationId, MessageId},
        outcome::Gap,
        time::Timestamp,
    };

    use super::*;

    fn question(n: u128, text: &str) -> StoredQuestion {
        StoredQuestion {
            id: MessageId(Uuid::from_u128(n)),
            conversation: ConversationId(Uuid::from_u128(n)),
            text: text.to_owned(),
            language: "en".to_owned(),
            gap: Gap::NoSource,
            group: None,
            asked_at: Timestamp::from_micros(0),
        }
    }

    #[test]
    fn a_draft_has_the_plainest_question_and_what_people_answered() {
        let questions = [question(1, "Could you tell me how I cancel?"), question(2, "How do I cancel?")];
        let draft = write(&questions, &["Under Account.".to_owned()]);
        assert_eq!(draft.title, "How do I cancel?");
        assert_eq!(draft.text, "Under Account.\n\n## Also asked as\n\n- Could you tell me how I cancel?\n");
        assert_eq!(write(&questions[1..], &[]).text, "Write the answer here.\n");
    }
}
