//! A crawl: a site whose pages are sources, or a list of a connector whose items are. Its bounds, its state, and a site's
//! rules for crawlers.

mod rules;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::rules::CrawlRules;
use crate::{
    id::{ConnectionId, CrawlId},
    time::Timestamp,
};

/// What a crawl may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrawlSettings {
    /// Links that are followed from the start, or from a page of a sitemap.
    pub depth: u32,
    pub most_pages: u32,
    /// Bytes that one run may fetch.
    pub most_bytes: u64,
    /// Beginnings of paths. Where there are some, a page has one of them.
    pub include: Vec<String>,
    /// Beginnings of paths that no page has.
    pub exclude: Vec<String>,
    /// Besides those that the site's rules name.
    pub sitemap: Option<String>,
    pub refresh_every_s: Option<u32>,
    /// The list whose items are read, instead of a site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ListSettings>,
}

/// A connection's action that lists items. Each item becomes a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSettings {
    pub connection: ConnectionId,
    /// An action that only reads.
    pub action: String,
    /// A JSON object.
    pub input: Value,
    /// A jq filter that makes `{"items": […], "next": …}` of the action's output.
    pub mapping: String,
    /// The member of the input that takes `next`. Without it, the list has one page.
    pub cursor_input: Option<String>,
    /// Calls of one run.
    pub most_calls: u32,
}

/// The content of a listed item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemContent {
    pub title: Option<String>,
    /// `text/plain`, `text/markdown` or `text/html`.
    pub content_type: String,
    pub text: String,
    /// Where people read it.
    pub url: Option<String>,
}

impl CrawlSettings {
    /// Whether a page of this path may be read.
    pub fn includes(&self, path: &str) -> bool {
        let any = |prefixes: &[String]| prefixes.iter().any(|prefix| path.starts_with(prefix.as_str()));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

/// The state of a crawl.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrawlStatus {
    /// A run is about to begin.
    Queued,
    Running,
    /// The newest run has ended.
    Done,
    /// The newest run could not go on. What is known stays.
    Failed,
}

/// The state of a page in the newest run that found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrawledPageState {
    /// It isn't read yet.
    Found,
    /// It is a source.
    Ready,
    /// It could not be asked for. What was known of it stays.
    Failed,
    /// It is no source, for a reason.
    Skipped,
}

/// Pages of the newest run, by their states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrawlCounts {
    pub found: u64,
    pub ready: u64,
    pub failed: u64,
    pub skipped: u64,
    /// Links beyond `most_pages`, each time that a page has one.
    pub left_out: u64,
}

/// A crawl as an admin sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crawl {
    pub id: CrawlId,
    /// Where a site's crawl starts. Of a list, what makes it the same one when it is sent again.
    pub url: String,
    pub settings: CrawlSettings,
    pub status: CrawlStatus,
    /// Why the newest run could not go on, or waits.
    pub failure: Option<String>,
    /// The number of the newest run; 0 before the first.
    pub run: u64,
    /// Bytes that the newest run fetched.
    pub bytes: u64,
    pub counts: CrawlCounts,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// When it goes on, or runs next.
    pub due_at: Option<Timestamp>,
}

/// A page or an item that isn't a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OmittedPage {
    /// The id of an item.
    pub url: String,
    pub state: CrawledPageState,
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_choose_pages() {
        let prefixes = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let settings = CrawlSettings {
            depth: 1,
            most_pages: 1,
            most_bytes: 1,
            include: prefixes(&["/help", "/docs/"]),
            exclude: prefixes(&["/help/old"]),
            sitemap: None,
            refresh_every_s: None,
            list: None,
        };
        let included = ["/help/a", "/docs", "/docs/x", "/help/older", "/"].map(|path| settings.includes(path));
        assert_eq!(included, [true, false, true, false, false]);
    }
}
