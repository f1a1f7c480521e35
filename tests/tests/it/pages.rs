//! The host's own pages: every link and anchor leads somewhere, as HTML and as Markdown, and nothing in a page is in force.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Response, header};
use resly_http::handbook;
use resly_search::anchor::Anchors;
use resly_tests::app::TestApp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn get(app: &TestApp, target: &str, accept: &str) -> Response {
    app.client.get(app.url(target)).header(header::ACCEPT, accept).send().await.unwrap()
}

fn field<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// The values of an attribute, whose characters have no references in our pages but `&amp;`.
fn attributes(html: &str, name: &str) -> Vec<String> {
    let opened = format!(" {name}=\"");
    let values = html.split(&opened).skip(1).map(|rest| rest.split('"').next().unwrap());
    values.map(|value| value.replace("&amp;", "&")).collect()
}

/// Follows each link of this host from `start`, and gives what was found: the text at each path, and who links to which
/// anchor of it.
async fn walk(
    app: &TestApp,
    start: &str,
    accept: &str,
    links: fn(&str) -> Vec<String>,
) -> (BTreeMap<String, (String, String)>, Vec<(String, Url)>) {
    let host = Url::parse(&app.url(start)).unwrap();
    let mut found = BTreeMap::new();
    let mut anchors = Vec::new();
    let mut open = vec![host.clone()];
    while let Some(url) = open.pop() {
        if found.contains_key(url.path()) {
            continue;
        }
        let response = get(app, url.path(), accept).await;
        assert_eq!(response.status(), 200, "{url}");
        let kind = field(&response, "content-type").to_owned();
        let text = response.text().await.unwrap();
        if kind.starts_with("text/html") || kind.starts_with("text/markdown") {
            for link in links(&text) {
                let target = url.join(&link).unwrap_or_else(|_| panic!("{link} on {url}"));
                if target.origin() == host.origin() {
                    anchors.push((url.path().to_owned(), target.clone()));
                    open.push(target);
                }
            }
        }
        found.insert(url.path().to_owned(), (kind, text));
    }
    (found, anchors)
}

#[tokio::test]
async fn every_link_and_anchor_of_the_pages_resolves() {
    let app = TestApp::start().await;
    let (mut found, links) = walk(&app, "/", BROWSER, |html| attributes(html, "href")).await;
    // Of the problems only their page is linked; each is the `type` of an answer.
    for path in handbook::paths().filter(|path| path.starts_with("problems/")) {
        let path = format!("/docs/{path}");
        let page = get(&app, &path, BROWSER).await;
        let kind = field(&page, "content-type").to_owned();
        let html = page.text().await.unwrap();
        for link in attributes(&html, "href").iter().filter(|link| link.starts_with('/')) {
            assert!(found.contains_key(link), "{link} on {path}");
        }
        found.insert(path, (kind, html));
    }
    for path in handbook::paths() {
        let path = format!("/docs/{path}");
        assert!(found.contains_key(path.trim_end_matches('/')), "nothing leads to {path}");
    }
    let mut checked = 0;
    for (path, target) in links {
        let Some(anchor) = target.fragment() else { continue };
        let ids = attributes(&found[target.path()].1, "id");
        assert!(ids.iter().any(|id| id == anchor), "{target} on {path}");
        checked += 1;
    }
    assert!(checked > 300, "{checked}");
    for (path, (kind, html)) in found.iter().filter(|(_, (kind, _))| kind.starts_with("text/html")) {
        // The console's pages have a frame of their own.
        if !path.starts_with("/console") {
            well_formed(path, html);
            assert_eq!(kind, "text/html; charset=utf-8");
        }
    }
}

/// Elements nest, anchors are distinct, and a person finds language, title, main part and the way to it.
fn well_formed(path: &str, html: &str) {
    let mut open = Vec::new();
    for tag in html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{path}: <{tag}>");
        } else if !matches!(name, "!DOCTYPE" | "meta" | "br" | "hr" | "input") {
            open.push(name);
        }
        assert!(!matches!(name, "img" | "iframe" | "link" | "object"), "{path}: <{tag}>");
        assert!(!tag.contains(" style=") && !tag.contains(" on"), "{path}: <{tag}>");
    }
    assert!(open.is_empty(), "{path}: {open:?}");
    let ids = attributes(html, "id");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{path}: {ids:?}");
    assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{path}");
    for one in [
        "<title>",
        "<script",
        "<form action=\"/docs\" role=\"search\">",
        "<form",
        "<main id=\"page.main\"",
        "<h1",
        "<a href=\"#page.main\" class=\"skip\">",
        "name=\"viewport\"",
    ] {
        assert_eq!(html.matches(one).count(), 1, "{path}: {one}");
    }
    assert!(!html.contains("<title> "), "{path}");
}

#[tokio::test]
async fn every_link_and_anchor_of_the_markdown_resolves() {
    let app = TestApp::start().await;
    let links = |text: &str| {
        let targets = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned());
        targets.collect()
    };
    let (found, links) = walk(&app, "/docs", "*/*", links).await;
    for page in handbook::PAGES {
        let (kind, text) = &found[&format!("/docs/{}.md", page.name)];
        assert_eq!((kind.as_str(), text.as_str()), ("text/markdown; charset=utf-8", page.text));
        let plain = get(&app, &format!("/docs/{}", page.name), "*/*").await;
        assert_eq!(plain.text().await.unwrap(), page.text);
    }
    let mut checked = 0;
    for (path, target) in links {
        let Some(anchor) = target.fragment() else { continue };
        let mut anchors = Anchors::default();
        let headings = found[target.path()].1.lines().filter(|line| line.starts_with('#'));
        let mut known = headings.map(|line| anchors.next(&line.trim_start_matches('#').replace('`', "")));
        assert!(known.any(|known| known == anchor), "{target} on {path}");
        checked += 1;
    }
    assert!(checked > 5, "{checked}");
}

/// What the repository's front page links to is there.
#[test]
fn every_link_of_the_readme_resolves() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let text = std::fs::read_to_string(format!("{root}/README.md")).unwrap();
    for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let path = std::path::Path::new(root).join(file);
        assert!(path.exists(), "{link}");
        if !anchor.is_empty() {
            // As GitHub makes them of headings.
            let slug = |heading: &str| heading.trim().to_lowercase().replace(' ', "-").replace(['?', '`', ','], "");
            let text = std::fs::read_to_string(path).unwrap();
            assert!(
                text.lines().any(|line| line.starts_with('#') && slug(line.trim_start_matches('#')) == anchor),
                "{link}"
            );
        }
    }
}

#[tokio::test]
async fn browsers_get_pages_and_programs_what_they_can_read() {
    let app = TestApp::start().await;
    for (target, accept, kind) in [
        ("/", BROWSER, "text/html; charset=utf-8"),
        ("/", "*/*", "application/json"),
        ("/", "application/json", "application/json"),
        ("/docs", BROWSER, "text/html; charset=utf-8"),
        ("/docs", "*/*", "text/markdown; charset=utf-8"),
        ("/docs/api-keys", BROWSER, "text/html; charset=utf-8"),
        ("/docs/api-keys", "text/markdown, text/html;q=0.9", "text/markdown; charset=utf-8"),
        ("/docs/api-keys.md", BROWSER, "text/markdown; charset=utf-8"),
        ("/docs/problems", BROWSER, "text/html; charset=utf-8"),
        ("/docs/problems.md", BROWSER, "text/markdown; charset=utf-8"),
        ("/docs/problems/limit-reached", BROWSER, "text/html; charset=utf-8"),
        ("/docs/problems/limit-reached", "*/*", "text/markdown; charset=utf-8"),
        ("/docs/problems/limit-reached.md", BROWSER, "text/markdown; charset=utf-8"),
    ] {
        let response = get(&app, target, accept).await;
        assert_eq!((response.status().as_u16(), field(&response, "content-type")), (200, kind), "{target} {accept}");
        assert_eq!(field(&response, "vary"), "accept", "{target}");
    }
    let paths: Value = get(&app, "/", "*/*").await.json().await.unwrap();
    for path in paths.as_object().unwrap().values() {
        assert_eq!(get(&app, path.as_str().unwrap(), "*/*").await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_page_allows_nothing_but_its_own_style_and_script() {
    let app = TestApp::start().await;
    for target in ["/", "/docs", "/docs/chat-api", "/docs/problems", "/docs/problems/not-found", "/docs/no-such"] {
        let response = get(&app, target, BROWSER).await;
        assert_eq!(field(&response, "x-content-type-options"), "nosniff");
        let policy = field(&response, "content-security-policy").to_owned();
        let html = response.text().await.unwrap();
        let [style, script] = ["style", "script"].map(|tag| {
            let (_, rest) = html.split_once(&format!("<{tag}>")).unwrap();
            STANDARD.encode(Sha256::digest(rest.split_once(&format!("</{tag}>")).unwrap().0))
        });
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none'; \
                 form-action 'self'; frame-ancestors 'none'"
            ),
            "{target}"
        );
    }
}

/// The owner's page: somebody who reads the handbook finds what they ask for.
#[tokio::test]
async fn the_handbook_is_searched() {
    let app = TestApp::start().await;
    let page = get(&app, "/docs?q=how+do+I+rotate+a+key", BROWSER).await;
    assert_eq!((page.status().as_u16(), field(&page, "content-type")), (200, "text/html; charset=utf-8"));
    let html = page.text().await.unwrap();
    well_formed("/docs?q", &html);
    let first = attributes(html.split_once("class=\"found\"").unwrap().1, "href").remove(0);
    assert!(first.starts_with("/docs/api-keys#"), "{first}");
    let (path, anchor) = first.split_once('#').unwrap();
    let target = get(&app, path, BROWSER).await.text().await.unwrap();
    assert!(target.contains(&format!("id=\"{anchor}\"")), "{first}");
    let list = get(&app, "/docs?q=how+do+I+rotate+a+key", "*/*").await.text().await.unwrap();
    assert!(list.contains("](/docs/api-keys.md)"), "{list}");
    let none = get(&app, "/docs?q=%3Czzqqxw%3E", BROWSER).await.text().await.unwrap();
    assert!(none.contains("value=\"&lt;zzqqxw&gt;\"") && none.contains("Nothing in the handbook"), "{none}");
    let empty = get(&app, "/docs?q=", BROWSER).await.text().await.unwrap();
    assert!(empty.contains("Getting started") || empty.contains("/docs/getting-started"), "{empty}");
}

#[tokio::test]
async fn a_language_model_reads_the_handbook() {
    let app = TestApp::start().await;
    let list = get(&app, "/llms.txt", BROWSER).await;
    assert_eq!(field(&list, "content-type"), "text/markdown; charset=utf-8");
    let list = list.text().await.unwrap();
    assert!(list.starts_with("# Resly\n\n> "), "{list}");
    let links: Vec<&str> = list.split("](").skip(1).map(|link| link.split(')').next().unwrap()).collect();
    assert!(links.len() > 30, "{list}");
    for link in links {
        assert_eq!(get(&app, link, "*/*").await.status(), 200, "{link}");
    }
    for line in list.lines().filter(|line| line.starts_with("- [")) {
        assert!(line.split_once("): ").is_some_and(|(_, about)| about.len() > 15), "{line}");
    }
}

#[tokio::test]
async fn the_front_page_tells_nothing_of_the_host() {
    let app = TestApp::start().await;
    for accept in [BROWSER, "*/*"] {
        let text = get(&app, "/", accept).await.text().await.unwrap();
        assert!(!text.contains(env!("CARGO_PKG_VERSION")) && !text.contains("127.0.0.1"), "{text}");
    }
}

#[tokio::test]
async fn the_host_explains_itself() {
    let app = TestApp::start().await;
    let read = async |path: &str| {
        let response = get(&app, path, "*/*").await;
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!((read("/healthz").await.0, read("/readyz").await.0), (200, 200));
    let (_, explained) = read("/docs/problems/limit-reached").await;
    assert!(explained.contains("Retry-After"), "{explained}");
    assert_eq!(read("/docs/problems/no-such").await.0, 404);
    assert!(read("/docs/problems").await.1.contains("## A limit is reached"));
    let document: Value = serde_json::from_str(&read("/openapi.json").await.1).unwrap();
    assert!(document["paths"]["/api/chat"]["post"].is_object());
    let (_, metrics) = read("/metrics").await;
    let one = "resly_request_duration_seconds_count{route=\"/healthz\",method=\"GET\",status=\"200\"} 1";
    assert!(metrics.contains(one), "{metrics}");
    assert_eq!(read("/api/nothing").await.0, 401, "who has no key learns no path");
}

#[tokio::test]
async fn a_revisit_is_a_304() {
    let app = TestApp::start().await;
    let mut tags = BTreeSet::new();
    for (target, accept) in [("/", BROWSER), ("/", "*/*"), ("/docs/oauth", BROWSER), ("/docs/oauth", "*/*")] {
        let first = get(&app, target, accept).await;
        assert_eq!(field(&first, "cache-control"), "no-cache");
        let tag = field(&first, "etag").to_owned();
        for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let request = app.client.get(app.url(target)).header(header::ACCEPT, accept);
            let again = request.header(header::IF_NONE_MATCH, known).send().await.unwrap();
            assert_eq!((again.status().as_u16(), field(&again, "etag")), (304, tag.as_str()), "{target}");
            assert_eq!(field(&again, "vary"), "accept");
            assert!(again.bytes().await.unwrap().is_empty());
        }
        let request = app.client.get(app.url(target)).header(header::ACCEPT, accept);
        let changed = request.header(header::IF_NONE_MATCH, "\"other\"").send().await.unwrap();
        assert_eq!(changed.status(), 200);
        assert!(tags.insert(tag), "each form has a tag of its own");
    }
    let head = app.client.head(app.url("/docs/oauth")).header(header::ACCEPT, BROWSER).send().await.unwrap();
    assert!(tags.contains(field(&head, "etag")));
}

#[tokio::test]
async fn what_is_not_there_is_a_page_for_browsers_and_a_problem_for_programs() {
    let app = TestApp::start().await;
    for target in ["/no-such-token", "/docs/no-such-token", "/docs/problems/no-such-token", "/docs/a/b/c"] {
        let page = get(&app, target, BROWSER).await;
        let told = (page.status().as_u16(), field(&page, "content-type"), field(&page, "cache-control"));
        assert_eq!(told, (404, "text/html; charset=utf-8", "no-store"), "{target}");
        let html = page.text().await.unwrap();
        well_formed(target, &html);
        assert!(!html.contains("no-such-token"));
        let problem = get(&app, target, "*/*").await;
        assert_eq!((problem.status().as_u16(), field(&problem, "vary")), (404, "accept"), "{target}");
        assert_eq!(field(&problem, "content-type"), "application/problem+json");
        assert_eq!(problem.json::<Value>().await.unwrap()["type"], "/docs/problems/not-found");
    }
    for (target, status) in [("/docs/no-such.md", 404), ("/api/no-such", 401)] {
        let problem = get(&app, target, BROWSER).await;
        let told = (problem.status().as_u16(), field(&problem, "content-type"));
        assert_eq!(told, (status, "application/problem+json"), "{target}");
    }
}

#[tokio::test]
async fn a_citation_leads_to_its_section_where_the_source_promises_anchors() {
    let app = TestApp::start().await;
    for (title, url) in [("Keys", "https://help.example/keys#"), ("Parcels", "https://help.example/parcels")] {
        let text = format!("# {title}\n\n## How do I return {title}?\n\nReturn {title} by post.");
        let source = json!({"title": title, "content_type": "text/markdown", "text": text, "url": url});
        let added = app.client.post(app.url("/api/admin/sources")).bearer_auth(&app.admin).json(&source);
        assert_eq!(added.send().await.unwrap().status(), 201);
    }
    for (query, url) in [
        ("return keys", "https://help.example/keys#how-do-i-return-keys"),
        ("return parcels", "https://help.example/parcels"),
    ] {
        let search = app.client.post(app.url("/api/search")).bearer_auth(&app.key).json(&json!({"query": query}));
        let found: Value = search.send().await.unwrap().json().await.unwrap();
        assert_eq!(found["results"][0]["url"], url, "{found}");
    }
}
