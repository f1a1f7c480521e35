//! What a connector asks for, in words that an admin can decide on.

use maud::{Markup, html};
use resly_manifest::{Action, Allowance, ApiKeyPlace, Auth, Grant, Manifest, RequestedLimits, SideEffect};

use crate::parts::rows;

/// Everything that a connector may do once it is installed with this way of authentication.
pub fn permissions(manifest: &Manifest, auth: &Auth) -> Markup {
    let of = |effect: SideEffect| manifest.actions.iter().filter(move |action| action.side_effect == effect);
    let (reads, writes): (Vec<&Action>, Vec<&Action>) =
        (of(SideEffect::Read).collect(), of(SideEffect::Write).collect());
    rows(&[
        ("Connects to", hosts(manifest)),
        ("Your credentials", credentials(manifest, auth)),
        ("Reads", titles(&reads, "Nothing.")),
        ("Changes", changes(&writes)),
        ("Limits of a call", limits(manifest)),
    ])
}

fn hosts(manifest: &Manifest) -> Markup {
    if manifest.hosts.is_empty() {
        return html! { p { "No host: it sends no requests." } };
    }
    let templated = manifest.hosts.iter().any(|host| host.contains("{{"));
    html! {
        ul { @for host in &manifest.hosts { li { code { (host) } } } }
        p class="hint" {
            "It can reach no other host"
            @if manifest.redirects { ", and follows redirects among these" }
            "."
            @if templated { " What is in braces comes from your settings." }
        }
    }
}

fn credentials(manifest: &Manifest, auth: &Auth) -> Markup {
    let how = match auth {
        Auth::None => return html! { p { "None are asked for." } },
        Auth::ApiKey { place: ApiKeyPlace::Header, name, .. } => {
            html! { "An API key, sent in the header " code { (name) } }
        }
        Auth::ApiKey { place: ApiKeyPlace::Query, name, .. } => {
            html! { "An API key, sent in the address as " code { (name) } }
        }
        Auth::Bearer => html! { "A token, sent in the header " code { "Authorization" } },
        Auth::Basic => html! { "A user's name and password, sent in the header " code { "Authorization" } },
        Auth::Oauth2(oauth) if oauth.grant == Grant::ClientCredentials => html! { "The id and secret of an OAuth app" },
        Auth::Oauth2(_) => html! { "An account at the service, which somebody authorizes by OAuth" },
    };
    let to = if manifest.auth_hosts.is_empty() { &manifest.hosts } else { &manifest.auth_hosts };
    html! {
        p { (how) @if !to.is_empty() { ", to " (list(to)) " only" } "." }
        @if let Auth::Oauth2(oauth) = auth {
            @if !oauth.scopes.is_empty() { p { "It asks for the scopes " (list(&oauth.scopes)) "." } }
        }
        p class="hint" { "The connector itself never sees them: the host adds them to its requests, and takes them out of what comes back." }
    }
}

fn list(texts: &[String]) -> Markup {
    html! {
        @for (at, text) in texts.iter().enumerate() {
            @if at > 0 { @if at + 1 == texts.len() { " and " } @else { ", " } }
            code { (text) }
        }
    }
}

fn titles(actions: &[&Action], none: &str) -> Markup {
    html! {
        @if actions.is_empty() { p { (none) } }
        @else { ul { @for action in actions { li { (action.title) } } } }
    }
}

fn changes(writes: &[&Action]) -> Markup {
    html! {
        (titles(writes, "Nothing: it only reads."))
        @if !writes.is_empty() {
            p class="hint" { "In a chat, each of these waits until a person confirms it, unless you allow or forbid them all." }
        }
    }
}

fn limits(manifest: &Manifest) -> Markup {
    let allowed = Allowance::of(manifest);
    let RequestedLimits { fuel, timeout_ms, memory_bytes, http_calls, response_bytes } = manifest.limits;
    let usual = fuel.is_none()
        && timeout_ms.is_none()
        && memory_bytes.is_none()
        && http_calls.is_none()
        && response_bytes.is_none();
    html! {
        p {
            (allowed.deadline.as_secs()) " seconds, " (allowed.http_calls) " requests, "
            (allowed.memory_bytes >> 20) " MiB of memory, " (allowed.fuel / 1_000_000) " million units of fuel"
            @if usual { ": what every connector gets" }
            "."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Manifest {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn an_admin_reads_where_requests_and_credentials_go_and_what_is_changed() {
        let asks = manifest(
            r#"{"id": "crm", "name": "CRM", "version": "1.0.0", "hosts": ["{{ settings.shop }}.example.com", "files.example.com"],
                "auth": {"type": "api_key", "in": "header", "name": "X-Api-Key"}, "auth_hosts": ["files.example.com"],
                "actions": [{"id": "get", "title": "Look up", "description": "Looks up."},
                    {"id": "put", "title": "Cancel <b>all</b>", "description": "Cancels.", "side_effect": "write"}]}"#,
        );
        let drawn = permissions(&asks, &asks.auth).into_string();
        for words in [
            "{{ settings.shop }}.example.com",
            "X-Api-Key",
            "never sees them",
            "Look up",
            "Cancel &lt;b&gt;",
            "a person confirms",
        ] {
            assert!(drawn.contains(words), "{words}: {drawn}");
        }
        assert!(drawn.contains("to <code>files.example.com</code> only"), "{drawn}");
        let nothing = manifest(
            r#"{"id": "calc", "name": "Calc", "version": "1.0.0", "actions": [{"id": "add", "title": "Add", "description": "Adds."}]}"#,
        );
        let drawn = permissions(&nothing, &nothing.auth).into_string();
        for words in ["sends no requests", "None are asked for", "it only reads", "every connector gets"] {
            assert!(drawn.contains(words), "{words}: {drawn}");
        }
    }
}
