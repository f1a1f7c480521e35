//! An extractor that reads a format of its own, so that tests of the host need no parsers.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::knowledge::document::{
    Document, ExtractError, ExtractErrorKind, Extracted, Extractor, Reading, ReadingBudget, Robots, RobotsRule,
    SitemapEntry,
};

/// Reads lines. `title: …`, `link: …`, `canonical: …`, `note: …`, `noindex` and `nofollow` are what they say,
/// `%unsupported`, `%damaged`, `%busy` and so on are that error, and every other line is text.
///
/// A sitemap has a URL on each line, with `sitemap ` before that of another sitemap. The rules for crawlers are
/// `allow: …`, `disallow: …`, `sitemap: …` and `crawl-delay: …`.
#[derive(Debug)]
pub struct ScriptedExtractor {
    /// The fuel that each reading burns.
    pub fuel: AtomicU64,
    /// A reading waits for a permit, and gives it back.
    pub gate: Semaphore,
    /// The names of the documents that were read.
    pub read: Mutex<Vec<String>>,
}

impl Default for ScriptedExtractor {
    fn default() -> Self {
        Self { fuel: AtomicU64::new(1000), gate: Semaphore::new(1000), read: Mutex::default() }
    }
}

impl ScriptedExtractor {
    async fn burn<T>(&self, budget: ReadingBudget, result: Result<T, ExtractError>) -> Reading<T> {
        // A closed gate lets everything pass.
        drop(self.gate.acquire().await);
        let fuel = self.fuel.load(Ordering::SeqCst);
        let Some(reserve) = budget.fuel else { return Reading { result, fuel } };
        while reserve.granted() < fuel && reserve.may_grow() {
            reserve.grow().await;
        }
        let result = if reserve.granted() < fuel {
            Err(error(ExtractErrorKind::TooLarge, "it takes more fuel than it may burn"))
        } else {
            result
        };
        Reading { result, fuel: fuel.min(reserve.granted()) }
    }

    /// The names of the documents that were read since the last call.
    pub fn take_read(&self) -> Vec<String> {
        std::mem::take(&mut *self.read.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn error(kind: ExtractErrorKind, message: &str) -> ExtractError {
    ExtractError { kind, message: message.to_owned() }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn extracted(document: &Document) -> Result<Extracted, ExtractError> {
    let mut found = Extracted::default();
    for line in text(&document.bytes).lines() {
        let value = |name: &str| line.strip_prefix(name).map(|value| value.trim().to_owned());
        if let Some(kind) = line.strip_prefix('%') {
            return Err(match kind {
                "damaged" => error(ExtractErrorKind::Damaged, "the file is damaged; save it again"),
                "encrypted" => error(ExtractErrorKind::Encrypted, "the file needs a password; remove it"),
                "empty" => error(ExtractErrorKind::Empty, "the file holds no text"),
                "too-large" => error(ExtractErrorKind::TooLarge, "the file is too large; split it"),
                "busy" => error(ExtractErrorKind::Busy, "the sandbox is full"),
                "internal" => error(ExtractErrorKind::Internal, "the parser broke"),
                _ => error(ExtractErrorKind::Unsupported, "no parser knows this format"),
            });
        } else if let Some(title) = value("title:") {
            found.title = Some(title);
        } else if let Some(link) = value("link:") {
            found.links.push(link);
        } else if let Some(url) = value("canonical:") {
            found.canonical = Some(url);
        } else if let Some(note) = value("note:") {
            found.note = Some(note);
        } else if line == "noindex" {
            found.noindex = true;
        } else if line == "nofollow" {
            found.nofollow = true;
        } else {
            found.text.push_str(line);
            found.text.push('\n');
        }
    }
    Ok(found)
}

#[async_trait]
impl Extractor for ScriptedExtractor {
    async fn extract(&self, budget: ReadingBudget, document: Document) -> Reading<Extracted> {
        let name = document.name.clone().unwrap_or_default();
        self.read.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        self.burn(budget, extracted(&document)).await
    }

    async fn sitemap(&self, budget: ReadingBudget, document: Document) -> Reading<Vec<SitemapEntry>> {
        let entry = |line: &str| match line.strip_prefix("sitemap ") {
            Some(url) => SitemapEntry { url: url.to_owned(), modified: None, is_sitemap: true },
            None => SitemapEntry { url: line.to_owned(), modified: None, is_sitemap: false },
        };
        let entries = text(&document.bytes).lines().filter(|line| !line.is_empty()).map(entry).collect();
        self.burn(budget, Ok(entries)).await
    }

    async fn robots(&self, budget: ReadingBudget, rules: Bytes, _: &str) -> Reading<Robots> {
        let mut robots = Robots::default();
        for line in text(&rules).lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim().to_owned();
            match name {
                "allow" | "disallow" => robots.rules.push(RobotsRule { allow: name == "allow", path: value }),
                "sitemap" => robots.sitemaps.push(value),
                "crawl-delay" => robots.crawl_delay_s = value.parse().ok(),
                _ => {}
            }
        }
        self.burn(budget, Ok(robots)).await
    }
}
