//! Which links of a page a crawl follows.

use resly_core::knowledge::crawl::CrawlRules;
use resly_store::{DueCrawl, FoundLink, PageKind};
use url::Url;

/// Bytes of a URL that is followed.
const LONGEST: usize = 2048;
/// Links of one page that are kept.
const MOST: usize = 1000;
/// Why a page isn't asked for that the site's rules forbid.
pub const FORBIDDEN: &str = "the site's robots.txt forbids it";

/// A link as a crawl knows it: absolute, without its fragment, and of the crawl's origin.
pub fn within(crawl: &DueCrawl, link: &str) -> Option<Url> {
    let mut url = Url::parse(link).ok()?;
    url.set_fragment(None);
    let start = Url::parse(&crawl.url).ok()?;
    (url.origin() == start.origin() && url.as_str().len() <= LONGEST).then_some(url)
}

/// The path of a URL with its query, as a site's rules match it.
pub fn path_of(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

/// The pages that a crawl asks for, of the links of a page at this depth. Each is there once.
pub fn follow(crawl: &DueCrawl, rules: &CrawlRules, links: &[String], depth: u32) -> Vec<FoundLink> {
    if depth > crawl.settings.depth {
        return Vec::new();
    }
    let mut found: Vec<FoundLink> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for url in links.iter().filter_map(|link| within(crawl, link)) {
        if found.len() == MOST {
            break;
        }
        if crawl.settings.includes(url.path()) && seen.insert(url.to_string()) {
            found.push(page(rules, &url, depth));
        }
    }
    found
}

/// A page that a crawl found.
pub fn page(rules: &CrawlRules, url: &Url, depth: u32) -> FoundLink {
    let skip = (!rules.allow(&path_of(url))).then_some(FORBIDDEN);
    FoundLink { url: url.to_string(), kind: PageKind::Page, depth, skip, content: None }
}

/// A sitemap that a crawl found.
pub fn sitemap(url: &Url) -> FoundLink {
    FoundLink { url: url.to_string(), kind: PageKind::Sitemap, depth: 0, skip: None, content: None }
}
