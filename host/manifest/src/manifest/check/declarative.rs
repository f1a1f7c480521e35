//! Checks a declarative action against the grammar of `docs/declarative-grammar.md`, without running anything.
//!
//! Templates and jq aren't parsed here, because nothing that users write is evaluated natively. Names are checked: a
//! template with `input.emial` is a mistake, instead of a request that lacks the value.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    Violations,
    hosts::{Authority, HostPattern},
    names::{is_host_header, is_printable, is_token},
    object::members,
    separators, step,
    template::{end_of_expression, is_one_expression, named, outside_templates},
    text_setting,
};
use crate::manifest::{Action, ApiKeyPlace, Auth, Manifest};

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
const FAULTS: [&str; 6] = ["invalid-input", "not-found", "upstream", "needs-auth", "rate-limited", "internal"];
const EXPECTED: [&str; 3] = ["json", "text", "any"];
/// The names that a template may use, and the members that the host's own objects have.
const ROOTS: [&str; 5] = ["input", "settings", "connection", "call", "now"];
const CONNECTION: [&str; 3] = ["id", "name", "environment"];
const CALL: [&str; 1] = ["id"];
const MOST_PAGES: u64 = 20;
/// The most bytes of a filter that the sandbox accepts.
const LONGEST_FILTER: usize = 16 << 10;
const LONGEST_TEMPLATE: usize = 16 << 10;
const DEEPEST: usize = 64;

pub fn check(path: &str, action: &Action, manifest: &Manifest, hosts: &[HostPattern], violations: &mut Violations) {
    let scope = Scope { action, manifest };
    match &action.request {
        None => violations.add(
            format!("{path}/request"),
            "the other actions have a `request`: a connector is declarative as a whole, or not at all",
        ),
        Some(request) => scope.request(&format!("{path}/request"), request, hosts, violations),
    }
    if let Some(response) = &action.response {
        scope.response(&format!("{path}/response"), response, violations);
    }
    if let Some(pagination) = &action.pagination {
        self::pagination(&format!("{path}/pagination"), pagination, violations);
    }
}

/// The names that an action's templates may use.
struct Scope<'m> {
    action: &'m Action,
    manifest: &'m Manifest,
}

impl Scope<'_> {
    fn request(&self, path: &str, request: &Value, hosts: &[HostPattern], violations: &mut Violations) {
        let known =
            ["method", "url", "query", "headers", "body", "body_type", "list_style", "separators", "timeout_ms"];
        let Some(request) = members(path, request, &known, violations) else { return };
        if let Some(method) = request.get("method") {
            let known = method.as_str().is_some_and(|method| METHODS.iter().any(|m| m.eq_ignore_ascii_case(method)));
            violations.require(known, &format!("{path}/method"), format!("a method is one of {}", METHODS.join(", ")));
        }
        match request.get("url").and_then(Value::as_str) {
            Some(url) => self.url(&format!("{path}/url"), url, hosts, violations),
            None => violations.add(format!("{path}/url"), "a request needs a `url`, which is a text"),
        }
        for (name, what) in [("query", "query parameters"), ("headers", "headers")] {
            let path = format!("{path}/{name}");
            match request.get(name) {
                None | Some(Value::Null) => {}
                Some(Value::Object(members)) => {
                    for (member, value) in members {
                        self.field(&step(&path, member), value, violations);
                    }
                }
                Some(_) => violations.add(path, format!("{what} are an object of names and values")),
            }
        }
        if let Some(Value::Object(headers)) = request.get("headers") {
            headers.iter().for_each(|(name, value)| self.header(&format!("{path}/headers"), name, value, violations));
        }
        self.body(path, request, violations);
        separators::check(path, request, violations);
        positive(path, request, "timeout_ms", u64::from(u32::MAX), violations);
    }

    fn url(&self, path: &str, url: &str, hosts: &[HostPattern], violations: &mut Violations) {
        self.template(path, url, violations);
        let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "https" | "http"))
        else {
            violations
                .add(path, "a URL is absolute and begins with `https://`; a template can't stand for its beginning");
            return;
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at(end);
        let authority = match Authority::parse(authority) {
            Ok(authority) => authority,
            Err(message) => return violations.add(path, format!("the host `{authority}`: {message}")),
        };
        if let Some(setting) = authority.setting() {
            text_setting(path, setting, &self.manifest.settings, violations);
        }
        let outside = outside_templates(path_and_query);
        let bad = |c: char| c.is_whitespace() || c.is_control() || c == '\\' || c == '#';
        violations.require(
            !outside.contains(bad),
            path,
            "outside its templates a URL has no spaces, backslashes and fragment",
        );
        let literal = path_and_query.split(['?', '#']).next().unwrap_or_default();
        let (literal, whole) = literal.split_once("{{").map_or((literal, true), |(before, _)| (before, false));
        // Hosts that don't parse are reported at their own path.
        let unsure = hosts.len() < self.manifest.hosts.len();
        violations.require(
            unsure || hosts.iter().any(|host| host.may_hold(scheme, &authority, literal, whole)),
            path,
            format!(
                "the URL lies in none of `hosts` ({}): add its host there",
                if self.manifest.hosts.is_empty() {
                    "there is none".to_owned()
                } else {
                    self.manifest.hosts.join(", ")
                }
            ),
        );
    }

    /// Checks the value of a query parameter or a header.
    fn field(&self, path: &str, value: &Value, violations: &mut Violations) {
        match value {
            Value::String(template) => self.template(path, template, violations),
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    let path = format!("{path}/{at}");
                    match item {
                        Value::Array(_) => violations.add(path, "a list within a list has no place here"),
                        item => self.field(&path, item, violations),
                    }
                }
            }
            Value::Object(_) => violations.add(path, "a text, a number, a truth value, null or a list of them"),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn header(&self, path: &str, name: &str, value: &Value, violations: &mut Violations) {
        let path = step(path, name);
        violations.require(is_token(name), &path, format!("`{name}` is no header name (RFC 9110)"));
        violations.require(!is_host_header(name), &path, "the host sets this header; leave it out");
        let carries = self.manifest.auths().any(|auth| match auth {
            Auth::None | Auth::ApiKey { place: ApiKeyPlace::Query, .. } => false,
            Auth::ApiKey { place: ApiKeyPlace::Header, name: key, .. } => key.eq_ignore_ascii_case(name),
            Auth::Bearer | Auth::Basic => name.eq_ignore_ascii_case("authorization"),
            Auth::Oauth2(oauth) => name.eq_ignore_ascii_case(&oauth.header),
        });
        violations.require(!carries, &path, "the host puts the connection's credential into this header; leave it out");
        if let Value::String(template) = value {
            violations.require(
                is_printable(&outside_templates(template)),
                &path,
                "a header's value is printable ASCII; encode what else it should carry",
            );
        }
    }

    fn body(&self, path: &str, request: &Map<String, Value>, violations: &mut Violations) {
        let body = request.get("body").unwrap_or(&Value::Null);
        let kind = request.get("body_type").filter(|kind| !kind.is_null()).map_or(Some("json"), Value::as_str);
        match kind {
            Some("json") => {}
            Some("form") => violations.require(
                matches!(body, Value::Null | Value::Object(_)) || body.as_str().is_some_and(is_one_expression),
                &format!("{path}/body"),
                "a form is an object of names and values, or one expression that gives one",
            ),
            Some("text") => violations.require(
                matches!(body, Value::Null | Value::String(_)),
                &format!("{path}/body"),
                "a body of type `text` is a text",
            ),
            _ => violations.add(format!("{path}/body_type"), "a body's type is `json`, `form` or `text`"),
        }
        let style = request.get("list_style").unwrap_or(&Value::Null);
        violations.require(
            style.is_null() || matches!(style.as_str(), Some("brackets" | "repeat")),
            &format!("{path}/list_style"),
            "a form's lists are `brackets` or `repeat`",
        );
        let method = request.get("method").and_then(Value::as_str).unwrap_or("GET");
        violations.require(
            body.is_null() || !(method.eq_ignore_ascii_case("GET") || method.eq_ignore_ascii_case("HEAD")),
            &format!("{path}/body"),
            format!("a {method} request has no body: put it into `query`, or use another method"),
        );
        self.tree(&format!("{path}/body"), body, 0, violations);
    }

    fn tree(&self, path: &str, tree: &Value, depth: usize, violations: &mut Violations) {
        if depth > DEEPEST {
            return violations.add(path, format!("a body nests at most {DEEPEST} deep"));
        }
        match tree {
            Value::String(template) => self.template(path, template, violations),
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.tree(&format!("{path}/{at}"), item, depth + 1, violations);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.tree(&step(path, name), member, depth + 1, violations);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn response(&self, path: &str, response: &Value, violations: &mut Violations) {
        let Some(response) = members(path, response, &["mapping", "expect", "errors"], violations) else { return };
        filter(path, response, "mapping", violations);
        let expect = response.get("expect").unwrap_or(&Value::Null);
        violations.require(
            expect.is_null() || expect.as_str().is_some_and(|expect| EXPECTED.contains(&expect)),
            &format!("{path}/expect"),
            format!("what is expected is one of {}", EXPECTED.join(", ")),
        );
        let path = format!("{path}/errors");
        let rules = match response.get("errors") {
            None | Some(Value::Null) => return,
            Some(Value::Array(rules)) => rules,
            Some(_) => return violations.add(path, "error rules are a list"),
        };
        for (at, rule) in rules.iter().enumerate() {
            error_rule(&format!("{path}/{at}"), rule, violations);
        }
    }

    /// Checks a template: its braces are closed, it has no statements, and it uses declared names only.
    fn template(&self, path: &str, template: &str, violations: &mut Violations) {
        violations.require(
            template.len() <= LONGEST_TEMPLATE,
            path,
            format!("a template has at most {LONGEST_TEMPLATE} bytes"),
        );
        if template.contains("{%") || template.contains("{#") {
            violations.add(path, "templates hold expressions in `{{ }}` only, no statements and no comments");
        }
        let mut rest = template;
        while let Some((_, after)) = rest.split_once("{{") {
            let Some(end) = end_of_expression(after) else {
                return violations.add(path, "there is a `{{` without its `}}`");
            };
            let (expression, after) = after.split_at(end);
            violations.require(!expression.trim().is_empty(), path, "there is nothing between `{{` and `}}`");
            for (root, name) in named(expression) {
                let (known, place) = match root {
                    "input" => (declared(&self.action.input), "the action's input schema"),
                    "settings" => (declared(&self.manifest.settings), "the settings schema"),
                    "connection" => (Some(CONNECTION.into()), "the connection"),
                    "call" => (Some(CALL.into()), "the call"),
                    "now" => (Some(BTreeSet::new()), "the time"),
                    // A number's decimal point is no member access.
                    _ if root.starts_with(|c: char| c.is_ascii_digit()) => continue,
                    _ => {
                        let message = format!("there is no `{root}`: a template names {}", ROOTS.join(", "));
                        violations.add(path, message);
                        continue;
                    }
                };
                if let Some(known) = known
                    && !known.contains(name)
                {
                    let known: Vec<&str> = known.into_iter().collect();
                    let known = if known.is_empty() { "no properties".to_owned() } else { known.join(", ") };
                    violations.add(path, format!("`{root}.{name}` is not declared: {place} has {known}"));
                }
            }
            rest = after.get(2..).unwrap_or_default();
        }
    }
}

/// The properties that a schema declares. `None` when it refers to other schemas or allows names by a pattern.
fn declared(schema: &Value) -> Option<BTreeSet<&str>> {
    let schema = schema.as_object()?;
    let open = ["$ref", "$dynamicRef", "allOf", "if", "patternProperties"].iter().any(|key| schema.contains_key(*key));
    if open || schema.get("additionalProperties").is_some_and(Value::is_object) {
        return None;
    }
    let branches = ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(*key)?.as_array()).flatten();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for part in branches.map(|branch| branch.as_object()).chain([Some(schema)]) {
        known.extend(part?.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(n, _)| n.as_str()));
    }
    Some(known)
}

fn error_rule(path: &str, rule: &Value, violations: &mut Violations) {
    let Some(rule) = members(path, rule, &["status", "when", "fault", "message", "retryable"], violations) else {
        return;
    };
    filter(path, rule, "when", violations);
    let given = |name: &str| rule.get(name).is_some_and(|value| !value.is_null());
    violations.require(
        given("status") || given("when"),
        path,
        "a rule needs `status`, `when` or both to fit something",
    );
    if given("status") {
        let statuses = match &rule["status"] {
            Value::Array(statuses) if !statuses.is_empty() => statuses.as_slice(),
            one => std::slice::from_ref(one),
        };
        violations.require(
            statuses.iter().all(is_status),
            &format!("{path}/status"),
            "a status is a number from 100 to 599, a class such as \"5xx\", or a list of them",
        );
    }
    violations.require(
        rule.get("fault").and_then(Value::as_str).is_some_and(|fault| FAULTS.contains(&fault)),
        &format!("{path}/fault"),
        format!("a fault is one of {}", FAULTS.join(", ")),
    );
    for (name, fits) in [("message", Value::is_string as fn(&Value) -> bool), ("retryable", Value::is_boolean)] {
        let right = rule.get(name).is_none_or(|value| value.is_null() || fits(value));
        violations.require(
            right,
            &format!("{path}/{name}"),
            if name == "message" { "a message is a text" } else { "true or false" },
        );
    }
}

fn is_status(status: &Value) -> bool {
    match status {
        Value::Number(number) => number.as_u64().is_some_and(|number| (100..600).contains(&number)),
        Value::String(class) => matches!(class.as_str(), "1xx" | "2xx" | "3xx" | "4xx" | "5xx"),
        _ => false,
    }
}

fn pagination(path: &str, rule: &Value, violations: &mut Violations) {
    let kind = rule.get("type").and_then(Value::as_str).unwrap_or_default();
    let (needed, free): (&[&str], &[&str]) = match kind {
        "link" => (&[], &["next"]),
        "cursor" => (&["cursor", "param"], &[]),
        "page" => (&["param"], &["start"]),
        "offset" => (&["param"], &[]),
        _ => {
            return violations
                .add(format!("{path}/type"), "pagination is of type `link`, `cursor`, `page` or `offset`");
        }
    };
    let known = [&["type", "items", "max_pages"], needed, free].concat();
    let Some(rule) = members(path, rule, &known, violations) else { return };
    for name in needed {
        let is_text = rule.get(*name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        violations.require(
            is_text,
            &format!("{path}/{name}"),
            format!("pagination of type `{kind}` needs `{name}`, which is a text"),
        );
    }
    filter(path, rule, "cursor", violations);
    filter(path, rule, "next", violations);
    filter(path, rule, "items", violations);
    positive(path, rule, "max_pages", MOST_PAGES, violations);
    let start = rule.get("start");
    violations.require(
        start.is_none_or(|start| start.is_null() || start.as_u64().is_some_and(|start| start < u64::from(u32::MAX))),
        &format!("{path}/start"),
        "the first page's number is 0 or more",
    );
}

fn filter(path: &str, rule: &Map<String, Value>, name: &str, violations: &mut Violations) {
    let path = format!("{path}/{name}");
    match rule.get(name) {
        None | Some(Value::Null) => {}
        Some(Value::String(filter)) => violations.require(
            !filter.trim().is_empty() && filter.len() <= LONGEST_FILTER,
            &path,
            format!("a jq filter has 1 to {LONGEST_FILTER} bytes"),
        ),
        Some(_) => violations.add(path, "a jq filter is a text"),
    }
}

fn positive(path: &str, rule: &Map<String, Value>, name: &str, most: u64, violations: &mut Violations) {
    let fits = match rule.get(name) {
        None | Some(Value::Null) => true,
        Some(value) => value.as_u64().is_some_and(|value| (1..=most).contains(&value)),
    };
    violations.require(fits, &format!("{path}/{name}"), format!("a number from 1 to {most}"));
}
