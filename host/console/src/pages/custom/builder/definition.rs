//! The definition that the builder's form writes.

use serde_json::{Map, Value, json};
use url::Url;

use super::form::{ActionForm, ActionTexts, Answer, Basics, BuilderForm, Parameter, Rule};

/// A definition, and the mistakes of what the form couldn't write into it, each at its place.
pub struct Definition {
    pub document: Value,
    pub mistakes: Vec<(String, String)>,
}

/// Writes the definition.
pub fn write(form: &BuilderForm) -> Definition {
    let BuilderForm { basics, settings, actions, answers } = form;
    let mut mistakes = Vec::new();
    let ids: Vec<String> = actions.iter().map(|action| action_id(&action.texts)).collect();
    let mut document = Map::new();
    let id = filled(&basics.id).map_or_else(|| dashed(&basics.name), str::to_owned);
    document.insert("id".to_owned(), id.into());
    for (name, text) in [("name", &basics.name), ("version", &basics.version)] {
        document.insert(name.to_owned(), text.trim().into());
    }
    if let Some(description) = filled(&basics.description) {
        document.insert("description".to_owned(), description.into());
    }
    document.insert("hosts".to_owned(), hosts(basics, actions).into());
    document.insert("auth".to_owned(), auth(basics));
    document.insert("settings".to_owned(), schema(settings, "/settings", &mut mistakes));
    let written = actions.iter().zip(&ids).enumerate();
    let written: Vec<Value> = written.map(|(at, (form, id))| action(form, id, at, &mut mistakes)).collect();
    document.insert("actions".to_owned(), written.into());
    if let Some(action) = filled(&basics.test_action) {
        let input = parsed(&basics.test_input, "/test/input", &mut mistakes).unwrap_or_else(|| json!({}));
        document.insert("test".to_owned(), json!({"action": action, "input": input}));
    }
    if !answers.is_empty() {
        let fixtures = answers.iter().enumerate().map(|(at, answer)| fixture(answer, at, &mut mistakes));
        document.insert("fixtures".to_owned(), fixtures.collect());
    }
    Definition { document: Value::Object(document), mistakes }
}

fn filled(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// A name as an id of a connector: lower case, with dashes.
fn dashed(name: &str) -> String {
    joined(name, '-')
}

/// The id of an action: made of its title when there is none.
fn action_id(texts: &ActionTexts) -> String {
    filled(&texts.id).map_or_else(|| joined(&texts.title, '_'), str::to_owned)
}

fn joined(name: &str, with: char) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(str::to_ascii_lowercase).collect();
    words.join(&with.to_string())
}

/// What is typed; when nothing is, the hosts of the actions' addresses.
fn hosts(basics: &Basics, actions: &[ActionForm]) -> Vec<String> {
    let typed: Vec<String> = basics.hosts.lines().filter_map(filled).map(str::to_owned).collect();
    if !typed.is_empty() {
        return typed;
    }
    let mut found: Vec<String> = Vec::new();
    for action in actions {
        let host = action.texts.url.trim().split_once("://").and_then(|(_, rest)| rest.split('/').next());
        if let Some(host) = host.and_then(filled)
            && !found.iter().any(|known| known == host)
        {
            found.push(host.to_owned());
        }
    }
    found
}

fn auth(basics: &Basics) -> Value {
    match basics.auth.as_str() {
        "api_key" => {
            let mut auth = json!({"type": "api_key", "in": basics.key_in, "name": basics.key_name.trim()});
            // A word is followed by a space; anything else, such as `key=`, is taken as it is.
            if let Some(prefix) = filled(&basics.key_prefix) {
                let word = prefix.ends_with(|letter: char| letter.is_ascii_alphanumeric());
                auth["prefix"] = if word { format!("{prefix} ") } else { prefix.to_owned() }.into();
            }
            auth
        }
        "oauth2" => {
            let scopes: Vec<&str> = basics.scopes.split_whitespace().collect();
            let mut auth = json!({"type": "oauth2", "token_url": basics.token_url.trim(), "scopes": scopes});
            if let Some(url) = filled(&basics.authorize_url) {
                auth["authorize_url"] = url.into();
            }
            auth
        }
        other => json!({"type": if other.is_empty() { "none" } else { other }}),
    }
}

/// The JSON Schema of settings or of an input.
fn schema(parameters: &[Parameter], path: &str, mistakes: &mut Vec<(String, String)>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for Parameter { name, kind, about, default, required: needed } in parameters {
        let name = name.trim();
        let place = format!("{path}/properties/{}", name.replace('~', "~0").replace('/', "~1"));
        if name.is_empty() {
            mistakes.push((place.clone(), "give it a name".to_owned()));
        }
        let mut property = match kind.as_str() {
            "list" => json!({"type": "array", "items": {"type": "string"}}),
            "" => json!({"type": "string"}),
            kind => json!({"type": kind}),
        };
        if let Some(about) = filled(about) {
            property["description"] = about.into();
        }
        if let Some(default) = filled(default) {
            let value = if matches!(kind.as_str(), "" | "string") {
                Some(default.into())
            } else {
                parsed(default, &place, mistakes)
            };
            if let Some(value) = value {
                property["default"] = value;
            }
        }
        if !needed.is_empty() {
            required.push(name);
        }
        if properties.insert(name.to_owned(), property).is_some() {
            mistakes.push((place, "the name is there twice".to_owned()));
        }
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

fn action(form: &ActionForm, id: &str, at: usize, mistakes: &mut Vec<(String, String)>) -> Value {
    let ActionForm { texts, parameters, rules } = form;
    let path = format!("/actions/{at}");
    let write = texts.side_effect == "write";
    let mut action = json!({
        "id": id, "title": texts.title.trim(), "description": texts.description.trim(),
        "side_effect": if write { "write" } else { "read" },
        "input": schema(parameters, &format!("{path}/input"), mistakes),
        "request": request(texts, &format!("{path}/request"), mistakes),
    });
    let mut response = Map::new();
    if let Some(mapping) = filled(&texts.mapping) {
        response.insert("mapping".to_owned(), mapping.into());
    }
    if !rules.is_empty() {
        response.insert("errors".to_owned(), rules.iter().map(rule).collect());
    }
    if !response.is_empty() {
        action["response"] = response.into();
    }
    if let Some(kind) = filled(&texts.pagination) {
        action["pagination"] = pagination(kind, texts, &format!("{path}/pagination"), mistakes);
    }
    action
}

fn request(texts: &ActionTexts, path: &str, mistakes: &mut Vec<(String, String)>) -> Value {
    let method = filled(&texts.method).unwrap_or("GET");
    let mut request = json!({"method": method, "url": texts.url.trim()});
    for (member, text) in [("headers", &texts.headers), ("query", &texts.query)] {
        let pairs = pairs(text, &format!("{path}/{member}"), mistakes);
        if !pairs.is_empty() {
            request[member] = pairs.into();
        }
    }
    let Some(body) = filled(&texts.body) else { return request };
    match texts.body_type.as_str() {
        "text" => request["body"] = body.into(),
        _ => request["body"] = parsed(body, &format!("{path}/body"), mistakes).unwrap_or_default(),
    }
    if matches!(texts.body_type.as_str(), "form" | "text") {
        request["body_type"] = texts.body_type.as_str().into();
    }
    request
}

/// Lines of `name: value`.
fn pairs(text: &str, path: &str, mistakes: &mut Vec<(String, String)>) -> Map<String, Value> {
    let mut pairs = Map::new();
    for line in text.lines().filter_map(filled) {
        match line.split_once(':') {
            Some((name, value)) => drop(pairs.insert(name.trim().to_owned(), value.trim().into())),
            None => mistakes.push((path.to_owned(), format!("`{line:.100}` is expected to be `name: value`"))),
        }
    }
    pairs
}

fn rule(Rule { status, fault, message }: &Rule) -> Value {
    let one = |text: &str| text.parse::<u16>().map_or_else(|_| Value::from(text), Value::from);
    let mut statuses: Vec<Value> = status.split([',', ' ']).filter_map(filled).map(one).collect();
    let mut rule = json!({"fault": fault});
    match statuses.len() {
        0 => {}
        1 => rule["status"] = statuses.remove(0),
        _ => rule["status"] = statuses.into(),
    }
    if let Some(message) = filled(message) {
        rule["message"] = message.into();
    }
    rule
}

fn pagination(kind: &str, texts: &ActionTexts, path: &str, mistakes: &mut Vec<(String, String)>) -> Value {
    let mut pagination = json!({"type": kind});
    let next = if kind == "cursor" { "cursor" } else { "next" };
    let takes = |member: &str| match member {
        "param" => kind != "link",
        "next" | "cursor" => matches!(kind, "link" | "cursor"),
        _ => true,
    };
    for (member, text) in [("items", &texts.items), ("param", &texts.param), (next, &texts.next)] {
        if let Some(text) = filled(text).filter(|_| takes(member)) {
            pagination[member] = text.into();
        }
    }
    if let Some(most) = filled(&texts.max_pages) {
        pagination["max_pages"] = parsed(most, &format!("{path}/max_pages"), mistakes).unwrap_or_default();
    }
    pagination
}

fn fixture(answer: &Answer, at: usize, mistakes: &mut Vec<(String, String)>) -> Value {
    let Answer { method, path, status, body } = answer;
    let place = format!("/fixtures/{at}/response");
    let mut matcher = Map::new();
    if let Some(method) = filled(method) {
        matcher.insert("method".to_owned(), method.into());
    }
    if let Some(path) = filled(path) {
        // A whole address is taken for its path.
        let path = Url::parse(path).map_or_else(|_| path.to_owned(), |url| url.path().to_owned());
        matcher.insert("path".to_owned(), path.into());
    }
    let mut response = json!({"status": 200});
    if let Some(status) = filled(status) {
        response["status"] = parsed(status, &format!("{place}/status"), mistakes).unwrap_or_default();
    }
    match filled(body) {
        Some(body) if body.starts_with(['{', '[']) => {
            response["json"] = parsed(body, &format!("{place}/json"), mistakes).unwrap_or_default();
        }
        Some(body) => response["text"] = body.into(),
        None => {}
    }
    json!({"match": matcher, "response": response})
}

/// The JSON of a field; without any, `None`.
fn parsed(text: &str, path: &str, mistakes: &mut Vec<(String, String)>) -> Option<Value> {
    let text = filled(text)?;
    match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(error) => {
            mistakes.push((path.to_owned(), format!("this is not JSON: {error}")));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        text.to_owned()
    }

    fn crm() -> BuilderForm {
        let texts = ActionTexts {
            title: text("Get account"),
            description: text("Finds it."),
            url: text("https://crm.example.com/{{ settings.region }}/accounts/{{ input.id }}"),
            query: text("expand: plan\n\nlang : en"),
            mapping: text(".data | {id, name}"),
            pagination: text("link"),
            next: text(".next"),
            param: text("left over"),
            max_pages: text("3"),
            ..ActionTexts::default()
        };
        let id = Parameter { name: text("id"), required: text("on"), ..Parameter::default() };
        let region = Parameter { name: text("region"), default: text("eu"), ..Parameter::default() };
        let rule = Rule { status: text("404, 5xx"), fault: text("not-found"), message: String::new() };
        let body = text(r#"{"data": {"id": "1", "name": "Acme"}}"#);
        let answer = Answer {
            method: text("GET"),
            path: text("https://crm.example.com/eu/accounts/1"),
            body,
            ..Answer::default()
        };
        BuilderForm {
            basics: Basics {
                name: text("Acme CRM"),
                version: text("1.0.0"),
                test_action: text("get_account"),
                test_input: text(r#"{"id": "1"}"#),
                ..Basics::default()
            },
            settings: vec![region],
            actions: vec![ActionForm { texts, parameters: vec![id], rules: vec![rule] }],
            answers: vec![answer],
        }
    }

    #[test]
    fn a_form_writes_a_sound_definition() {
        let Definition { document, mistakes } = write(&crm());
        assert_eq!(mistakes, []);
        assert_eq!((&document["id"], &document["hosts"]), (&json!("acme-crm"), &json!(["crm.example.com"])));
        let action = &document["actions"][0];
        assert_eq!(action["id"], "get_account");
        assert_eq!(action["request"]["query"], json!({"expand": "plan", "lang": "en"}));
        assert_eq!(action["response"]["errors"], json!([{"fault": "not-found", "status": [404, "5xx"]}]));
        assert_eq!(action["pagination"], json!({"type": "link", "next": ".next", "max_pages": 3}));
        assert_eq!(document["fixtures"][0]["match"]["path"], "/eu/accounts/1");
        let read = resly_manifest::from_value(document);
        assert!(read.violations.is_empty(), "{:?}", read.violations);
    }

    #[test]
    fn what_is_no_json_is_told_at_its_place() {
        let mut form = crm();
        form.actions[0].texts.method = text("POST");
        form.actions[0].texts.body = text("{oops");
        form.actions[0].texts.headers = text("no colon");
        form.basics.test_input = text("[");
        form.answers[0].status = text("ok");
        let paths: Vec<String> = write(&form).mistakes.into_iter().map(|(path, _)| path).collect();
        assert_eq!(
            paths,
            ["/actions/0/request/headers", "/actions/0/request/body", "/test/input", "/fixtures/0/response/status"]
        );
    }
}
