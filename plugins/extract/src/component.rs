//! The component's exports.

#![expect(unsafe_code, reason = "generated: crossing the component boundary is unsafe by nature")]

wit_bindgen::generate!({ path: "../../wit/documents", world: "extractor" });

use exports::resly::documents::documents as wit;

use crate::{document, robots, sitemap};

struct Component;

impl wit::Guest for Component {
    fn extract(document: wit::Document) -> Result<wit::Extracted, wit::Failure> {
        let extracted = crate::extract(borrow(&document)).map_err(failure)?;
        let document::Extracted { title, text, links, canonical, noindex, nofollow, note } = extracted;
        Ok(wit::Extracted { title, text, links, canonical, noindex, nofollow, note })
    }

    fn sitemap(document: wit::Document) -> Result<Vec<wit::SitemapEntry>, wit::Failure> {
        let entries = sitemap::read(borrow(&document)).map_err(failure)?;
        let entry = |entry: sitemap::Entry| wit::SitemapEntry {
            url: entry.url,
            modified: entry.modified,
            is_sitemap: entry.is_sitemap,
        };
        Ok(entries.into_iter().map(entry).collect())
    }

    fn robots(text: Vec<u8>, agent: String) -> wit::RobotsRules {
        let robots::Robots { rules, sitemaps, crawl_delay_s } = robots::read(&text, &agent);
        let rule = |rule: robots::Rule| wit::RobotsRule { allow: rule.allow, path: rule.path };
        wit::RobotsRules { rules: rules.into_iter().map(rule).collect(), sitemaps, crawl_delay_s }
    }
}

fn borrow(document: &wit::Document) -> document::Document<'_> {
    let wit::Document { bytes, content_type, name } = document;
    document::Document { bytes, content_type: content_type.as_deref(), name: name.as_deref() }
}

fn failure(failure: document::Failure) -> wit::Failure {
    let kind = match failure.kind {
        document::FailureKind::Unsupported => wit::FailureKind::Unsupported,
        document::FailureKind::Damaged => wit::FailureKind::Damaged,
        document::FailureKind::Encrypted => wit::FailureKind::Encrypted,
        document::FailureKind::Empty => wit::FailureKind::Empty,
        document::FailureKind::TooLarge => wit::FailureKind::TooLarge,
    };
    wit::Failure { kind, message: failure.message }
}

export!(Component);
