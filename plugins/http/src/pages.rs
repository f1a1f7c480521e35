//! Pagination: asks page after page, up to a bound, and gives the items of all as one list.

use resly_sdk::{
    Fault, Result,
    http::{Request, Response},
};
use serde_json::Value;

use crate::{
    Outside,
    definition::{Pagination, ResponseRule},
    request::add_query,
    response,
    template::plain,
};

/// More than a definition may ask for.
const MOST_PAGES: usize = 20;

pub fn collect(pagination: &Pagination, first: Request, rule: &ResponseRule, outside: &Outside) -> Result<Value> {
    let (items, max_pages) = match pagination {
        Pagination::Link { items, max_pages }
        | Pagination::Cursor { items, max_pages, .. }
        | Pagination::Page { items, max_pages, .. }
        | Pagination::Offset { items, max_pages, .. } => (items, (*max_pages).clamp(1, MOST_PAGES)),
    };
    let mut all: Vec<Value> = Vec::new();
    let mut next = Some(match pagination {
        Pagination::Page { param, start, .. } => with(&first, param, &start.to_string()),
        Pagination::Offset { param, .. } => with(&first, param, "0"),
        Pagination::Link { .. } | Pagination::Cursor { .. } => first.clone(),
    });
    for page in 0..max_pages {
        let Some(request) = next.take() else { break };
        let response = (outside.send)(request)?;
        let body = response::read(&response, rule, outside)?;
        let found = match items {
            Some(filter) => (outside.map)(filter, &body)?,
            None => body.clone(),
        };
        let Value::Array(found) = found else {
            return Err(Fault::internal("pagination needs `items`: a jq filter that gives a page's list"));
        };
        if found.is_empty() {
            break;
        }
        all.extend(found);
        next = match pagination {
            Pagination::Link { .. } => linked(&first, &response)?,
            Pagination::Cursor { cursor, param, .. } => plain(&(outside.map)(cursor, &body)?)
                .filter(|cursor| !cursor.is_empty())
                .map(|cursor| with(&first, param, &cursor)),
            Pagination::Page { param, start, .. } => {
                let number = start + u64::try_from(page).unwrap_or(0) + 1;
                Some(with(&first, param, &number.to_string()))
            }
            Pagination::Offset { param, .. } => Some(with(&first, param, &all.len().to_string())),
        };
    }
    Ok(Value::Array(all))
}

fn with(first: &Request, param: &str, value: &str) -> Request {
    let mut request = first.clone();
    add_query(&mut request.url, param, value);
    request
}

/// The target of `rel="next"` (RFC 8288). It has to stay on the first page's origin.
fn linked(first: &Request, response: &Response) -> Result<Option<Request>> {
    let Some(header) = response.header("link") else { return Ok(None) };
    for link in header.split(",<").flat_map(|link| link.split(", <")) {
        let Some((target, parameters)) = link.trim().trim_start_matches('<').split_once('>') else { continue };
        let is_next = parameters.split(';').any(|parameter| {
            let parameter = parameter.trim().to_ascii_lowercase();
            parameter == "rel=\"next\"" || parameter == "rel=next"
        });
        if !is_next {
            continue;
        }
        let origin = origin(&first.url);
        let url = if target.starts_with('/') && !target.starts_with("//") {
            format!("{origin}{target}")
        } else {
            target.to_owned()
        };
        if crate::pages::origin(&url) != origin {
            return Err(Fault::upstream("the service's next page is on another host").retryable(false));
        }
        return Ok(Some(Request { url, ..first.clone() }));
    }
    Ok(None)
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find(['/', '?', '#']).map_or(url, |end| &url[..host + end])
}
