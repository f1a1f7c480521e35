//! The dry run beside a definition: what to try, the request that would be sent, and the fixture that would answer it.

use maud::{Markup, html};
use resly_core::connector::{
    outbound::{OutboundRequest, OutboundResponse, StagedRequest},
    trial::UnsentRequest,
};
use resly_service::{
    actions::{DryRun, DryRunOutcome},
    definition::DryRunSpec,
};
use serde_json::{Value, json};

use super::definition::{Outcome, Trial};
use crate::{
    error::sentence,
    fields::Fields,
    parts::{Field, Tone, area, badge, facts},
};

/// The most characters of an answer that are shown.
const SHOWN: usize = 4_000;

/// What is tried, as it was typed.
#[derive(Default)]
pub struct TrialForm {
    action: String,
    settings: String,
    input: String,
}

impl TrialForm {
    pub fn read(fields: &Fields) -> Self {
        let text = |name| fields.raw(name).to_owned();
        Self { action: text("try-action"), settings: text("try-settings"), input: text("try-input") }
    }

    /// What to run, or why that can't be read. Without an action it is the definition's first one.
    pub fn spec(&self) -> Result<DryRunSpec, String> {
        let action = self.action.trim().to_owned();
        Ok(DryRunSpec { settings: object("settings", &self.settings)?, action, input: object("input", &self.input)? })
    }

    /// The panel, with what came of the last run. `path` is where its form goes.
    pub fn draw(&self, path: &str, outcome: Option<&Outcome>, mistake: Option<&str>) -> Markup {
        let code = |name, label, value, placeholder| {
            area(&Field { name, label, value, placeholder: Some(placeholder), ..Field::default() }, 3, true)
        };
        html! {
            section class="panel" {
                h2 { "Try it" }
                p class="hint" { "Shows the request that an action would send. Nothing is sent, stored or counted." }
                (Field { name: "try-action", label: "Action", value: &self.action, placeholder: Some("the first one"), ..Field::default() }.draw())
                (code("try-input", "Input (JSON)", &self.input, r#"{"id": "1"}"#))
                (code("try-settings", "Settings (JSON)", &self.settings, "{}"))
                p class="row" {
                    button class="button" name="do" value="check" formaction={ (path) "#result" } { "Check" }
                    button class="button" name="do" value="try" formaction={ (path) "#result" } { "Dry run" }
                }
                div id="result" role="status" {
                    @if let Some(mistake) = mistake { p class="mistake" { (sentence(mistake)) } }
                    @if let Some(outcome) = outcome { (draw(outcome)) }
                }
            }
        }
    }
}

fn object(what: &str, text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(json!({}));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| format!("the {what} is not JSON: {error}"))?;
    if value.is_object() { Ok(value) } else { Err(format!("the {what} is expected to be an object, such as {{}}")) }
}

fn draw(outcome: &Outcome) -> Markup {
    match outcome {
        Outcome::Sound => html! { p class="notice" { "The definition has no mistakes." } },
        Outcome::Tried(trial) => tried(trial),
        Outcome::NotTried(why, mistakes) => html! {
            p class="mistake" { (sentence(why)) }
            ul { @for (path, message) in mistakes { li { code { (path) } ": " (message) } } }
        },
        Outcome::Added { .. } | Outcome::Mistakes(_) => Markup::default(),
    }
}

fn tried(Trial { run: DryRun { fuel, log, outcome }, answer }: &Trial) -> Markup {
    html! {
        @match outcome {
            DryRunOutcome::Request(UnsentRequest { staged: Ok(staged), .. }) => (leaving(staged)),
            DryRunOutcome::Request(UnsentRequest { asked, staged: Err(failure) }) => {
                p class="mistake" { "It would be refused: " (sentence(&failure.message)) }
                (request(asked))
            },
            DryRunOutcome::Output(output) => {
                p { "The action ended without a request." }
                pre class="code" tabindex="0" { (shown(&output.to_string())) }
            },
        }
        @for line in log { p class="hint" { (line.message) } }
        p class="hint" { (fuel) " fuel" }
        @match answer {
            None => {},
            Some(Ok(answer)) => (fixture(answer)),
            Some(Err(why)) => { h3 { "In the sandbox" } p class="hint" { (sentence(why)) } },
        }
    }
}

fn leaving(staged: &StagedRequest) -> Markup {
    let credential = staged.credential.as_deref().unwrap_or("none goes along");
    let asked = OutboundRequest {
        method: staged.method.clone(),
        url: staged.url.clone(),
        headers: staged.headers.clone(),
        body: staged.body.clone(),
        timeout: None,
    };
    html! {
        (request(&asked))
        (facts(&[("Sent to", html! { code { (staged.to) } }), ("Credential", html! { code { (credential) } })]))
    }
}

fn request(asked: &OutboundRequest) -> Markup {
    let body = asked.body.as_deref().map(String::from_utf8_lossy);
    let lines: Vec<String> = asked.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    html! {
        h3 { "Request" }
        pre class="code" tabindex="0" {
            (asked.method) " " (asked.url) "\n" (lines.join("\n"))
            @if let Some(body) = body { "\n\n" (shown(&body)) }
        }
    }
}

fn fixture(answer: &OutboundResponse) -> Markup {
    let tone = if answer.status < 400 { Tone::Good } else { Tone::Warn };
    html! {
        h3 { "Answer in the sandbox " (badge(tone, &answer.status.to_string())) }
        pre class="code" tabindex="0" { (shown(&String::from_utf8_lossy(&answer.body))) }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
