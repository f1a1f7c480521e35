//! The meaning of a response: the fault of an error rule or of the status, or a body.

use resly_sdk::{
    Fault, Result,
    http::{Request, Response},
};
use serde_json::{Value, json};

use crate::{
    Outside, Scope, body,
    definition::{ErrorRule, Pagination, ResponseRule},
    template::Templates,
};

/// Characters of a service's text that are quoted in the log and in messages.
const EXCERPT: usize = 300;

/// Reads responses by an action's rules.
pub struct Reader<'a> {
    pub rule: &'a ResponseRule,
    pub pagination: Option<&'a Pagination>,
    /// Whether the request asks for web pages.
    pub asks_for_pages: bool,
    pub scope: &'a Scope,
    pub outside: &'a Outside<'a>,
}

/// Whether a request's `accept` header names web pages.
pub fn asks_for_pages(request: &Request) -> bool {
    let mut accepts = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("accept"));
    accepts.any(|(_, value)| value.to_ascii_lowercase().contains("html"))
}

impl Reader<'_> {
    /// The body as JSON text: `{"text"}` when it isn't JSON, null when it is empty.
    pub fn read(&self, response: &Response) -> Result<String> {
        let read = body::read(response, self.rule.expect);
        let body = &read.json;
        for rule in &self.rule.errors {
            if self.fits(rule, response.status, body)? {
                return Err(self.fault(rule, response, body));
            }
        }
        if !response.is_success() {
            (self.outside.warn)(&format!("the service answered {}: {}", response.status, excerpt(&response.text())));
            return Err(said(response.fault(), body));
        }
        if response.truncated {
            let message = "the service's answer is larger than a call may read; ask for less at once";
            return Err(Fault::upstream(message).retryable(false));
        }
        read.check(response, self.rule, self.asks_for_pages, &self.filters())?;
        if let Some(doubt) = &read.doubt {
            (self.outside.warn)(&format!("some characters of the service's answer are lost: {doubt}"));
        }
        Ok(read.json)
    }

    /// The filters that read the body.
    fn filters(&self) -> Vec<&str> {
        match self.pagination {
            Some(pagination) => [&pagination.items, &pagination.cursor, &pagination.next]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect(),
            None => self.rule.mapping.as_deref().into_iter().collect(),
        }
    }

    fn fits(&self, rule: &ErrorRule, status: u16, body: &str) -> Result<bool> {
        if rule.status.as_ref().is_some_and(|statuses| !statuses.hold(status)) {
            return Ok(false);
        }
        let Some(filter) = &rule.when else { return Ok(rule.status.is_some()) };
        match (self.outside.map)(filter, body) {
            Ok(output) => Ok(!matches!(output.as_str(), "null" | "false")),
            // The filter itself is invalid.
            Err(failure) if failure.offset.is_some() => Err(failure.into()),
            // The filter failed on this body, so the rule isn't about it.
            Err(failure) => {
                (self.outside.warn)(&format!(
                    "the error rule `{}` could not look: {}",
                    excerpt(filter),
                    failure.message
                ));
                Ok(false)
            }
        }
    }

    fn fault(&self, rule: &ErrorRule, response: &Response, body: &str) -> Fault {
        let kind = rule.fault.into();
        let message = rule.message.as_deref().and_then(|message| self.message(message, response.status, body));
        let message = message.unwrap_or_else(|| {
            if response.is_success() {
                said(Fault::upstream("the service reported an error"), body).message
            } else {
                said(response.fault(), body).message
            }
        });
        let fault = Fault::new(kind, message);
        match rule.retryable {
            Some(retryable) => fault.retryable(retryable),
            None => fault,
        }
    }

    /// The message of a rule. `None` when its template uses a value that isn't there.
    fn message(&self, template: &str, status: u16, body: &str) -> Option<String> {
        if !template.contains("{{") {
            return Some(template.to_owned());
        }
        let mut scope = self.scope.0.clone();
        scope["status"] = json!(status);
        scope["body"] = serde_json::from_str(body).unwrap_or_default();
        Templates::new(&scope).text(template).ok().map(|message| excerpt(&message))
    }
}

/// Adds the service's own message to a fault, from the usual places.
fn said(mut fault: Fault, body: &str) -> Fault {
    const PLACES: [&str; 10] = [
        "/error/message",
        "/message",
        "/error_description",
        "/detail",
        "/error",
        "/errors/0/message",
        "/errors/0/detail",
        "/errors/0",
        "/errors",
        "/title",
    ];
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(words) = PLACES.iter().find_map(|place| body.pointer(place)?.as_str()) {
        fault.message.push_str(&format!(". It said: {}", excerpt(words)));
    }
    fault
}

/// The start of a text, on one line.
fn excerpt(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    if line.len() <= EXCERPT {
        return line;
    }
    format!("{}…", &line[..line.floor_char_boundary(EXCERPT)])
}
