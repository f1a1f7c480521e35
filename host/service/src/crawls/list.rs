//! A crawl of a connector's list: calls the action for one page, and takes the items of its output.

use resly_core::{
    connector::{
        call::{CallError, CallReport},
        fault::Fault,
    },
    knowledge::{
        SourceKind,
        crawl::{ItemContent, ListSettings},
    },
};
use resly_store::{DueCrawl, FoundLink, FoundPage, PageKind, PageResult, PageSource};
use serde_json::Value;

use super::{
    asked::{Asked, Stop},
    check::request,
};
use crate::{
    App, FieldError,
    sources::{check_url, shown_url},
};

/// Items of one page of a list.
const ITEMS: usize = 1000;
/// Bytes of an item's id.
const LONGEST_ID: usize = 500;
/// Bytes of the cursor of a page.
const LONGEST_CURSOR: usize = 2048;

const NO_OBJECT: &str =
    "an item has to be an object with `id`, `title`, `url` and one of `text`, `markdown` and `html`";
const NO_ID: &str = "its `id` has to be a text or a whole number of at most 500 bytes";
const NO_TITLE: &str = "its `title` has to be a text or null";
const NO_TEXT: &str = "it has to have one of `text`, `markdown` and `html`, and that has to be a text";
const NO_URL: &str = "its `url` has to be null, or an http or https URL as it would be in a browser's address bar";

/// The first page of a list.
pub fn first_page() -> FoundLink {
    page(String::new(), 0)
}

fn page(url: String, depth: u32) -> FoundLink {
    FoundLink { url, kind: PageKind::List, depth, skip: None, content: None }
}

/// The source of an item.
pub fn source(crawl: &DueCrawl, found: &FoundPage) -> PageSource {
    PageSource {
        kind: SourceKind::ListItem,
        identity: format!("item:{}/{}", crawl.id, found.url),
        url: found.content.as_ref().and_then(|content| content.url.clone()),
    }
}

/// Asks for a page of a list. Its items are found then, with their content.
pub async fn read_list(app: &App, crawl: &DueCrawl, list: &ListSettings, found: &FoundPage) -> Result<Asked, Stop> {
    let mut input = list.input.clone();
    if let (Some(name), Ok(cursor)) = (&list.cursor_input, serde_json::from_str::<Value>(&found.url)) {
        input[name] = cursor;
    }
    let report = match app.connectors.call(request(crawl.organization, list, input)).await {
        Ok(report) => report,
        Err(CallError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(over(error.to_string())),
    };
    let notes = report.notes();
    let output = output(report)?;
    let Some(items) = output.get("items").and_then(Value::as_array).filter(|items| items.len() <= ITEMS) else {
        let expected =
            format!("the mapping has to give {{\"items\": [...], \"next\": ...}} with at most {ITEMS} items");
        return Err(over(format!("{expected}; it gave {}", start(&output))));
    };
    let mut links: Vec<FoundLink> =
        items.iter().enumerate().map(|(at, item)| link(item, found.depth + 1, at + 1)).collect();
    let next = output.get("next").filter(|next| !is_end(next)).map(Value::to_string);
    let cut = match next {
        None => None,
        Some(_) if list.cursor_input.is_none() => {
            Some("the list goes on, and `cursor_input` doesn't name the input that takes `next`".to_owned())
        }
        Some(_) if found.depth + 1 >= list.most_calls => {
            Some(format!("the list goes on after {} calls; raise `most_calls`", list.most_calls))
        }
        Some(next) if next.len() > LONGEST_CURSOR => {
            Some(format!("the list goes on, and `next` is longer than {LONGEST_CURSOR} bytes"))
        }
        Some(next) => {
            links.push(page(next, found.depth + 1));
            None
        }
    };
    // What isn't in a list that may be incomplete is no reason to delete it.
    let warned = (!notes.is_empty()).then(|| format!("the connector warned: {}", notes.join("; ")));
    let result = cut.or(warned).map_or(PageResult::Listed, |reason| PageResult::Failed { reason });
    Ok(Asked { links, bytes: output.to_string().len() as u64, ..Asked::of(result) })
}

/// What a call gave, or why the run stops.
fn output(report: CallReport) -> Result<Value, Stop> {
    match (report.result, report.limit) {
        (Ok(output), _) => Ok(output),
        (Err(_), Some(limit)) => Err(Stop::Over { reason: limit.to_string(), at: Some(limit.resets_at) }),
        (Err(fault), None) if fault.retryable => Err(Stop::Retry(told(&fault))),
        (Err(fault), None) => Err(over(told(&fault))),
    }
}

fn told(fault: &Fault) -> String {
    format!("the call failed ({}): {}", fault.kind.name(), fault.for_admin())
}

fn over(reason: String) -> Stop {
    Stop::Over { reason, at: None }
}

/// The start of a value, for a message.
fn start(value: &Value) -> String {
    const MOST: usize = 100;
    let text = value.to_string();
    if text.len() <= MOST { text } else { format!("{}…", &text[..text.floor_char_boundary(MOST)]) }
}

fn is_end(next: &Value) -> bool {
    matches!(next, Value::Null | Value::Bool(false)) || next.as_str() == Some("")
}

/// An item of a page. One that can't become a source is skipped, and says why.
fn link(item: &Value, call: u32, at: usize) -> FoundLink {
    let link = |url, skip, content| FoundLink { url, kind: PageKind::Page, depth: 0, skip, content };
    let nameless = || format!("item {at} of page {call} of the list");
    if !item.is_object() {
        return link(nameless(), Some(NO_OBJECT), None);
    }
    let Some(id) = id(item) else { return link(nameless(), Some(NO_ID), None) };
    match content(item) {
        Ok(content) => link(id, None, Some(content)),
        Err(reason) => link(id, Some(reason), None),
    }
}

fn id(item: &Value) -> Option<String> {
    let id = match item.get("id")? {
        Value::String(id) => id.clone(),
        Value::Number(id) if id.is_i64() || id.is_u64() => id.to_string(),
        _ => return None,
    };
    let good = !id.is_empty() && id.len() <= LONGEST_ID && !id.chars().any(char::is_control);
    good.then_some(id)
}

fn content(item: &Value) -> Result<ItemContent, &'static str> {
    let text = |name: &str, wrong: &'static str| match item.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong),
    };
    let formats = [("text", "text/plain"), ("markdown", "text/markdown"), ("html", "text/html")];
    let mut given = Vec::new();
    for (name, content_type) in formats {
        given.extend(text(name, NO_TEXT)?.map(|text| (text, content_type)));
    }
    let (1, Some((content, content_type))) = (given.len(), given.pop()) else { return Err(NO_TEXT) };
    let url = text("url", NO_URL)?.filter(|url| !url.is_empty());
    let mut mistakes: Vec<FieldError> = Vec::new();
    if let Some(url) = &url {
        check_url(url, &mut mistakes);
    }
    if !mistakes.is_empty() {
        return Err(NO_URL);
    }
    let (title, content_type) = (text("title", NO_TITLE)?, content_type.to_owned());
    Ok(ItemContent { title, content_type, text: content, url: url.as_deref().map(shown_url) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_says_what_is_wrong_with_it() {
        let told = |item: Value| {
            let link = link(&item, 1, 2);
            (link.url, link.skip, link.content.map(|content| content.content_type))
        };
        for (name, media) in [("text", "text/plain"), ("markdown", "text/markdown"), ("html", "text/html")] {
            let good = told(json!({"id": 7, "title": null, name: "x", "url": "https://a.example/7", "more": 1}));
            assert_eq!(good, ("7".to_owned(), None, Some(media.to_owned())));
        }
        for (item, reason) in [
            (json!({"id": "a", "text": "x", "html": "x"}), NO_TEXT),
            (json!({"id": "a", "text": null}), NO_TEXT),
            (json!({"id": "a", "text": 5}), NO_TEXT),
            (json!({"id": "a", "text": "x", "title": 5}), NO_TITLE),
            (json!({"id": "a", "text": "x", "url": "javascript:alert(1)"}), NO_URL),
        ] {
            assert_eq!(told(item), ("a".to_owned(), Some(reason), None));
        }
        let nameless = "item 2 of page 1 of the list".to_owned();
        for (item, reason) in [
            (json!("a"), NO_OBJECT),
            (json!({"text": "x"}), NO_ID),
            (json!({"id": 1.5, "text": "x"}), NO_ID),
            (json!({"id": "", "text": "x"}), NO_ID),
            (json!({"id": "x".repeat(501), "text": "x"}), NO_ID),
        ] {
            assert_eq!(told(item), (nameless.clone(), Some(reason), None));
        }
    }

    #[test]
    fn a_list_ends_with_its_last_cursor() {
        for end in [json!(null), json!(false), json!("")] {
            assert!(is_end(&end), "{end}");
        }
        for more in [json!("a"), json!(2), json!(0)] {
            assert!(!is_end(&more), "{more}");
        }
    }
}
