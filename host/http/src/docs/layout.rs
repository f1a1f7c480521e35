//! The frame of the host's pages: head, navigation, style, and the policy that allows only this style.

use std::{fmt::Write, sync::LazyLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::{
    handbook::{self, GROUPS, render::render},
    html::escape,
};

const STYLE: &str = include_str!("style.css");

/// A page of the handbook at its path (see `handbook::markdown`). Anchors of headings have no dot, so the frame's own
/// anchors have one.
pub fn handbook(path: &str, markdown: &str) -> String {
    let page = render(markdown);
    if path.is_empty() {
        return frame("Handbook", &page.html, "");
    }
    let title = page.headings.first().map_or("Handbook", |heading| heading.text.as_str());
    let mut aside = String::new();
    let sections: Vec<_> = page.headings.iter().filter(|heading| heading.level == 2).collect();
    if sections.len() > 1 {
        aside.push_str("<nav aria-labelledby=\"nav.contents\"><h2 id=\"nav.contents\">On this page</h2><ul>");
        for heading in sections {
            let _ = write!(aside, "<li><a href=\"#{}\">{}</a></li>", escape(&heading.anchor), escape(&heading.text));
        }
        aside.push_str("</ul></nav>");
    }
    aside.push_str(&pages(path));
    frame(title, &page.html, &aside)
}

/// The list of all pages, with the one at `current` marked.
fn pages(current: &str) -> String {
    let mut list = "<nav aria-labelledby=\"nav.pages\" class=\"pages\"><h2 id=\"nav.pages\">Handbook</h2>".to_owned();
    let item = |path: &str, title: &str| {
        let mark = if path == current { " aria-current=\"page\"" } else { "" };
        format!("<li><a href=\"/docs/{path}\"{mark}>{}</a></li>", escape(title))
    };
    for (group, names) in GROUPS {
        let _ = write!(list, "<h3>{group}</h3><ul>");
        for page in names.iter().filter_map(|name| handbook::page(name)) {
            list.push_str(&item(page.name, page.title()));
        }
        list.push_str("</ul>");
    }
    let _ = write!(list, "<h3>Errors</h3><ul>{}</ul></nav>", item("problems", "Problems"));
    list
}

/// The front page. Everybody who can reach the host sees it, so it says nothing about this host in particular.
pub fn home() -> String {
    let links = [
        ("/docs", "Handbook", "How to ask, what to set, how to connect a service."),
        ("/docs/getting-started", "Getting started", "From the demo to your own organization in four steps."),
        ("/openapi.json", "API description", "OpenAPI, for tools that make clients and try requests."),
        ("/docs/problems", "Problems", "Every error this host can answer with, and what to do next."),
        ("/console", "Console", "For who has a sign-in link."),
        ("/healthz", "Health", "Whether the host runs. <a href=\"/readyz\">Ready</a> tells whether it can answer."),
    ];
    let mut main =
        "<h1>Resly</h1><p class=\"lead\">This host answers customers from what a company knows and from the services \
                    it runs on.</p><p>Apps ask it by <code>POST /api/chat</code> with an API key. \
                    <a href=\"/docs/chat-api\">The chat API</a> shows how.</p><ul class=\"cards\">"
            .to_owned();
    for (path, name, about) in links {
        let _ = write!(main, "<li><h2><a href=\"{path}\">{name}</a></h2><p>{about}</p></li>");
    }
    main.push_str("</ul>");
    frame("Resly", &main, "")
}

pub fn not_found() -> String {
    let main = "<h1>Nothing is here</h1><p>Nothing answers at this address. The <a href=\"/docs\">handbook</a> lists its \
                pages, and <a href=\"/openapi.json\">the API description</a> what programs can ask for.</p>";
    frame("Nothing is here", main, &pages("not-found"))
}

/// `main` and `aside` are HTML, `title` is text.
fn frame(title: &str, main: &str, aside: &str) -> String {
    let title = if title == "Resly" { title.to_owned() } else { format!("{} · Resly", escape(title)) };
    let (jump, aside) = if aside.is_empty() {
        ("", String::new())
    } else {
        ("<a href=\"#nav.pages\" class=\"jump\">All pages</a>", format!("<div class=\"aside\">{aside}</div>"))
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<a href=\"#page.main\" class=\"skip\">Skip to the content</a>\n\
         <header><a href=\"/\" class=\"brand\">Resly</a><a href=\"/docs\">Handbook</a>\
         <a href=\"/openapi.json\">API</a>{jump}</header>\n\
         <div class=\"columns\">\n<main id=\"page.main\" tabindex=\"-1\">\n{main}</main>\n{aside}</div>\n</body>\n</html>\n"
    )
}

/// The headers of every page: it runs no script, loads nothing, sends nothing and is shown in no frame.
pub fn protect(headers: &mut HeaderMap) {
    static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
        let digest = STANDARD.encode(Sha256::digest(STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        // It is ASCII. Without it the page would only lose its style.
        HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
    });
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}
