//! Turns a document's security schemes into `auth` and `auth_alternatives` of a definition.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    document::{Document, Operation},
    names::line,
    parameters::CredentialParameters,
};
use crate::manifest::{endpoint, is_host_header, is_token};

const MOST_SCOPES: usize = 50;

/// The ways in which the chosen operations can authenticate.
pub struct AuthOptions {
    /// In the form of a definition, the default first. Each has another type.
    pub ways: Vec<Value>,
    pub carriers: CredentialParameters,
    pub warnings: Vec<String>,
}

/// One alternative of an operation: a scheme with its scopes.
struct Alternative<'d> {
    scheme: &'d str,
    scopes: Vec<&'d str>,
}

/// Finds the ways in which the chosen operations authenticate.
pub fn ways(document: &Document, chosen: &[Operation<'_>]) -> AuthOptions {
    let schemes = document.root().pointer("/components/securitySchemes").and_then(Value::as_object);
    let mut told = BTreeSet::new();
    let mut used: Vec<(&str, usize)> = Vec::new();
    let mut scopes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut free = 0;
    // The scope that the fewest operations accept is the narrowest.
    let all = document.operations();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for operation in &all {
        let named: BTreeSet<&str> = alternatives(document, operation, schemes, &mut BTreeSet::new())
            .into_iter()
            .flat_map(|one| one.scopes)
            .collect();
        named.into_iter().for_each(|scope| *counts.entry(scope).or_default() += 1);
    }
    for operation in chosen {
        let alternatives = alternatives(document, operation, schemes, &mut told);
        if alternatives.is_empty() {
            free += 1;
        }
        let mut names: Vec<&str> = Vec::new();
        for alternative in &alternatives {
            if !names.contains(&alternative.scheme) {
                names.push(alternative.scheme);
            }
        }
        for name in names {
            match used.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => used.push((name, 1)),
            }
            let width =
                |one: &&Alternative| one.scopes.iter().map(|scope| counts.get(scope).copied().unwrap_or(0)).max();
            let narrowest = alternatives.iter().filter(|one| one.scheme == name).min_by_key(width);
            scopes.entry(name).or_default().extend(narrowest.into_iter().flat_map(|one| one.scopes.iter().copied()));
        }
    }
    let mut warnings: Vec<String> = told.into_iter().collect();
    if used.is_empty()
        && chosen.iter().all(|operation| requirements(document, operation).is_none())
        && let Some(schemes) = schemes.filter(|schemes| !schemes.is_empty())
    {
        // A document that declares schemes but requires none has probably forgotten to.
        used.extend(schemes.keys().map(|name| (name.as_str(), 0)));
        warnings.push("the document doesn't say which operations authenticate: check `auth`".to_owned());
    } else if used.is_empty() && free == chosen.len() {
        warnings.push(
            "the document names no authentication that is supported: add `auth` if the service wants one".to_owned(),
        );
    }
    // The scheme that most operations accept becomes the default.
    used.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut ways: Vec<Value> = Vec::new();
    for (name, count) in used {
        let scopes = scopes.remove(name).unwrap_or_default();
        match way(document, schemes, name, &scopes) {
            Ok(way) if ways.iter().all(|known| known["type"] != way["type"]) => {
                if (1..chosen.len() - free.min(chosen.len())).contains(&count) {
                    warnings.push(format!("`{}` is not taken by every operation", line(name, 60)));
                }
                ways.push(way);
            }
            Ok(way) => warnings.push(format!(
                "`{}` is left out: there is another way of type `{}`",
                line(name, 60),
                way["type"].as_str().unwrap_or_default()
            )),
            Err(message) => warnings.push(format!("the scheme `{}` is left out: {message}", line(name, 60))),
        }
    }
    if ways.is_empty() {
        ways.push(json!({"type": "none"}));
    }
    let mut carriers = CredentialParameters::default();
    for way in &ways {
        let name = |member: &str| way[member].as_str().unwrap_or_default().to_owned();
        match (way["type"].as_str(), way["in"].as_str()) {
            (Some("api_key"), Some("query")) => carriers.query.push(name("name")),
            (Some("api_key"), _) => carriers.headers.push(name("name")),
            _ => carriers.headers.push("authorization".to_owned()),
        }
    }
    // Tokens in the query aren't supported, and a model must not fill them in.
    carriers.query.extend(["access_token".to_owned(), "oauth_token".to_owned()]);
    AuthOptions { ways, carriers, warnings }
}

/// The requirements of an operation: its own, or the document's.
fn requirements<'d>(document: &'d Document, operation: &Operation<'d>) -> Option<&'d Vec<Value>> {
    operation.value.get("security").or_else(|| document.root().get("security"))?.as_array()
}

/// The alternatives of an operation that this host supports. Reasons against the others are reported.
fn alternatives<'d>(
    document: &'d Document,
    operation: &Operation<'d>,
    schemes: Option<&Map<String, Value>>,
    told: &mut BTreeSet<String>,
) -> Vec<Alternative<'d>> {
    let kind = |name: &str| {
        let scheme = schemes.and_then(|schemes| schemes.get(name)).and_then(|scheme| document.resolve(scheme).ok());
        scheme.and_then(|scheme| scheme.get("type")?.as_str()).unwrap_or_default().to_owned()
    };
    let mut found = Vec::new();
    for requirement in requirements(document, operation).into_iter().flatten().take(100) {
        let Some(members) = requirement.as_object() else { continue };
        // Some documents write several flows of one service as several schemes. They are one way.
        let one = members.len() == 1 || members.keys().all(|name| kind(name) == "oauth2");
        if !one {
            let names: Vec<String> = members.keys().take(4).map(|name| line(name, 40)).collect();
            told.insert(format!(
                "operations that want {} together can't have more than one of them",
                names.join(" and ")
            ));
        }
        let kept = if one { members.len() } else { 1 };
        for (name, scopes) in members.iter().take(kept) {
            let scopes = scopes.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            found.push(Alternative { scheme: name, scopes });
        }
    }
    found
}

fn way(
    document: &Document,
    schemes: Option<&Map<String, Value>>,
    name: &str,
    scopes: &BTreeSet<&str>,
) -> Result<Value, String> {
    let scheme = schemes.and_then(|schemes| schemes.get(name)).ok_or("the document doesn't describe it")?;
    let scheme = document.resolve(scheme)?;
    let text = |member: &str| scheme.get(member).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "apiKey" => {
            let key = text("name");
            match text("in") {
                "header" if is_token(key) && !is_host_header(key) => {
                    Ok(json!({"type": "api_key", "in": "header", "name": key}))
                }
                "query" if !line(key, 100).is_empty() && line(key, 101) == key => {
                    Ok(json!({"type": "api_key", "in": "query", "name": key}))
                }
                place => Err(format!("a key in a {} isn't supported", line(place, 20))),
            }
        }
        "http" => match text("scheme").to_ascii_lowercase().as_str() {
            "basic" => Ok(json!({"type": "basic"})),
            "bearer" => Ok(json!({"type": "bearer"})),
            other => Err(format!("HTTP authentication by `{}` isn't supported", line(other, 40))),
        },
        "oauth2" => oauth(scheme, scopes),
        other => Err(format!("authentication of type `{}` isn't supported", line(other, 40))),
    }
}

fn oauth(scheme: &Value, scopes: &BTreeSet<&str>) -> Result<Value, String> {
    let flows = scheme.get("flows");
    let flow = |name: &str| flows.and_then(|flows| flows.get(name)).filter(|flow| flow.is_object());
    let (flow, grant) = match (flow("authorizationCode"), flow("clientCredentials")) {
        (Some(flow), _) => (flow, "authorization_code"),
        (None, Some(flow)) => (flow, "client_credentials"),
        (None, None) => {
            let names: Vec<String> = flows
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .take(4)
                .map(|(name, _)| line(name, 30))
                .collect();
            return Err(format!(
                "of OAuth's flows it has {}; authorizationCode and clientCredentials are supported",
                names.join(", ")
            ));
        }
    };
    let url = |member: &str| {
        let url = flow.get(member).and_then(Value::as_str).unwrap_or_default();
        match endpoint(url) {
            Ok(None) => Ok(url.to_owned()),
            Ok(Some(_)) => Err(format!("its `{member}` is a template")),
            Err(message) => Err(format!("its `{member}` can't be used: {message}")),
        }
    };
    let sound = |scope: &&&str| {
        !scope.is_empty() && scope.bytes().all(|b| (b'!'..=b'~').contains(&b) && b != b'"' && b != b'\\')
    };
    let scopes: Vec<&&str> = scopes.iter().filter(sound).take(MOST_SCOPES).collect();
    let mut way = json!({"type": "oauth2", "grant": grant, "token_url": url("tokenUrl")?, "scopes": scopes});
    if grant == "authorization_code" {
        way["authorize_url"] = json!(url("authorizationUrl")?);
    }
    Ok(way)
}
