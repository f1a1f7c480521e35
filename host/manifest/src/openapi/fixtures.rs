//! Turns a document's examples into fixtures of the chosen operations, for the sandbox.

use serde_json::{Value, json};
use url::Url;

/// The most bytes of all fixtures together.
const MOST_BYTES: usize = 256 << 10;
const MOST_NAMES: usize = 20;

/// Adds a fixture for each action with an answer, as long as the definition stays within `most` bytes. Returns a note
/// about the others.
pub fn add(definition: &mut Value, answers: Vec<Option<Value>>, most: usize) -> Option<String> {
    let mut room = most.saturating_sub(definition.to_string().len()).min(MOST_BYTES);
    let several_hosts = definition["hosts"].as_array().is_some_and(|hosts| hosts.len() > 1);
    let (mut fixtures, mut without) = (Vec::new(), Vec::new());
    for (action, answer) in definition["actions"].as_array().into_iter().flatten().zip(answers) {
        let request = &action["request"];
        let made = answer.and_then(|answer| {
            let (host, path) = place(request["url"].as_str()?)?;
            let mut matcher = json!({"method": request["method"], "path": path});
            if let Some(host) = host.filter(|_| several_hosts) {
                matcher["host"] = json!(host);
            }
            Some((path, json!({"match": matcher, "response": answer})))
        });
        // The comma in the list counts, too.
        let size = made.as_ref().map_or(0, |(_, fixture)| fixture.to_string().len() + 1);
        match made.filter(|_| size <= room) {
            Some(made) => {
                room -= size;
                fixtures.push(made);
            }
            None => without.push(format!("`{}`", action["id"].as_str().unwrap_or_default())),
        }
    }
    // The first match counts, so paths with literal segments come before those with `*`.
    fixtures.sort_by_key(|(path, _)| path.matches('*').count());
    if !fixtures.is_empty() {
        definition["fixtures"] = fixtures.into_iter().map(|(_, fixture)| fixture).collect();
    }
    if without.is_empty() {
        return None;
    }
    let more = without.len().saturating_sub(MOST_NAMES);
    without.truncate(MOST_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!(
        "the sandbox has no fixture for {}{more}: the document has no example of the answer, or a large one; add to \
         `fixtures` what the service answers",
        without.join(", ")
    ))
}

/// The host of a URL, unless it has a setting, and its path with `*` for each segment from a template.
fn place(url: &str) -> Option<(Option<String>, String)> {
    let mut open = String::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once("{{") {
        open.push_str(before);
        open.push('*');
        rest = after.split_once("}}")?.1;
    }
    open.push_str(rest);
    let (_, rest) = open.split_once("://")?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let authority = Some(authority).filter(|authority| !authority.contains('*'));
    // Fixtures compare the path in the URL parser's form.
    let url = Url::parse(&format!("http://{}{path}", authority.unwrap_or("x"))).ok()?;
    let segments: Vec<&str> =
        url.path().split('/').map(|segment| if segment.contains('*') { "*" } else { segment }).collect();
    Some((authority.and(url.host_str()).map(str::to_owned), segments.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_leave_their_segment_open() {
        for (url, host, path) in [
            ("https://{{ settings.shop }}.example.com/v1/pets/{{ input.id }}", None, "/v1/pets/*"),
            ("https://a.example.com:8443/é/{{ input.a }}.json/x", Some("a.example.com"), "/%C3%A9/*/x"),
            ("https://a.example.com", Some("a.example.com"), "/"),
        ] {
            assert_eq!(place(url), Some((host.map(str::to_owned), path.to_owned())), "{url}");
        }
    }

    #[test]
    fn the_more_exact_fixture_comes_first_and_the_rest_is_told() {
        let action = |id: &str, path: &str| json!({"id": id, "request": {"method": "GET", "url": format!("https://a.example{path}")}});
        let mut definition = json!({"hosts": ["a.example"], "actions":
            [action("one", "/pets/{{ input.id }}"), action("mine", "/pets/mine"), action("none", "/x")]});
        let answer = json!({"status": 200, "json": {"a": 1}});
        let told = add(&mut definition, vec![Some(answer.clone()), Some(answer.clone()), None], 1_000);
        assert_eq!(definition["fixtures"][0]["match"], json!({"method": "GET", "path": "/pets/mine"}));
        assert_eq!(
            definition["fixtures"][1],
            json!({"match": {"method": "GET", "path": "/pets/*"}, "response": answer})
        );
        assert!(told.unwrap().contains("no fixture for `none`: "));

        let told = add(&mut definition, vec![Some(json!({"text": "x".repeat(2_000)})), None, None], 2_000);
        assert!(told.unwrap().contains("`one`, `mine`, `none`"));
    }
}
