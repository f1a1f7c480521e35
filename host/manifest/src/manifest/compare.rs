//! Compares a new version's manifest with an approved one: what does it ask for in addition?
//!
//! The two are compared as JSON, member by member. A difference is `other` only where this file knows why it gives the
//! connector nothing more. Every other difference is `wider`, including members that this file doesn't know. It can't
//! show what a component's code does within its permissions.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Action, Auth, AuthType, Manifest, SideEffect, check::hosts::HostPattern};
use crate::allowance::Allowance;

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// A JSON Pointer (RFC 6901) into the new manifest, or into the approved one for a removed value.
    pub path: String,
    /// `null` for a value that is new.
    pub before: Value,
    /// `null` for a value that was removed.
    pub after: Value,
    /// What the change means, for the admin who decides.
    pub what: String,
}

/// Every difference between two manifests.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Changes {
    /// Changes that ask for more than was approved.
    pub wider: Vec<Change>,
    /// Changes that ask for as much or less.
    pub other: Vec<Change>,
}

/// Compares a manifest with one that was approved.
pub fn compare(approved: &Manifest, asked: &Manifest) -> Changes {
    let mut changes = Changes::default();
    let (before, after) = (members(approved), members(asked));
    for (name, before, after) in differing(&before, &after) {
        let path = format!("/{name}");
        match name {
            "name" | "version" | "author" | "description" => changes.other(path, before, after, "a text for people"),
            "fixtures" => changes.other(path, before, after, "what the sandbox environment answers"),
            "test" => changes.other(path, before, after, "how a connection is tested, by an action that only reads"),
            "hosts" => hosts(approved, asked, &mut changes),
            // These depend on each other and are compared together below.
            "auth_hosts" | "auth" | "auth_alternatives" => {}
            "settings" => settings(approved, asked, &mut changes),
            "actions" => actions(approved, asked, &mut changes),
            "redirects" if after == Value::Bool(false) => changes.other(path, before, after, "follows no redirects"),
            "redirects" => changes.wider(path, before, after, "follows redirects within its hosts"),
            "limits" => limits(approved, asked, &before, &after, &mut changes),
            _ => changes.wider(path, before, after, "this host doesn't know what that allows"),
        }
    }
    if before.get("auth_hosts") != after.get("auth_hosts") {
        credential_hosts(approved, asked, &mut changes);
    }
    if before.get("auth") != after.get("auth") || before.get("auth_alternatives") != after.get("auth_alternatives") {
        auths(approved, asked, &mut changes);
    }
    changes
}

impl Changes {
    fn wider(&mut self, path: String, before: Value, after: Value, what: impl Into<String>) {
        self.wider.push(Change { path, before, after, what: what.into() });
    }

    fn other(&mut self, path: String, before: Value, after: Value, what: impl Into<String>) {
        self.other.push(Change { path, before, after, what: what.into() });
    }
}

/// The members as JSON. A manifest is plain data, so it always serializes.
fn members(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// The members that differ: name and both values.
fn differing<'m>(
    before: &'m Map<String, Value>,
    after: &'m Map<String, Value>,
) -> impl Iterator<Item = (&'m str, Value, Value)> {
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).map(String::as_str).collect();
    let value = |members: &Map<String, Value>, name: &str| members.get(name).cloned().unwrap_or_default();
    names
        .into_iter()
        .map(move |name| (name, value(before, name), value(after, name)))
        .filter(|(_, before, after)| before != after)
}

fn hosts(approved: &Manifest, asked: &Manifest, changes: &mut Changes) {
    let added = hosts_not_granted(&asked.hosts, &approved.hosts);
    for (at, host) in asked.hosts.iter().enumerate() {
        let path = format!("/hosts/{at}");
        if added.contains(&host) {
            changes.wider(path, Value::Null, host.as_str().into(), "may call another host or path");
        } else if !approved.hosts.contains(host) {
            changes.other(path, Value::Null, host.as_str().into(), "lies within a host that was approved");
        }
    }
    for (at, host) in approved.hosts.iter().enumerate().filter(|(_, host)| !asked.hosts.contains(host)) {
        changes.other(format!("/hosts/{at}"), host.as_str().into(), Value::Null, "is called no more");
    }
}

/// The hosts that get the credential. All hosts when the manifest names none.
fn with_credential(manifest: &Manifest) -> &[String] {
    if manifest.auth_hosts.is_empty() { &manifest.hosts } else { &manifest.auth_hosts }
}

fn credential_hosts(approved: &Manifest, asked: &Manifest, changes: &mut Changes) {
    let (before, after) = (with_credential(approved), with_credential(asked));
    let (path, before_value, after_value) = ("/auth_hosts".to_owned(), before.into(), after.into());
    if hosts_not_granted(after, before).is_empty() {
        changes.other(path, before_value, after_value, "the credential goes to as many hosts or fewer");
    } else {
        changes.wider(path, before_value, after_value, "the credential goes to other hosts");
    }
}

/// The hosts that no granted one covers. A host that can't be parsed covers nothing.
fn hosts_not_granted<'h>(asked: &'h [String], granted: &[String]) -> Vec<&'h String> {
    let granted: Vec<HostPattern> = granted.iter().filter_map(|host| HostPattern::parse(host).ok()).collect();
    let covered = |host: &String| match HostPattern::parse(host) {
        Ok(host) => granted.iter().any(|granted| granted.covers(&host)),
        Err(_) => false,
    };
    asked.iter().filter(|host| !covered(host)).collect()
}

fn auths(approved: &Manifest, asked: &Manifest, changes: &mut Changes) {
    let known: BTreeMap<&str, &Auth> = approved.auths().map(|auth| (auth.kind().name(), auth)).collect();
    let place = |at: usize| if at == 0 { "/auth".to_owned() } else { format!("/auth_alternatives/{}", at - 1) };
    for (at, auth) in asked.auths().enumerate() {
        let kind = auth.kind();
        match known.get(kind.name()) {
            Some(before) => auth_members(&place(at), before, auth, changes),
            None if kind == AuthType::None => {
                changes.other(place(at), Value::Null, kind.name().into(), "works without a credential");
            }
            None => changes.wider(
                place(at),
                Value::Null,
                Value::Object(members(auth)),
                "asks for another kind of credential",
            ),
        }
    }
    for (at, auth) in approved.auths().enumerate() {
        if !asked.auths().any(|kept| kept.kind() == auth.kind()) {
            changes.other(place(at), auth.kind().name().into(), Value::Null, "asks for this kind no more");
        }
    }
    if approved.auth.kind() != asked.auth.kind() {
        let (before, after) = (approved.auth.kind().name().into(), asked.auth.kind().name().into());
        changes.other("/auth/type".to_owned(), before, after, "another usual way to authenticate");
    }
}

fn auth_members(path: &str, before: &Auth, after: &Auth, changes: &mut Changes) {
    for (name, before, after) in differing(&members(before), &members(after)) {
        let path = format!("{path}/{name}");
        match name {
            "scopes" => {
                let texts = |value: &Value| -> Vec<Value> { value.as_array().cloned().unwrap_or_default() };
                let (before, after) = (texts(&before), texts(&after));
                let added: Vec<Value> = after.iter().filter(|scope| !before.contains(scope)).cloned().collect();
                if added.is_empty() {
                    changes.other(path, before.into(), after.into(), "fewer OAuth scopes, or in another order");
                } else {
                    let names = Value::Array(added).to_string();
                    changes.wider(path, before.into(), after.into(), format!("asks for more OAuth scopes: {names}"));
                }
            }
            "expired_when" => changes.other(path, before, after, "what an expired token looks like"),
            _ => changes.wider(path, before, after, "how the credential is got, or how and where it is sent"),
        }
    }
}

/// Settings give a connector nothing, because an admin fills them in. Those that are filled into a host or URL are the
/// exception.
fn settings(approved: &Manifest, asked: &Manifest, changes: &mut Changes) {
    let shaping: BTreeSet<String> = host_settings(approved).into_iter().chain(host_settings(asked)).collect();
    let object = |schema: &Value| schema.as_object().cloned().unwrap_or_default();
    let (before, after) = (object(&approved.settings), object(&asked.settings));
    for (name, before, after) in differing(&before, &after) {
        let path = format!("/settings/{name}");
        if name == "properties" {
            for (setting, before, after) in differing(&object(&before), &object(&after)) {
                let path = format!("{path}/{}", setting.replace('~', "~0").replace('/', "~1"));
                if shaping.contains(setting) {
                    changes.wider(path, before, after, "a part of a host or address is made of this setting");
                } else {
                    changes.other(path, before, after, "a setting");
                }
            }
        } else if shaping.is_empty() || matches!(name, "title" | "description" | "required") {
            changes.other(path, before, after, "what the settings may be");
        } else {
            changes.wider(path, before, after, "what the settings may be, of which a host or address is made");
        }
    }
}

/// The settings that are filled into hosts and URLs.
fn host_settings(manifest: &Manifest) -> Vec<String> {
    let auths = manifest.auths().map(|auth| Value::Object(members(auth)).to_string());
    let texts = manifest.hosts.iter().chain(&manifest.auth_hosts).cloned().chain(auths);
    let names = |text: String| -> Vec<String> {
        let after = text.split("settings.").skip(1);
        let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).collect();
        after.map(name).collect()
    };
    texts.flat_map(names).collect()
}

fn actions(approved: &Manifest, asked: &Manifest, changes: &mut Changes) {
    // A write under another name that is declared as a read would run without a confirmation.
    let write_gone = approved
        .actions
        .iter()
        .any(|action| action.side_effect == SideEffect::Write && asked.action(&action.id).is_none());
    for (at, action) in asked.actions.iter().enumerate() {
        let path = format!("/actions/{at}");
        match approved.action(&action.id) {
            Some(before) => action_members(&path, before, action, changes),
            None if action.side_effect == SideEffect::Read && write_gone => {
                let what = "another action that is said to only read, while one that changes something is gone";
                changes.wider(path, Value::Null, action.id.as_str().into(), what);
            }
            None if action.side_effect == SideEffect::Read => {
                changes.other(path, Value::Null, action.id.as_str().into(), "another action that only reads");
            }
            None => {
                changes.wider(path, Value::Null, action.id.as_str().into(), "another action that changes something")
            }
        }
    }
    for (at, action) in approved.actions.iter().enumerate().filter(|(_, action)| asked.action(&action.id).is_none()) {
        changes.other(format!("/actions/{at}"), action.id.as_str().into(), Value::Null, "an action that is gone");
    }
}

fn action_members(path: &str, approved: &Action, asked: &Action, changes: &mut Changes) {
    for (name, before, after) in differing(&members(approved), &members(asked)) {
        let path = format!("{path}/{name}");
        match name {
            // A person who confirms the action reads only these members.
            "title" if asked.side_effect == SideEffect::Write => {
                changes.wider(path, before, after, "what a person is told before it changes something");
            }
            "title" | "description" => changes.other(path, before, after, "a text for people and the model"),
            "input" | "output" => changes.other(path, before, after, "what the action takes or gives"),
            "cache_s" => changes.other(path, before, after, "how long an answer may be served again"),
            "side_effect" if after == "write" => changes.wider(path, before, after, "changes something"),
            "side_effect" => changes.wider(path, before, after, "runs without a person's confirmation"),
            "idempotent" if after == Value::Bool(false) => changes.other(path, before, after, "isn't repeated"),
            "idempotent" => changes.wider(path, before, after, "may be repeated"),
            _ => changes.wider(path, before, after, "this host doesn't know what that allows"),
        }
    }
}

fn limits(approved: &Manifest, asked: &Manifest, before: &Value, after: &Value, changes: &mut Changes) {
    // What a call really gets: the default where nothing is asked for, within the host's own limits.
    let (had, has) = (Allowance::of(approved), Allowance::of(asked));
    let object = |limits: &Value| limits.as_object().cloned().unwrap_or_default();
    for (name, before, after) in differing(&object(before), &object(after)) {
        let grown = |of: fn(&Allowance) -> u128| of(&has) > of(&had);
        let wider = match name {
            "fuel" => grown(|allowance| allowance.fuel.into()),
            "timeout_ms" => grown(|allowance| allowance.deadline.as_millis()),
            "memory_bytes" => grown(|allowance| allowance.memory_bytes as u128),
            "http_calls" => grown(|allowance| allowance.http_calls.into()),
            "response_bytes" => grown(|allowance| allowance.response_bytes as u128),
            _ => true,
        };
        let path = format!("/limits/{name}");
        if wider {
            changes.wider(path, before, after, "a call may use more");
        } else {
            changes.other(path, before, after, "a call may use as much or less");
        }
    }
}

#[cfg(test)]
mod tests;
