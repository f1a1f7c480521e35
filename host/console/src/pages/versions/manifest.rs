//! What a connector asks for, in words.

use maud::{Markup, html};
use resly_manifest::{Action, ApiKeyPlace, Auth, Manifest, RequestedLimits, SideEffect};

use crate::parts::{Table, Tone, badge, facts};

pub fn draw(manifest: &Manifest) -> Markup {
    html! {
        section class="panel" { h2 { "What it asks for" } (facts(&asked(manifest))) }
        section class="panel" { h2 { "What it can do" } (actions(&manifest.actions)) }
    }
}

fn asked(manifest: &Manifest) -> Vec<(&'static str, Markup)> {
    let credentials: Vec<String> = manifest.auths().map(credential).collect();
    let to = if manifest.auth_hosts.is_empty() { &manifest.hosts } else { &manifest.auth_hosts };
    let needs_one = manifest.auths().any(|auth| *auth != Auth::None);
    vec![
        ("It may call", list(&manifest.hosts, "nothing")),
        ("Credential", html! { (credentials.join(", or ")) }),
        (
            "Which goes to",
            if needs_one {
                list(to, "nobody")
            } else {
                html! { "nobody" }
            },
        ),
        ("Redirects", html! { @if manifest.redirects { "followed within its hosts" } @else { "not followed" } }),
        ("Settings", list(&settings(manifest), "none")),
        ("Limits", list(&limits(manifest.limits), "the host's own")),
        ("Sandbox", html! { (manifest.fixtures.len()) " recorded answers" }),
        ("Tested by", html! { @match &manifest.test { Some(test) => code { (test.action) }, None => "no action" } }),
    ]
}

fn list(items: &[String], none: &str) -> Markup {
    html! {
        @if items.is_empty() { (none) }
        @else { ul class="plain" { @for item in items { li { code { (item) } } } } }
    }
}

fn credential(auth: &Auth) -> String {
    match auth {
        Auth::None => "none".to_owned(),
        Auth::ApiKey { place: ApiKeyPlace::Header, name, .. } => format!("an API key in the header {name}"),
        Auth::ApiKey { place: ApiKeyPlace::Query, name, .. } => format!("an API key in the query parameter {name}"),
        Auth::Bearer => "a bearer token".to_owned(),
        Auth::Basic => "user and password".to_owned(),
        Auth::Oauth2(oauth) if oauth.scopes.is_empty() => "OAuth 2.0 without scopes".to_owned(),
        Auth::Oauth2(oauth) => format!("OAuth 2.0 with {}", oauth.scopes.join(", ")),
    }
}

fn settings(manifest: &Manifest) -> Vec<String> {
    let properties = manifest.settings.get("properties").and_then(serde_json::Value::as_object);
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

fn limits(limits: RequestedLimits) -> Vec<String> {
    let RequestedLimits { fuel, timeout_ms, memory_bytes, http_calls, response_bytes } = limits;
    let all = [
        fuel.map(|fuel| format!("{fuel} fuel")),
        timeout_ms.map(|ms| format!("{ms} ms")),
        memory_bytes.map(|bytes| format!("{} MiB of memory", bytes >> 20)),
        http_calls.map(|calls| format!("{calls} requests")),
        response_bytes.map(|bytes| format!("{} KiB of answers", bytes >> 10)),
    ];
    all.into_iter().flatten().collect()
}

fn actions(actions: &[Action]) -> Markup {
    let mut table = Table::new("Actions", &["Action", "Effect", "What it does"]);
    for action in actions {
        let effect = match action.side_effect {
            SideEffect::Read => badge(Tone::Quiet, "reads"),
            SideEffect::Write => badge(Tone::Warn, "writes"),
        };
        table.row(vec![
            html! { div { (action.title) p class="hint" { code { (action.id) } } } },
            effect,
            html! { (action.description) },
        ]);
    }
    table.draw()
}
