//! Pagination: asks page after page, up to a bound, and gives the items of all as one list.

use resly_sdk::{
    Fault, Result,
    http::{Request, Response},
};
use serde_json::{Value, value::RawValue};

use crate::{
    definition::{Kind, Pagination},
    link,
    request::add_query,
    response::Reader,
    template::plain,
};

/// More than a definition may ask for; the host counts the requests of a call besides.
const MOST_PAGES: usize = 20;
const USUAL_PAGES: usize = 5;

/// The items of all pages, as the text of a JSON list.
pub fn collect(pagination: &Pagination, first: Request, reader: &Reader) -> Result<String> {
    let most = pagination.max_pages.unwrap_or(USUAL_PAGES).clamp(1, MOST_PAGES);
    let param = pagination.param.as_deref().unwrap_or_default();
    let start = pagination.start.unwrap_or(1);
    let mut items = Items::default();
    let mut request = match pagination.kind {
        Kind::Page => with(&first, param, &start.to_string()),
        Kind::Offset => with(&first, param, "0"),
        Kind::Link | Kind::Cursor => first.clone(),
    };
    let mut asked = Vec::with_capacity(most);
    for page in 1_u64.. {
        let url = request.url.clone();
        let response = (reader.outside.send)(request)?;
        let body = reader.read(&response)?;
        let found = match &pagination.items {
            Some(filter) => items.add(&map(reader, filter, &body)?)?,
            None => items.add(&body)?,
        };
        let next = match pagination.kind {
            Kind::Link => linked(&first, &url, &response)?,
            Kind::Cursor => {
                let cursor = map(reader, pagination.cursor.as_deref().unwrap_or("null"), &body)?;
                let cursor = plain(&serde_json::from_str::<Value>(&cursor)?).filter(|cursor| !cursor.is_empty());
                cursor.map(|cursor| with(&first, param, &cursor))
            }
            // An empty page is the last.
            Kind::Page | Kind::Offset if found == 0 => None,
            Kind::Page => Some(with(&first, param, &start.saturating_add(page).to_string())),
            Kind::Offset => Some(with(&first, param, &items.count.to_string())),
        };
        asked.push(url);
        let Some(next) = next else { break };
        if asked.len() == most {
            (reader.outside.warn)(&format!("there are more pages than the {most} that were asked for"));
            break;
        }
        if asked.contains(&next.url) {
            return Err(Fault::upstream("the service's next page is one that it gave already").retryable(false));
        }
        request = next;
    }
    Ok(items.text())
}

/// Lists, joined without looking into their items.
#[derive(Default)]
struct Items {
    joined: String,
    count: usize,
}

impl Items {
    fn add(&mut self, list: &str) -> Result<usize> {
        let items: Vec<&RawValue> = serde_json::from_str(list)
            .map_err(|_| Fault::internal("a page gave no list: `items` has to be a jq filter that gives one"))?;
        for item in &items {
            if self.count > 0 {
                self.joined.push(',');
            }
            self.joined.push_str(item.get());
            self.count += 1;
        }
        Ok(items.len())
    }

    fn text(self) -> String {
        format!("[{}]", self.joined)
    }
}

fn map(reader: &Reader, filter: &str, body: &str) -> Result<String> {
    Ok((reader.outside.map)(filter, body)?)
}

fn with(first: &Request, param: &str, value: &str) -> Request {
    let mut request = first.clone();
    add_query(&mut request.url, param, value);
    request
}

/// The target of `rel="next"`. It has to stay on the first page's origin, since the credential goes there too.
fn linked(first: &Request, base: &str, response: &Response) -> Result<Option<Request>> {
    let mut links = response.headers.iter().filter(|(name, _)| name == "link");
    let Some(target) = links.find_map(|(_, value)| link::next(value)) else { return Ok(None) };
    match link::resolve(base, target) {
        Some(url) => Ok(Some(Request { url, ..first.clone() })),
        None => Err(Fault::upstream("the service's next page is on another host").retryable(false)),
    }
}
