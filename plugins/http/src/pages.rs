//! Pagination: requests page after page, up to a limit, and returns the items of all as one list.
//!
//! Items that were read are kept whatever ends the list. Unless the service said that this was the last page, a warning
//! in the log says what ended the list; a model sees it beside the output.

use resly_sdk::{
    Fault, Result,
    http::{Request, Response},
};
use serde_json::{Value, value::RawValue};

use crate::{
    definition::{Kind, Pagination},
    link, next,
    request::set_query,
    response::Reader,
    template::plain,
};

/// The most pages, which is more than a definition may ask for. The host also limits the requests of a call.
const MOST_PAGES: usize = 20;
const USUAL_PAGES: usize = 5;

/// What follows a page.
enum Next {
    Page(Request),
    /// The service said that there are no more pages.
    Last,
    /// The list ends here, with the reason.
    Broken(String),
}

/// Reads the items of all pages, as the text of a JSON list.
///
/// # Errors
/// What is wrong with the first page. A fault of a later page only ends the list.
pub fn collect(pagination: &Pagination, first: Request, reader: &Reader) -> Result<String> {
    let most = pagination.max_pages.unwrap_or(USUAL_PAGES).clamp(1, MOST_PAGES);
    let mut pages = Pages { pagination, first: &first, reader, items: Items::default(), asked: Vec::new() };
    let mut request = pages.begin();
    let why = loop {
        let url = request.url.clone();
        let next = match pages.read(request) {
            Ok(next) => next,
            Err(fault) if pages.asked.is_empty() => return Err(fault),
            Err(fault) => break fault.message,
        };
        pages.asked.push(url);
        match next {
            Next::Last => return Ok(pages.items.text()),
            Next::Broken(why) => break why,
            Next::Page(_) if pages.asked.len() == most => {
                (reader.outside.warn)(&format!("there are more pages than the {most} that were asked for"));
                return Ok(pages.items.text());
            }
            Next::Page(next) if pages.asked.contains(&next.url) => {
                break "the service's next page is one that it gave already".to_owned();
            }
            Next::Page(next) => request = next,
        }
    };
    (reader.outside.warn)(&format!("the list ends after page {}, and there may be more: {why}", pages.asked.len()));
    Ok(pages.items.text())
}

struct Pages<'a> {
    pagination: &'a Pagination,
    first: &'a Request,
    reader: &'a Reader<'a>,
    items: Items,
    /// Addresses of the pages that were read.
    asked: Vec<String>,
}

impl Pages<'_> {
    fn begin(&self) -> Request {
        match self.pagination.kind {
            Kind::Page => self.with(&self.start().to_string()),
            Kind::Offset => self.with("0"),
            Kind::Link | Kind::Cursor => self.first.clone(),
        }
    }

    fn start(&self) -> u64 {
        self.pagination.start.unwrap_or(1)
    }

    /// The first request with another value of the page's parameter.
    fn with(&self, value: &str) -> Request {
        let mut request = self.first.clone();
        set_query(&mut request.url, self.pagination.param.as_deref().unwrap_or_default(), value);
        request
    }

    /// Reads a page and decides what follows.
    fn read(&mut self, request: Request) -> Result<Next> {
        let url = request.url.clone();
        let response = (self.reader.outside.send)(request)?;
        // Some services answer 404 or 410 after the last page.
        let past_the_end = matches!(response.status, 404 | 410) && !self.asked.is_empty();
        if past_the_end && matches!(self.pagination.kind, Kind::Page | Kind::Offset) {
            return Ok(Next::Last);
        }
        let body = self.reader.read(&response)?;
        let found = match &self.pagination.items {
            Some(filter) => self.items.add(&self.map(filter, &body)?)?,
            None => self.items.add(&body)?,
        };
        let Some(found) = found else {
            let what =
                self.pagination.param.as_deref().map_or_else(String::new, |param| format!(" and may ignore `{param}`"));
            return Ok(Next::Broken(format!("the service gave the same page twice{what}")));
        };
        self.next(&url, &response, &body, found)
    }

    fn next(&self, url: &str, response: &Response, body: &str, found: usize) -> Result<Next> {
        Ok(match self.pagination.kind {
            Kind::Link => match self.address(response, body)? {
                Some(target) => self.follow(url, &target),
                None => Next::Last,
            },
            Kind::Cursor => {
                let cursor = self.map(self.pagination.cursor.as_deref().unwrap_or("null"), body)?;
                match plain(&serde_json::from_str::<Value>(&cursor)?).filter(|cursor| !cursor.is_empty()) {
                    // The service gave a whole address instead of a cursor.
                    Some(cursor) if self.is_address_with_cursor(&cursor) => self.follow(url, &cursor),
                    Some(cursor) => Next::Page(self.with(&cursor)),
                    None => Next::Last,
                }
            }
            // An empty page is the last one.
            Kind::Page | Kind::Offset if found == 0 => Next::Last,
            Kind::Page => {
                let read = u64::try_from(self.asked.len()).unwrap_or(u64::MAX).saturating_add(1);
                Next::Page(self.with(&self.start().saturating_add(read).to_string()))
            }
            Kind::Offset => Next::Page(self.with(&self.items.count.to_string())),
        })
    }

    /// The next page's address from the service.
    fn address(&self, response: &Response, body: &str) -> Result<Option<String>> {
        if let Some(filter) = &self.pagination.next {
            let found: Value = serde_json::from_str(&self.map(filter, body)?)?;
            return Ok(found.as_str().map(str::trim).filter(|target| !target.is_empty()).map(str::to_owned));
        }
        let mut links = response.headers.iter().filter(|(name, _)| name == "link");
        if let Some(target) = links.find_map(|(_, value)| link::next(value)) {
            return Ok(Some(target.to_owned()));
        }
        let body: Value = serde_json::from_str(body)?;
        Ok(next::address(&body).map(str::to_owned))
    }

    fn is_address_with_cursor(&self, cursor: &str) -> bool {
        let param = self.pagination.param.as_deref().unwrap_or_default();
        next::is_address(cursor)
            && cursor
                .split_once('?')
                .is_some_and(|(_, query)| query.split(['&', '#']).any(|pair| pair.split('=').next() == Some(param)))
    }

    /// Follows an address from the service. It must have the first page's origin, because the credential is sent there.
    fn follow(&self, base: &str, target: &str) -> Next {
        match link::resolve(base, target) {
            Some(url) => Next::Page(Request { url, ..self.first.clone() }),
            None => Next::Broken("the service's next page is on another host".to_owned()),
        }
    }

    fn map(&self, filter: &str, body: &str) -> Result<String> {
        Ok((self.reader.outside.map)(filter, body)?)
    }
}

/// Lists that are joined without parsing their items.
#[derive(Default)]
struct Items {
    joined: String,
    count: usize,
    /// Start and end of each page's items in `joined`.
    pages: Vec<(usize, usize)>,
}

impl Items {
    /// Adds a page and returns its number of items. `None` when the same page was added before; then it isn't added
    /// again.
    fn add(&mut self, list: &str) -> Result<Option<usize>> {
        let items: Vec<&RawValue> = serde_json::from_str(list)
            .map_err(|_| Fault::internal("a page gave no list: `items` has to be a jq filter that gives one"))?;
        if items.is_empty() {
            return Ok(Some(0));
        }
        let whole = self.joined.len();
        if self.count > 0 {
            self.joined.push(',');
        }
        let start = self.joined.len();
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.joined.push(',');
            }
            self.joined.push_str(item.get());
        }
        let page = &self.joined[start..];
        if self.pages.iter().any(|(from, to)| &self.joined[*from..*to] == page) {
            self.joined.truncate(whole);
            return Ok(None);
        }
        self.pages.push((start, self.joined.len()));
        self.count += items.len();
        Ok(Some(items.len()))
    }

    fn text(self) -> String {
        format!("[{}]", self.joined)
    }
}
