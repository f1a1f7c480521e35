//! The answerer that needs nothing: no network, no weights, no key.
//!
//! It is not a language model and says so. It quotes the best sentences of the passages that retrieval found, with their
//! citations ([`quote`]); it calls a connector's action when a workflow rule or the action's own words and schema match
//! the question ([`action`], [`input`]), and shows what came back ([`render`]). It never guesses: an action that changes
//! something is called only when a workflow rule asks for it, an input that is missing is asked for, and a question that
//! nothing fits is answered with what it can do. The same request always gets the same answer.

mod action;
mod dialogue;
mod input;
mod quote;
mod render;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use resly_core::model::{
    FinishReason, Model, ModelError, ModelEvent, ModelMessage, ModelRequest, ModelStream, ProviderData, Role, ToolCall,
};
use serde_json::json;

use self::dialogue::{ASK, Dialogue, YesNoReply};
use crate::words::stems;

const WHO: &str = "I'm this site's built-in assistant: I quote the company's own documents and look things up in its \
connected services. I'm not a language model, so plain questions work best.";
const NOTHING: &str = "I found nothing about that in the company's documents.";
/// Actions that are named when it tells what it can do.
const NAMED: usize = 6;

/// The built-in answerer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Builtin;

impl Builtin {
    pub fn new() -> Self {
        Self
    }
}

/// What it does about a request.
#[derive(Debug, PartialEq)]
enum Reply {
    Say(String),
    Call(ToolCall),
}

#[async_trait]
impl Model for Builtin {
    fn name(&self) -> &str {
        "builtin"
    }

    /// It has no tokens.
    fn is_language_model(&self) -> bool {
        false
    }

    async fn stream(&self, request: Arc<ModelRequest>) -> Result<ModelStream, ModelError> {
        let (mut events, reason): (Vec<_>, _) = match reply(&request) {
            Reply::Say(text) => {
                let cites = ModelEvent::Cites(cited(&text));
                (std::iter::once(cites).chain(deltas(&text)).collect(), FinishReason::Stop)
            }
            Reply::Call(call) => (vec![ModelEvent::ToolCall(call)], FinishReason::ToolCalls),
        };
        events.push(ModelEvent::Finish(reason));
        Ok(stream::iter(events.into_iter().map(Ok)).boxed())
    }
}

/// A text as a stream gives it: word by word.
fn deltas(text: &str) -> impl Iterator<Item = ModelEvent> {
    text.split_inclusive(char::is_whitespace).map(|word| ModelEvent::Text(word.to_owned()))
}

/// The numbers that a text of ours cites, as in `[1]`.
fn cited(text: &str) -> Vec<u32> {
    let numbers = text.split('[').skip(1);
    numbers.filter_map(|rest| rest.split_once(']')?.0.parse().ok()).collect()
}

fn reply(request: &ModelRequest) -> Reply {
    if matches!(request.messages.last(), Some(ModelMessage::ToolResult { .. })) {
        return Reply::Say(render::results(request));
    }
    let dialogue = Dialogue::of(&request.messages);
    match dialogue.bare_reply() {
        Some(YesNoReply::AskAgain(asked)) => return Reply::Say(asked.to_owned()),
        Some(YesNoReply::Yes) => return Reply::Say(format!("What would you like to know? {}", abilities(request))),
        Some(YesNoReply::No) => return Reply::Say("All right. Ask me whenever you need something.".to_owned()),
        None => {}
    }
    let question = dialogue.last;
    if wants_human(question) && request.tools.iter().any(|tool| tool.name == "create_ticket") {
        return Reply::Call(ticket(request, question));
    }
    let quoted = quote::answer(question, &request.passages);
    let mut choice = action::choose(question, &request.tools, quoted.is_some());
    if !choice.is_call()
        && (quoted.is_none() || dialogue.is_input_only())
        && let Some(open) = dialogue.open_question()
    {
        let with_input = action::choose(&open.with_last, &request.tools, false);
        let asked_now = open.is_newest && quoted.is_none() && choice == action::ActionChoice::None;
        if with_input.is_call() || asked_now {
            choice = with_input;
        }
    }
    match choice {
        action::ActionChoice::Call { connection, action, input } => {
            let arguments = json!({"connection": connection, "action": action, "input": input});
            Reply::Call(call(request, "call_connector", arguments.to_string()))
        }
        action::ActionChoice::Ask(needs) => Reply::Say(format!("{ASK}{needs}.")),
        action::ActionChoice::None => Reply::Say(quoted.unwrap_or_else(|| without_an_answer(request, question))),
    }
}

fn call(request: &ModelRequest, name: &str, arguments: String) -> ToolCall {
    let before = request.messages.iter().filter(|message| matches!(message, ModelMessage::ToolCalls { .. })).count();
    ToolCall { id: format!("builtin_{}", before + 1), name: name.to_owned(), arguments, data: ProviderData::default() }
}

/// Whether the customer asks for a human being or a ticket.
fn wants_human(question: &str) -> bool {
    let words: Vec<String> = crate::words::words(question).map(|word| word.stem).collect();
    let has = |any: &[&str]| words.iter().any(|word| any.contains(&word.as_str()));
    let asks = has(&["talk", "speak", "contact", "connect", "chat", "reach", "need", "want", "get"]);
    let opens = has(&["open", "creat", "rais", "file", "submit"]);
    // "How do I contact an agent?" is for the documents to answer first.
    let how = words.first().is_some_and(|word| matches!(word.as_str(), "how" | "what" | "where" | "can't"));
    !how && ((asks && has(&["human", "person", "agent", "repres", "somebodi", "someon", "staff"]))
        || (opens && has(&["ticket", "complaint"])))
}

fn ticket(request: &ModelRequest, question: &str) -> ToolCall {
    let said = request.messages.iter().filter_map(|message| match message {
        ModelMessage::Text { role: Role::User, text } => Some(text.trim()),
        _ => None,
    });
    let mut body = said.collect::<Vec<_>>().join("\n\n");
    // The tool takes 10,000 characters; the newest say most.
    let over = body.len().saturating_sub(9000);
    if over > 0 {
        body.replace_range(..body.ceil_char_boundary(over), "(what was said before is cut) …");
    }
    let mut subject = question.split_whitespace().collect::<Vec<_>>().join(" ");
    if subject.len() > 160 {
        subject.truncate(subject.floor_char_boundary(160));
        subject.push('…');
    }
    call(request, "create_ticket", json!({"subject": subject, "body": body}).to_string())
}

/// What is said when nothing fits: who this is, and what it can do.
fn without_an_answer(request: &ModelRequest, question: &str) -> String {
    let greeting = ["hello", "hi", "hey", "thank", "good", "morn", "afternoon", "even", "day", "bye"];
    let about = ["bot", "robot", "ai", "human", "assist", "help", "who", "name"];
    let words: Vec<String> = stems(question).collect();
    let only = |known: &[&str]| words.iter().all(|word| known.contains(&word.as_str()));
    let mut text = if only(&greeting) {
        format!("Hello! {WHO}")
    } else if only(&about) {
        WHO.to_owned()
    } else {
        format!("{NOTHING} {WHO}")
    };
    text.push_str("\n\n");
    text.push_str(&abilities(request));
    text
}

/// What the customer can ask for.
fn abilities(request: &ModelRequest) -> String {
    let mut text = "What I can do:\n- answer from the company's documents, with citations".to_owned();
    let actions: Vec<&str> = request
        .tools
        .iter()
        .flat_map(|tool| &tool.actions)
        .filter(|action| !action.writes)
        .map(|action| action.title.as_str())
        .take(NAMED)
        .collect();
    for title in actions {
        text.push_str("\n- ");
        text.push_str(title);
    }
    if request.tools.iter().any(|tool| tool.name == "create_ticket") {
        text.push_str("\n- open a ticket for a person: say \"I want to talk to a person\"");
    }
    text
}
