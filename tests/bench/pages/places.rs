//! Which addresses are asked for: every page of the console by its route, with the filters that people use, and the lists
//! of the admin API.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};
use resly_core::time::Timestamp;
use resly_http::pagination;
use resly_store::Cursor;
use serde_json::Value;

/// One address. Its name is the same on both databases.
#[derive(Clone)]
pub struct Place {
    pub name: String,
    pub path: String,
}

/// Ids of rows that there are, by the path that they belong to.
pub type Ids = BTreeMap<&'static str, String>;

/// What stands for `{…}` in a route, the longest beginning first.
const EXAMPLES: [(&str, &str, &str); 10] = [
    ("/console/connectors/{id}/versions", "crm", "1.0.0"),
    ("/console/connectors", "shopify", ""),
    ("/console/connections", "connection", "find_order"),
    ("/console/conversations", "conversation", ""),
    ("/console/tickets", "ticket", ""),
    ("/console/logs", "log", ""),
    ("/console/knowledge/crawls", "crawl", ""),
    ("/console/knowledge", "source", ""),
    ("/console/deploy/api", "key", ""),
    ("/console/assets", "", ""),
];

/// Filters that people use, by page. `OLD` is a cursor near the end, `MONTH` the month before, and `{…}` an id.
const FILTERS: [(&str, &[&str]); 10] = [
    ("/console/connectors", &["q=country 4", "q=nothing has this"]),
    (
        "/console/conversations",
        &[
            "state=waiting",
            "state=yours",
            "state=ai",
            "visitor=visitor-500",
            "visitor=nobody",
            "tag=vip",
            "tag=rare",
            "connector=shopify",
            "connector=nothing",
            "since=SINCE",
            "until=SINCE",
            "before=OLD",
        ],
    ),
    (
        "/console/tickets",
        &["status=open", "status=yours", "priority=urgent", "status=pending&priority=urgent", "before=OLD"],
    ),
    (
        "/console/logs",
        &[
            "result=failed",
            "result=limit",
            "result=denied",
            "environment=sandbox",
            "caller=admin",
            "caller=crawl",
            "action=find_products",
            "action=nothing",
            "connection={connection}",
            "connection={connection}&result=failed",
            "conversation={conversation}",
            "q=answered 503",
            "q=orders/777",
            "q=nothing has this",
            "to=SINCET00:00",
            "before=OLD",
        ],
    ),
    ("/console/knowledge", &["status=failed", "before=OLD"]),
    ("/console/knowledge/search", &["q=baneti roka"]),
    ("/console/account/audit", &["kind=member", "kind=nothing", "actor={person}", "before=OLD"]),
    (
        "/console/account/billing/history",
        &[
            "by=key",
            "by=connection",
            "by=conversation",
            "month=MONTH",
            "by=key&month=MONTH",
            "by=conversation&month=MONTH",
        ],
    ),
    ("/console/account/billing/events", &["before=OLD"]),
    ("/console/account/webhook", &["before=OLD"]),
];

/// The same for the API's lists.
const ADMIN_FILTERS: [(&str, &[&str]); 6] = [
    ("/api/admin/conversations", &["state=waiting", "limit=200", "before=OLD"]),
    ("/api/admin/tickets", &["limit=200", "before=OLD"]),
    ("/api/admin/logs", &["status=upstream", "reason=denied", "q=nothing has this", "limit=200", "before=OLD"]),
    ("/api/admin/audit", &["action=member", "subject=subject-7", "actor={person}", "before=OLD"]),
    ("/api/admin/sources", &["status=failed", "limit=200", "before=OLD"]),
    ("/api/admin/usage/history", &["by=day", "by=key", "by=connection", "by=conversation"]),
];

/// The pages of `host/console/src/lib.rs`, and the routes for which there is no example here.
pub fn console(ids: &Ids, now: Timestamp) -> Result<(Vec<Place>, Vec<String>)> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../host/console/src/lib.rs");
    let text: String = fs::read_to_string(file).context(file)?.split_whitespace().collect();
    let (mut places, mut unknown) = (Vec::new(), Vec::new());
    for route in text.split(".route(\"").skip(1) {
        let Some((route, handlers)) = route.split_once('"') else { continue };
        if !handlers.split(".route(").next().is_some_and(|own| own.contains("get(")) || route.contains("/assets/") {
            continue;
        }
        match example(route, ids) {
            Some(path) => places.push(Place { name: route.to_owned(), path }),
            None => unknown.push(route.to_owned()),
        }
    }
    let filtered =
        FILTERS.iter().flat_map(|(path, queries)| queries.iter().map(|query| filtered(path, query, ids, now)));
    places.extend(filtered);
    Ok((places, unknown))
}

/// The lists of the admin API: what is read without an id.
pub fn admin(openapi: &Value, ids: &Ids, now: Timestamp) -> Vec<Place> {
    let paths = openapi["paths"].as_object().into_iter().flatten();
    let lists = paths.filter(|(path, methods)| {
        path.starts_with("/api/admin/") && !path.contains('{') && methods.get("get").is_some()
    });
    let lists = lists.map(|(path, _)| Place { name: path.clone(), path: path.clone() });
    let queries = ADMIN_FILTERS.iter();
    let filtered = queries.flat_map(|(path, queries)| queries.iter().map(|query| filtered(path, query, ids, now)));
    lists.chain(filtered).collect()
}

/// The address of a route with ids that there are.
fn example(route: &str, ids: &Ids) -> Option<String> {
    if !route.contains('{') {
        return Some(route.to_owned());
    }
    let (_, first, second) = EXAMPLES.iter().find(|(beginning, ..)| route.starts_with(beginning))?;
    let first = ids.get(first).map_or(*first, String::as_str);
    let mut given = [first, second].into_iter();
    let steps: Option<Vec<&str>> = route
        .split('/')
        .map(|step| if step.starts_with('{') { given.next().filter(|id| !id.is_empty()) } else { Some(step) })
        .collect();
    Some(steps?.join("/"))
}

fn filtered(path: &str, query: &str, ids: &Ids, now: Timestamp) -> Place {
    let days = |days: u64| now.minus(std::time::Duration::from_secs(days * 86_400)).to_string();
    let old = pagination::encode(Cursor::before(now.minus(std::time::Duration::from_secs(29 * 86_400 + 80_000))));
    let mut text = query.replace("OLD", &old).replace("SINCE", &days(20)[..10]).replace("MONTH", &days(31)[..7]);
    for (name, id) in ids {
        text = text.replace(&format!("{{{name}}}"), id);
    }
    Place { name: format!("{path}?{query}"), path: format!("{path}?{}", text.replace(' ', "+")) }
}

/// The address of the page after this one, if there is one.
pub fn second(place: &Place, answer: &str) -> Option<Place> {
    let name = format!("{}, second page", place.name);
    if place.path.starts_with("/api/") {
        let answer: Value = serde_json::from_str(answer).ok()?;
        let next = answer["next"].as_str()?;
        let sign = if place.path.contains('?') { '&' } else { '?' };
        return Some(Place { name, path: format!("{}{sign}before={next}", place.path) });
    }
    let (_, link) = answer.split_once("class=\"pager\"")?;
    let path = link.split_once("href=\"")?.1.split('"').next()?.replace("&amp;", "&");
    Some(Place { name, path })
}
