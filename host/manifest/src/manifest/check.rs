//! Validates a whole manifest: reports every mistake at its path.
//!
//! It reports what an author or admin can correct in the manifest alone. What depends on a connection's settings (the
//! host that a template becomes, or whether an address may be dialled) is checked by egress.

mod auth;
mod declarative;
pub(super) mod hosts;
mod names;
mod object;
mod separators;
mod template;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use self::names::{is_action_id, is_connector_id, is_printable, plain_text};
pub(crate) use self::{
    hosts::{HostPattern, endpoint},
    names::{is_host_header, is_member, is_token, is_version},
};
use super::{Action, Fixture, Manifest, RequestedLimits, Retry, SideEffect};
use crate::{
    allowance::Allowance,
    json_schema::{self, check_schema},
    violation::{Violation, Violations, step},
};

/// Path segments under `/api/admin/connectors` that are no connector's id.
const RESERVED: [&str; 3] = ["check", "dry-run", "import"];
const MOST_HOSTS: usize = 64;
const MOST_RETRIES: u32 = 5;
const MOST_PATTERNS: usize = 1_000;
const MOST_ACTIONS: usize = 256;
const MOST_FIXTURES: usize = 1_000;
/// A day. Data that changes less often belongs in a knowledge source.
const LONGEST_CACHE_S: u32 = 24 * 3_600;
const NAME: usize = 100;
const DESCRIPTION: usize = 4_000;

/// All mistakes of a manifest. Empty when it is valid.
pub fn check(manifest: &Manifest) -> Vec<Violation> {
    let mut violations = Violations::default();
    if let Some(violation) = too_costly(manifest) {
        return vec![violation];
    }
    head(manifest, &mut violations);
    let hosts = granted(manifest, &mut violations);
    auth::check(manifest, &mut violations);
    object_schema("/settings", &manifest.settings, &mut violations);
    actions(manifest, &hosts, &mut violations);
    test(manifest, &mut violations);
    for (at, fixture) in manifest.fixtures.iter().enumerate() {
        fixture_at(&format!("/fixtures/{at}"), fixture, &mut violations);
    }
    if let Some(rule) = &manifest.retry {
        retry(rule, &mut violations);
    }
    limits(manifest.limits, &mut violations);
    violations.into_list()
}

/// Whether a manifest is too large to be checked in detail; then the mistake says so.
fn too_costly(manifest: &Manifest) -> Option<Violation> {
    let outputs = manifest.actions.iter().filter_map(|action| action.output.as_ref());
    let inputs = manifest.actions.iter().map(|action| &action.input);
    let patterns = inputs.chain(outputs).chain([&manifest.settings]).map(json_schema::count_patterns).sum();
    let counts = [
        ("/hosts", manifest.hosts.len(), MOST_HOSTS, "hosts"),
        ("/auth_hosts", manifest.auth_hosts.len(), MOST_HOSTS, "hosts"),
        ("/actions", manifest.actions.len(), MOST_ACTIONS, "actions"),
        ("/fixtures", manifest.fixtures.len(), MOST_FIXTURES, "fixtures"),
        ("", patterns, MOST_PATTERNS, "patterns in all schemas together"),
    ];
    let (path, _, most, what) = counts.into_iter().find(|(_, count, most, _)| count > most)?;
    Some(Violation::new(path, format!("at most {most} {what}")))
}

fn head(manifest: &Manifest, violations: &mut Violations) {
    let Manifest { id, name, version, author, description, .. } = manifest;
    violations.require(
        is_connector_id(id),
        "/id",
        "an id is 1 to 64 lower-case letters, digits and dashes, with a letter or digit at both ends, such as `acme-crm`",
    );
    violations.require(
        !RESERVED.contains(&id.as_str()),
        "/id",
        format!("`{id}` is a word of the API; choose another id"),
    );
    violations.require(plain_text(name, NAME), "/name", format!("a name is 1 to {NAME} printable characters"));
    violations.require(is_version(version), "/version", "a version is semantic, such as `1.0.0` or `1.2.0-beta.1`");
    let author = author.as_deref();
    violations.require(
        author.is_none_or(|author| plain_text(author, NAME)),
        "/author",
        format!("an author is 1 to {NAME} printable characters; leave it out when there is none"),
    );
    let description = description.as_deref();
    violations.require(
        description.is_none_or(|text| text.len() <= DESCRIPTION),
        "/description",
        format!("a description has at most {DESCRIPTION} bytes"),
    );
}

fn granted(manifest: &Manifest, violations: &mut Violations) -> Vec<HostPattern> {
    let mut seen = BTreeSet::new();
    let mut parse = |list: &str, patterns: &[String], violations: &mut Violations| -> Vec<HostPattern> {
        seen.clear();
        let mut parsed = Vec::new();
        for (at, text) in patterns.iter().enumerate() {
            let path = format!("/{list}/{at}");
            violations.require(seen.insert(text.clone()), &path, format!("`{text}` is there twice"));
            match HostPattern::parse(text) {
                Ok(pattern) => {
                    if let Some(setting) = pattern.setting() {
                        text_setting(&path, setting, &manifest.settings, violations);
                    }
                    parsed.push(pattern);
                }
                Err(message) => violations.add(path, format!("`{text}`: {message}")),
            }
        }
        parsed
    };
    let hosts = parse("hosts", &manifest.hosts, violations);
    let auth_hosts = parse("auth_hosts", &manifest.auth_hosts, violations);
    if hosts.len() == manifest.hosts.len() && auth_hosts.len() == manifest.auth_hosts.len() {
        for (at, host) in auth_hosts.iter().enumerate() {
            violations.require(
                hosts.iter().any(|known| known.same_authority(host)),
                &format!("/auth_hosts/{at}"),
                "a host that gets the credential has to be among `hosts` too",
            );
        }
    }
    hosts
}

/// Checks a setting that is filled into a host.
fn text_setting(path: &str, setting: &str, settings: &Value, violations: &mut Violations) {
    match &settings["properties"][setting] {
        Value::Null => violations.add(path, format!("there is no setting `{setting}` in /settings/properties")),
        property => violations.require(
            property["type"] == "string",
            path,
            format!("setting `{setting}` has to be of type `string` to be a part of a host"),
        ),
    }
}

fn retry(rule: &Retry, violations: &mut Violations) {
    violations.require(
        rule.retries <= MOST_RETRIES,
        "/retry/retries",
        format!("a request is sent again at most {MOST_RETRIES} times"),
    );
    for (at, status) in rule.statuses.iter().enumerate() {
        // 401 and 403 are about the credential, so a repeat doesn't help.
        let sound = (400..600).contains(status) && !matches!(status, 401 | 403);
        violations.require(sound, &format!("/retry/statuses/{at}"), "an error that may pass, such as 429 or 503");
    }
}

/// Checks a schema that describes an object, such as an input or the settings.
fn object_schema(path: &str, schema: &Value, violations: &mut Violations) {
    if let Err(message) = check_schema(schema) {
        violations.add(path, message);
    } else if schema["type"] != "object" {
        violations.add(path, "the schema has to describe an object: give it `\"type\": \"object\"`");
    }
}

fn actions(manifest: &Manifest, hosts: &[HostPattern], violations: &mut Violations) {
    let actions = &manifest.actions;
    violations.require(!actions.is_empty(), "/actions", "a connector needs an action");
    let declarative = actions.iter().any(|action| action.request.is_some());
    let mut seen = BTreeSet::new();
    for (at, action) in actions.iter().enumerate() {
        let path = format!("/actions/{at}");
        violations.require(
            seen.insert(action.id.as_str()),
            &format!("{path}/id"),
            format!("there is another action `{}`", action.id),
        );
        action_at(&path, action, violations);
        if declarative {
            declarative::check(&path, action, manifest, hosts, violations);
        } else {
            for (name, rule) in [("response", &action.response), ("pagination", &action.pagination)] {
                violations.require(
                    rule.is_none(),
                    &format!("{path}/{name}"),
                    format!("`{name}` belongs to a declarative action, which has a `request`"),
                );
            }
        }
    }
}

fn action_at(path: &str, action: &Action, violations: &mut Violations) {
    violations.require(
        is_action_id(&action.id),
        &format!("{path}/id"),
        "an action's id is 1 to 64 lower-case letters, digits and underscores, such as `get_account`",
    );
    violations.require(
        plain_text(&action.title, NAME),
        &format!("{path}/title"),
        format!("a title is 1 to {NAME} printable characters"),
    );
    violations.require(
        !action.description.trim().is_empty() && action.description.len() <= DESCRIPTION,
        &format!("{path}/description"),
        format!("say in 1 to {DESCRIPTION} bytes when a model should use it and what it returns"),
    );
    object_schema(&format!("{path}/input"), &action.input, violations);
    if let Some(Err(message)) = action.output.as_ref().map(check_schema) {
        violations.add(format!("{path}/output"), message);
    }
    let cache = format!("{path}/cache_s");
    violations.require(action.cache_s <= LONGEST_CACHE_S, &cache, format!("at most {LONGEST_CACHE_S} seconds"));
    violations.require(
        action.side_effect == SideEffect::Read || action.cache_s == 0,
        &cache,
        "what an action with side effect `write` answers can't be served again: leave it 0",
    );
}

fn test(manifest: &Manifest, violations: &mut Violations) {
    let Some(test) = &manifest.test else { return };
    let Some(action) = manifest.action(&test.action) else {
        violations.add("/test/action", format!("there is no action `{}`", test.action));
        return;
    };
    violations.require(
        action.side_effect == SideEffect::Read,
        "/test/action",
        format!("`{}` has side effect `write`: a test must not change anything", action.id),
    );
    let nothing = json!({});
    let input = if test.input.is_null() { &nothing } else { &test.input };
    // An invalid schema is reported at its own path.
    if check_schema(&action.input).is_ok()
        && let Err(found) = json_schema::validate(&action.input, input)
    {
        violations.add(
            "/test/input",
            format!("it doesn't fit the input schema of `{}`: {}", action.id, json_schema::in_words(&found)),
        );
    }
}

fn fixture_at(path: &str, fixture: &Fixture, violations: &mut Violations) {
    let matcher = &fixture.matcher;
    violations.require(
        matcher.method.as_deref().is_none_or(is_token),
        &format!("{path}/match/method"),
        "a method is one word, such as `GET`",
    );
    violations.require(
        matcher.path.as_deref().is_none_or(|path| path.starts_with('/') && !path.contains(['?', '#'])),
        &format!("{path}/match/path"),
        "a path begins with `/` and has no query: put that in `query`",
    );
    violations.require(
        matcher.host.as_deref().is_none_or(|host| !host.is_empty() && !host.contains(['/', ':', '@'])),
        &format!("{path}/match/host"),
        "a host is a name alone, without scheme, port and path",
    );
    let response = &fixture.response;
    violations.require(
        (200..600).contains(&response.status),
        &format!("{path}/response/status"),
        "a status is 200 to 599",
    );
    violations.require(
        response.json.is_none() || response.text.is_none(),
        &format!("{path}/response"),
        "a response has either `json` or `text`",
    );
    for (name, value) in &response.headers {
        violations.require(
            is_token(name) && is_printable(value),
            &step(&format!("{path}/response/headers"), name),
            "a header has a name of RFC 9110 and a value of printable ASCII",
        );
    }
}

fn limits(limits: RequestedLimits, violations: &mut Violations) {
    let RequestedLimits { fuel, timeout_ms, memory_bytes, http_calls, response_bytes } = limits;
    let most = Allowance::MOST;
    let bounds = [
        ("fuel", fuel, 1, most.fuel),
        ("timeout_ms", timeout_ms.map(u64::from), 1, u64::try_from(most.deadline.as_millis()).unwrap_or(u64::MAX)),
        ("memory_bytes", memory_bytes, 64 << 10, most.memory_bytes as u64),
        ("http_calls", http_calls.map(u64::from), 1, most.http_calls.into()),
        ("response_bytes", response_bytes, 1, most.response_bytes as u64),
    ];
    for (name, asked, least, most) in bounds {
        violations.require(
            asked.is_none_or(|asked| (least..=most).contains(&asked)),
            &format!("/limits/{name}"),
            format!("a call may have {least} to {most} of it: leave it out for the host's default"),
        );
    }
}

#[cfg(test)]
mod tests;
