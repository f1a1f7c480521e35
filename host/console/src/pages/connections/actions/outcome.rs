//! What came of an action: its output, or why it failed, what it cost and what it logged.

use maud::{Markup, html};
use resly_core::connector::{
    connection::Environment,
    fault::Fault,
    outbound::StagedRequest,
    sandbox::{Cost, LogLevel, LogLine},
    trial::UnsentRequest,
};
use resly_service::actions::ManualCallReport;
use serde_json::Value;

use crate::{
    error::sentence,
    numbers::thousands,
    pages::connections::words,
    parts::{Tone, badge, facts, icon, rows, snippet},
};

/// The most bytes of a text on the page. The whole output is the API's.
const SHOWN: usize = 64 << 10;

/// A call that was made.
pub fn call(ManualCallReport { report, environment }: &ManualCallReport) -> Markup {
    match &report.result {
        Ok(output) => html! {
            p { (badge(Tone::Good, "it worked")) @if *environment == Environment::Sandbox { " " (badge(Tone::Quiet, "sample data")) } }
            (json(output))
            (cost(&report.cost))
            (log(&report.log))
        },
        Err(fault) => failure(fault, &report.cost, &report.log),
    }
}

pub fn failure(fault: &Fault, spent: &Cost, lines: &[LogLine]) -> Markup {
    let (what, next) = words::fault(fault);
    html! {
        div class="notice bad" role="alert" { (icon("warn")) div { p { strong { (what) } } p { (next) } } }
        p class="hint" { "Reported as " code { (fault.kind.name()) } "." @if fault.retryable { " The same call may work in a moment." } }
        (cost(spent))
        (log(lines))
    }
}

/// A request that was shown instead of sent.
pub fn request(UnsentRequest { asked, staged }: &UnsentRequest, fuel: u64, lines: &[LogLine]) -> Markup {
    let (method, url, headers, body) = match staged {
        Ok(StagedRequest { method, url, headers, body, .. }) => (method, url, headers, body),
        Err(_) => (&asked.method, &asked.url, &asked.headers, &asked.body),
    };
    let body = body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned());
    html! {
        @match staged {
            Ok(StagedRequest { to, credential, .. }) => {
                p { (badge(Tone::Quiet, "nothing was sent")) " It would go to " code { (to) } "." }
                p class="hint" {
                    @match credential {
                        Some(place) => { "With the credential in: " (place) "." }
                        None => { "Without a credential." }
                    }
                }
            }
            Err(failure) => {
                div class="notice bad" role="alert" { (icon("warn")) span { "It would be refused: " (sentence(&failure.message)) } }
            }
        }
        (rows(&[
            ("Request", html! { code { (method) " " (url) } }),
            ("Headers", html! { @if headers.is_empty() { "none" } ul { @for (name, value) in headers { li { code { (name) ": " (value) } } } } }),
        ]))
        @if let Some(body) = body { (snippet("The request's body", &cut(&pretty(&body)))) }
        p class="hint" { "Only the first request can be shown: what follows depends on its answer." }
        (fuel_only(fuel))
        (log(lines))
    }
}

pub fn output_without_request(output: &Value, fuel: u64, lines: &[LogLine]) -> Markup {
    html! {
        p { (badge(Tone::Quiet, "no request")) " It ended without sending anything." }
        (json(output))
        (fuel_only(fuel))
        (log(lines))
    }
}

/// A value as JSON to read and to copy.
pub fn json(value: &Value) -> Markup {
    snippet("The output", &cut(&serde_json::to_string_pretty(value).unwrap_or_default()))
}

/// JSON with line breaks; any other text as it is.
fn pretty(text: &str) -> String {
    let read: Option<Value> = serde_json::from_str(text).ok();
    read.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| text.to_owned())
}

fn cut(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(SHOWN);
    format!("{}\n… and {} bytes more", text.get(..end).unwrap_or_default(), text.len() - end)
}

fn cost(cost: &Cost) -> Markup {
    facts(&[
        ("Time", html! { (format!("{:.1} ms", cost.duration_ms())) }),
        ("Requests", html! { (cost.http_calls) }),
        ("Fuel", html! { (thousands(cost.fuel)) }),
        ("Read", html! { (thousands(cost.response_bytes)) " bytes" }),
    ])
}

fn fuel_only(fuel: u64) -> Markup {
    facts(&[("Fuel", html! { (thousands(fuel)) })])
}

fn log(lines: &[LogLine]) -> Markup {
    let tone = |level: LogLevel| match level {
        LogLevel::Debug | LogLevel::Info => Tone::Quiet,
        LogLevel::Warn => Tone::Warn,
        LogLevel::Error => Tone::Bad,
    };
    let name = |level: LogLevel| match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warning",
        LogLevel::Error => "error",
    };
    html! {
        @if !lines.is_empty() {
            h3 { "What it logged" }
            ul class="log" { @for line in lines { li { (badge(tone(line.level), name(line.level))) " " (line.message) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let cut = cut(&"ä".repeat(SHOWN));
        assert!(cut.ends_with("bytes more") && cut.len() < SHOWN + 100);
    }
}
