//! `/console/playground`: a member asks as a visitor would, and sees how the answer was made.
//!
//! A form without script waits for the whole answer. With script, the same form is answered by a stream of events.

mod answer;
mod stream;

use std::collections::BTreeSet;

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use http::{HeaderMap, header};
use maud::{Markup, html};
use resly_core::{
    connector::{available::AvailableAction, connection::Environment},
    id::ConnectionId,
    principal::KeyKind,
    turn::OfferedTools,
};
use resly_http::{Api, problem::Problem};
use resly_service::playground::{self, Asked, PlaygroundQuestion};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    access::Agent,
    error::PageError,
    fields::{Fields, Submitted},
    frame::Page,
    member::Member,
    mistakes::Mistakes,
    numbers::counted,
    parts::{Choice, Field, Tone, area, badge, choices, form, icon},
};

const PATH: &str = "/console/playground";
const SERVER: &str = "server";
const SITE: &str = "site";
/// Examples of a connection's sample data that are named.
const SAMPLES: usize = 4;

#[derive(Deserialize)]
pub struct Parameters {
    /// Fills the question.
    #[serde(default)]
    q: String,
}

/// What was asked, to be shown again.
struct AskForm {
    question: String,
    instruction: String,
    kind: KeyKind,
}

impl AskForm {
    fn submitted(fields: &Fields) -> Self {
        let kind = if fields.text("as") == SITE { KeyKind::Publishable } else { KeyKind::Secret };
        Self { question: fields.text("question").to_owned(), instruction: fields.text("instruction").to_owned(), kind }
    }

    fn asked(&self, member: &Member, fields: &Fields) -> PlaygroundQuestion {
        PlaygroundQuestion {
            visitor: format!("console:{}", member.session.person.id),
            question: self.question.clone(),
            instruction: Some(self.instruction.clone()).filter(|text| !text.is_empty()),
            kind: self.kind,
            conversation: fields.filled("conversation").and_then(|id| id.parse().ok()),
            form: format!("console:{}", fields.text("form")),
        }
    }

    /// The fields of the question, of the instruction and of who asks.
    fn draw(&self, member: &Member, once: &str, mistakes: &Mistakes) -> Markup {
        let question = Field {
            name: "question",
            label: "Question",
            value: &self.question,
            error: mistakes.at("question"),
            required: true,
            placeholder: Some("Where is my order?"),
            ..Field::default()
        };
        let instruction = Field {
            name: "instruction",
            label: "Instruction",
            value: &self.instruction,
            error: mistakes.at("instruction"),
            hint: Some("What your server would send as a system message, such as the tone."),
            ..Field::default()
        };
        let chosen = if self.kind == KeyKind::Publishable { SITE } else { SERVER };
        let who = [
            Choice { value: SERVER, label: "Your server", hint: Some("As with a secret key.") },
            Choice {
                value: SITE,
                label: "A page of your site",
                hint: Some("As with a publishable key: only connections that allow it, no instruction."),
            },
        ];
        form(
            &member.form_token,
            PATH,
            &html! {
                input type="hidden" name="form" value=(once) data-once;
                (area(&question, 3, false))
                (area(&instruction, 2, false))
                (choices("Who asks", "as", false, &[chosen], &who))
                p class="form-end" { button class="button primary" { "Ask" } span class="hint" { "Counts as one message." } }
            },
        )
    }
}

pub async fn page(
    Agent(member): Agent,
    State(api): State<Api>,
    Query(asked): Query<Parameters>,
) -> Result<Page, PageError> {
    let form = AskForm { question: asked.q, instruction: String::new(), kind: KeyKind::Secret };
    draw(member, &api, &form, &Mistakes::default(), None).await
}

/// A value that no other form has.
fn once(api: &Api) -> String {
    api.app.random.uuid(api.app.clock.now()).to_string()
}

async fn draw(
    member: Member,
    api: &Api,
    asked: &AskForm,
    mistakes: &Mistakes,
    answer: Option<Markup>,
) -> Result<Page, PageError> {
    let offered = playground::offered(&api.app, member.session.organization, asked.kind).await?;
    let ask = html! {
        section class="panel" data-playground {
            (mistakes.notice(&["question", "instruction"]))
            (asked.draw(&member, &once(api), mistakes))
        }
    };
    let body = html! {
        div id="answer" aria-live="polite" { @if let Some(answer) = &answer { (answer) } }
        @if answer.is_some() { h2 class="apart" { "Ask again" } }
        div class="columns" { (ask) (used(&offered)) }
    };
    let lead = html! { "Ask as a visitor would, and see what the answer was made of." };
    Ok(Page::new(member, "Playground", body).lead(lead))
}

/// The connections that an answer may use, with what is real of them.
fn used(offered: &OfferedTools) -> Markup {
    let mut connections: Vec<(&AvailableAction, u64)> = Vec::new();
    for action in &offered.actions {
        match connections.iter_mut().find(|(first, _)| first.connection == action.connection) {
            Some((_, count)) => *count += 1,
            None => connections.push((action, 1)),
        }
    }
    let real = connections.iter().any(|(action, _)| action.environment == Environment::Production);
    html! {
        section class="panel" {
            h2 { "What answers use" }
            ul class="list" {
                li { a href="/console/knowledge" { "Your knowledge" } ": " span class="quiet" { "passages that fit the question" } }
                @for (action, count) in &connections {
                    li {
                        a href={ "/console/connections/" (action.connection) } { (action.name) } " "
                        (environment(action.environment)) " "
                        span class="quiet" { (counted(*count, "action")) }
                        @if action.environment == Environment::Sandbox { (samples(offered, action.connection)) }
                    }
                }
            }
            @if connections.is_empty() {
                p class="quiet" { "No connection is offered to this kind of key. " a href="/console/connectors" { "See the connectors" } }
            }
            @if real {
                p class="notice warn" { (icon("warn")) "Production connections reach your real systems. What changes something there is confirmed first, unless the connection allows it at once." }
            }
        }
    }
}

/// What may be asked of a connection's sample data: the examples of its actions' inputs.
fn samples(offered: &OfferedTools, connection: ConnectionId) -> Markup {
    let actions = offered.actions.iter().filter(|action| action.connection == connection);
    let examples: BTreeSet<&str> = actions.flat_map(|action| examples(&action.action.input)).collect();
    let texts: Vec<&str> = examples.into_iter().take(SAMPLES).collect();
    html! { @if !texts.is_empty() { p class="hint" { "Its sample data knows, for instance, " (texts.join(", ")) "." } } }
}

/// The first example of each member of an input that is a text.
fn examples(input: &Value) -> impl Iterator<Item = &str> {
    let members = input.get("properties").and_then(Value::as_object);
    members
        .into_iter()
        .flat_map(|members| members.values())
        .filter_map(|member| member.get("examples")?.get(0)?.as_str())
}

pub fn environment(environment: Environment) -> Markup {
    match environment {
        Environment::Sandbox => badge(Tone::Quiet, "sandbox: sample data"),
        Environment::Production => badge(Tone::Warn, "production"),
    }
}

pub async fn ask(
    Agent(member): Agent,
    State(api): State<Api>,
    headers: HeaderMap,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let form = AskForm::submitted(&fields);
    let (organization, kind) = (member.session.organization, form.kind);
    let streams = headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
    let asked = match playground::ask(&api.app, organization, form.asked(&member, &fields)).await {
        Ok(asked) => asked,
        Err(error) => {
            let problem = Problem::from(error);
            let status = problem.kind().status;
            let mistakes = Mistakes::of(problem)?;
            return Ok(draw(member, &api, &form, &mistakes, None).await?.status(status).into_response());
        }
    };
    if streams {
        return Ok(stream::respond(api, member, asked, kind));
    }
    let Asked { mut answer, mut trace, replayed } = asked;
    while let Some(event) = answer.events.next().await {
        trace.observe(&event);
    }
    let report = playground::report(&api.app, organization, kind, trace).await.map_err(Problem::from)?;
    let shown = answer::draw(&member, &report, kind, &once(&api), replayed);
    Ok(draw(member, &api, &form, &Mistakes::default(), Some(shown)).await?.into_response())
}
