//! A help desk whose articles are listed by a declarative connector, page by page.

use serde_json::{Value, json};

/// The mapping from a page of the help desk to items.
pub const MAPPING: &str = "{items: [.articles[] | {id, title: .name, markdown: .body, url: .link}], next: .next_page}";

/// The connector's manifest. `host` is where the help desk is, and `pages` what its fixtures answer: the first page, then
/// that for the cursor `2`, and so on.
pub fn definition(host: &str, version: &str, pages: &[Value]) -> Value {
    // A host with a port is one on loopback.
    let scheme = if host.contains(':') { "http" } else { "https" };
    let fixture = |(at, page): (usize, &Value)| {
        let query = if at == 0 { json!({}) } else { json!({"after": (at + 1).to_string()}) };
        json!({"match": {"path": "/articles", "query": query}, "response": {"json": page}})
    };
    // What has no query matches any, so it is the last.
    let fixtures: Vec<Value> = pages.iter().enumerate().rev().map(fixture).collect();
    json!({
        "id": "helpdesk", "name": "Help desk", "version": version, "hosts": [host],
        "auth": {"type": "none"}, "retry": {"retries": 0},
        "actions": [
            {"id": "list_articles", "title": "List articles", "description": "Lists articles.", "side_effect": "read",
                "input": {"type": "object", "properties": {"after": {"type": ["string", "integer"]}}},
                "request": {"url": format!("{scheme}://{host}/articles"), "query": {"after": "{{ input.after }}"}}},
            {"id": "add_article", "title": "Add an article", "description": "Adds an article.", "side_effect": "write",
                "input": {"type": "object", "properties": {}},
                "request": {"method": "POST", "url": format!("{scheme}://{host}/articles")}}],
        "test": {"action": "list_articles", "input": {}},
        "fixtures": fixtures,
    })
}

/// A page of the help desk. An article is its id and its text.
pub fn page(articles: &[(u32, &str)], next: Option<u32>) -> Value {
    let article = |(id, text): &(u32, &str)| json!({"id": id, "name": format!("Article {id}"), "body": text, "link": format!("https://help.example/{id}")});
    json!({"articles": articles.iter().map(article).collect::<Vec<_>>(), "next_page": next})
}
