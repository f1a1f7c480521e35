//! Checks what an admin sends of a crawl. Every mistake is told at once.

use std::sync::Arc;

use resly_core::{
    connector::{
        call::{AdmitError, CallError, CallRequest, Caller},
        fault::FaultKind,
    },
    id::{ConnectionId, OrganizationId},
    json::canonical,
    knowledge::crawl::{CrawlSettings, ListSettings},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::CrawlError;
use crate::{
    App, FieldError,
    connections::filter_size,
    sources::{canonical_url, check_refresh, check_url, origin},
};

/// The usual value of a bound, the least and the most.
type Bounds = (u64, u64, u64);

const DEPTH: Bounds = (3, 0, 10);
const PAGES: Bounds = (500, 1, 10_000);
const BYTES: Bounds = (256 << 20, 1, 4 << 30);
const CALLS: Bounds = (100, 1, 1000);
const PREFIXES: usize = 50;
const LONGEST_PREFIX: usize = 500;
/// Bytes of a list's input.
const INPUT: usize = 16 << 10;
/// Bytes of the name of an input.
const LONGEST_NAME: usize = 100;

/// A site or a list to crawl.
pub struct NewCrawl {
    /// Where the crawl of a site starts.
    pub url: Option<String>,
    pub list: Option<NewList>,
    pub depth: Option<u32>,
    pub most_pages: Option<u32>,
    pub most_bytes: Option<u64>,
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub sitemap: Option<String>,
    pub refresh_every_s: Option<u32>,
}

/// A connection's action that lists items.
pub struct NewList {
    pub connection: String,
    pub action: String,
    pub input: Option<Value>,
    /// A jq filter that makes `{"items": […], "next": …}` of the output.
    pub mapping: String,
    /// The member of the input that takes `next`.
    pub cursor_input: Option<String>,
    pub most_calls: Option<u32>,
}

impl NewCrawl {
    /// What makes it the same crawl when it is sent again, and its settings with their defaults.
    pub(super) async fn check(
        self,
        app: &Arc<App>,
        organization: OrganizationId,
    ) -> Result<(String, CrawlSettings), CrawlError> {
        let mut mistakes = Vec::new();
        let refresh_every_s = self.refresh_every_s;
        let checked = match (&self.url, &self.list) {
            (Some(_), None) => self.site(app, &mut mistakes),
            (None, Some(_)) => self.list(app, organization, &mut mistakes).await?,
            _ => {
                mistakes.push(FieldError::new("$", "either `url` is expected, of a site, or `list`"));
                None
            }
        };
        check_refresh(refresh_every_s, &mut mistakes);
        checked.filter(|_| mistakes.is_empty()).ok_or(CrawlError::Invalid(mistakes))
    }

    /// The settings that a site and a list have.
    fn common(&self, depth: u32, mistakes: &mut Vec<FieldError>) -> CrawlSettings {
        CrawlSettings {
            depth,
            most_pages: number(bounded("most_pages", self.most_pages.map(u64::from), PAGES, mistakes)),
            most_bytes: bounded("most_bytes", self.most_bytes, BYTES, mistakes),
            include: Vec::new(),
            exclude: Vec::new(),
            sitemap: None,
            refresh_every_s: self.refresh_every_s,
            list: None,
        }
    }

    fn site(self, app: &App, mistakes: &mut Vec<FieldError>) -> Option<(String, CrawlSettings)> {
        let url = self.url.clone().unwrap_or_default();
        check_url(&url, mistakes);
        if mistakes.is_empty()
            && let Err(error) = app.egress.check_page_url(&url)
        {
            mistakes.push(FieldError::new("url", error.to_string()));
        }
        let depth = number(bounded("depth", self.depth.map(u64::from), DEPTH, mistakes));
        let settings = self.common(depth, mistakes);
        for (name, prefixes) in [("include", &self.include), ("exclude", &self.exclude)] {
            if prefixes.len() > PREFIXES {
                mistakes.push(FieldError::new(name, format!("at most {PREFIXES}")));
            }
            for (at, prefix) in prefixes.iter().enumerate() {
                if !prefix.starts_with('/') || prefix.len() > LONGEST_PREFIX {
                    let expected = format!(
                        "the beginning of a path is expected, such as `/help/`, of at most {LONGEST_PREFIX} bytes"
                    );
                    mistakes.push(FieldError::new(format!("{name}[{at}]"), expected));
                }
            }
        }
        if let Some(sitemap) = &self.sitemap
            && (origin(sitemap).is_none() || origin(sitemap) != origin(&url))
        {
            mistakes.push(FieldError::new("sitemap", "a URL of the same site is expected"));
        }
        let Self { include, exclude, sitemap, .. } = self;
        Some((canonical_url(&url)?, CrawlSettings { include, exclude, sitemap, ..settings }))
    }

    async fn list(
        self,
        app: &Arc<App>,
        organization: OrganizationId,
        mistakes: &mut Vec<FieldError>,
    ) -> Result<Option<(String, CrawlSettings)>, CrawlError> {
        let of_sites = [
            ("depth", self.depth.is_some()),
            ("include", !self.include.is_empty()),
            ("exclude", !self.exclude.is_empty()),
            ("sitemap", self.sitemap.is_some()),
        ];
        for (name, _) in of_sites.into_iter().filter(|(_, is_there)| *is_there) {
            mistakes.push(FieldError::new(name, "a list has none; leave it out"));
        }
        let settings = self.common(0, mistakes);
        let Some(NewList { connection, action, input, mapping, cursor_input, most_calls }) = self.list else {
            return Ok(None);
        };
        let Ok(connection) = connection.parse::<ConnectionId>() else {
            mistakes.push(FieldError::new("list.connection", "the id of a connection is expected"));
            return Ok(None);
        };
        let most_calls = bounded("list.most_calls", most_calls.map(u64::from), CALLS, mistakes);
        let input = input.unwrap_or_else(|| json!({}));
        if !input.is_object() || input.to_string().len() > INPUT {
            let expected = format!("an object of at most {INPUT} bytes is expected");
            mistakes.push(FieldError::new("list.input", expected));
            return Ok(None);
        }
        if let Some(message) = filter_size(&mapping) {
            mistakes.push(FieldError::new("list.mapping", message));
        } else {
            let bad = app.connectors.bad_filter(organization, &mapping).await.map_err(CrawlError::Unexamined)?;
            mistakes.extend(bad.map(|message| FieldError::new("list.mapping", message)));
        }
        let key = format!(
            "list:{connection}/{action}?{}",
            data_encoding::HEXLOWER.encode(&Sha256::digest(canonical(&input)))
        );
        let list = ListSettings { connection, action, input, mapping, cursor_input, most_calls: number(most_calls) };
        mistakes.extend(callable(app, organization, &list).await?);
        Ok(Some((key, CrawlSettings { list: Some(list), ..settings })))
    }
}

/// Why a crawl can't call the action of a list, found by the checks of every call. Nothing is called.
async fn callable(
    app: &App,
    organization: OrganizationId,
    list: &ListSettings,
) -> Result<Option<FieldError>, CrawlError> {
    let permitted = match app.connectors.admit(&request(organization, list, list.input.clone())).await {
        Ok(permitted) => permitted,
        Err(AdmitError::Refused(fault)) => {
            let path = if fault.kind == FaultKind::InvalidInput { "list.input" } else { "list.connection" };
            return Ok(Some(FieldError::new(path, fault.for_admin())));
        }
        Err(AdmitError::Failed(error @ CallError::NoAction { .. })) => {
            return Ok(Some(FieldError::new("list.action", error.to_string())));
        }
        Err(AdmitError::Failed(error @ (CallError::NoConnection | CallError::NoConnector { .. }))) => {
            return Ok(Some(FieldError::new("list.connection", error.to_string())));
        }
        Err(AdmitError::Failed(error)) => return Err(error.into()),
    };
    let Some(name) = &list.cursor_input else { return Ok(None) };
    let names = permitted.action().input.get("properties").and_then(Value::as_object);
    let unknown = names.is_some_and(|names| !names.contains_key(name));
    let expected = "the name of one of the action's inputs is expected, which takes the cursor of the next page";
    Ok((unknown || name.is_empty() || name.len() > LONGEST_NAME)
        .then(|| FieldError::new("list.cursor_input", expected)))
}

/// The call that asks for a page of a list.
pub(super) fn request(organization: OrganizationId, list: &ListSettings, input: Value) -> CallRequest {
    CallRequest {
        organization,
        connection: list.connection,
        action: list.action.clone(),
        input,
        caller: Caller::Crawl,
        visitor: None,
        mapping: Some(list.mapping.clone()),
    }
}

fn bounded(name: &str, given: Option<u64>, (usual, least, most): Bounds, mistakes: &mut Vec<FieldError>) -> u64 {
    let value = given.unwrap_or(usual);
    if !(least..=most).contains(&value) {
        mistakes.push(FieldError::new(name, format!("{least} to {most} is expected")));
    }
    value
}

fn number(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
