//! Which links of a page or a sitemap a crawl follows.

use std::collections::HashSet;

use resly_core::knowledge::{crawl::CrawlSettings, document::SitemapEntry};
use resly_store::{DueCrawl, FoundLink, PageKind};
use url::{Origin, Url};

/// Bytes of a URL that is followed.
const LONGEST: usize = 2048;
/// Links of one page that are kept.
const MOST: usize = 1000;
/// Bytes of the links of one page that are kept.
const MOST_BYTES: usize = 128 << 10;

/// What a crawl may read: the pages of its origin that its settings include.
#[derive(Clone, Debug)]
pub struct Scope {
    /// `None` for a list, whose items aren't fetched.
    origin: Option<Origin>,
    settings: CrawlSettings,
}

/// The links of a page.
#[derive(Debug)]
pub struct PageLinks {
    /// Those that lead to pages of the same site, to be followed again when the page is the same.
    pub own: Vec<String>,
    /// Those that the crawl follows now.
    pub followed: Vec<FoundLink>,
}

impl Scope {
    pub fn of(crawl: &DueCrawl) -> Self {
        let origin = Url::parse(&crawl.url).ok().map(|start| start.origin());
        Self { origin, settings: crawl.settings.clone() }
    }

    /// A link as a crawl knows it: absolute, without its fragment, and of the crawl's origin.
    pub fn within(&self, link: &str) -> Option<Url> {
        let mut url = Url::parse(link).ok()?;
        url.set_fragment(None);
        (self.origin.as_ref() == Some(&url.origin()) && url.as_str().len() <= LONGEST).then_some(url)
    }

    /// The same, of a page that the settings include.
    pub fn included(&self, link: &str) -> Option<Url> {
        self.within(link).filter(|url| self.settings.includes(url.path()))
    }

    /// The links of a page whose links have this depth.
    pub fn links(&self, links: &[String], depth: u32) -> PageLinks {
        let mut bytes = 0;
        let mut fits = |link: &String| {
            bytes += link.len();
            bytes <= MOST_BYTES
        };
        let own = links.iter().filter_map(|link| self.within(link)).map(String::from).take(MOST);
        PageLinks { own: own.take_while(&mut fits).collect(), followed: self.follow(links, depth) }
    }

    /// The pages that the crawl asks for, of the links of a page whose links have this depth. Each is there once.
    pub fn follow(&self, links: &[String], depth: u32) -> Vec<FoundLink> {
        if depth > self.settings.depth {
            return Vec::new();
        }
        let mut seen = HashSet::new();
        let new = links.iter().filter_map(|link| self.included(link)).filter(|url| seen.insert(url.to_string()));
        new.take(MOST).map(|url| page(&url, depth)).collect()
    }

    /// The pages and sitemaps that a sitemap names.
    pub fn entries(&self, entries: &[SitemapEntry]) -> Vec<FoundLink> {
        let link = |entry: &SitemapEntry| match entry.is_sitemap {
            true => self.within(&entry.url).map(|url| sitemap(&url)),
            false => self.included(&entry.url).map(|url| page(&url, 0)),
        };
        entries.iter().filter_map(link).collect()
    }
}

/// The path of a URL with its query, as a site's rules match it.
pub fn path_of(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

/// A page that a crawl found. The site's rules are asked when its turn comes, because most of what is found is known, or
/// more than the crawl may read.
pub fn page(url: &Url, depth: u32) -> FoundLink {
    FoundLink { url: url.to_string(), kind: PageKind::Page, depth, skip: None, content: None }
}

/// A sitemap that a crawl found.
pub fn sitemap(url: &Url) -> FoundLink {
    FoundLink { url: url.to_string(), kind: PageKind::Sitemap, depth: 0, skip: None, content: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(depth: u32) -> Scope {
        let settings = CrawlSettings {
            depth,
            most_pages: 1,
            most_bytes: 1,
            include: vec!["/in".to_owned()],
            exclude: vec!["/in/not".to_owned()],
            sitemap: None,
            refresh_every_s: None,
            list: None,
        };
        Scope { origin: Some(Url::parse("https://a.example/").unwrap().origin()), settings }
    }

    #[test]
    fn links_stay_within_the_site_and_its_bounds() {
        let long = format!("https://a.example/in/{}", "x".repeat(LONGEST));
        let links = ["/in/a#x", "/in/a", "/in/not/b", "/out", "//b.example/in"];
        let links = links.iter().map(|path| match path.strip_prefix("//") {
            Some(other) => format!("https://{other}"),
            None => format!("https://a.example{path}"),
        });
        let links: Vec<String> = links.chain([long, "http://a.example/in".to_owned(), "x".to_owned()]).collect();
        let found = scope(1).links(&links, 1);
        let followed: Vec<_> = found.followed.iter().map(|link| (link.url.as_str(), link.depth)).collect();
        assert_eq!(followed, [("https://a.example/in/a", 1)]);
        assert_eq!(found.own.len(), 4, "{:?}", found.own);
        assert!(scope(1).links(&links, 2).followed.is_empty());
        let many: Vec<String> = (0..2000).map(|n| format!("https://a.example/in/{n:0200}")).collect();
        let PageLinks { own, followed } = scope(1).links(&many, 1);
        assert_eq!(followed.len(), MOST);
        assert!(own.len() > 500 && own.iter().map(String::len).sum::<usize>() <= MOST_BYTES);
        assert_eq!(Scope { origin: None, ..scope(1) }.within("https://a.example/in"), None);
    }

    #[test]
    fn a_sitemap_names_pages_and_sitemaps() {
        let entry = |url: &str, is_sitemap| SitemapEntry { url: url.to_owned(), modified: None, is_sitemap };
        let found = scope(0).entries(&[
            entry("https://a.example/map.xml", true),
            entry("https://b.example/map.xml", true),
            entry("https://a.example/in/a", false),
            entry("https://a.example/out", false),
        ]);
        let found: Vec<_> = found.iter().map(|link| (link.url.as_str(), link.kind)).collect();
        let expected = [("https://a.example/map.xml", PageKind::Sitemap), ("https://a.example/in/a", PageKind::Page)];
        assert_eq!(found, expected);
    }
}
