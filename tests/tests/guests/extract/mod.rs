//! Foreign documents in the real sandbox.

mod bombs;
mod hostile;
mod readability;

use std::{sync::Arc, time::Duration};

use resly_core::{
    id::OrganizationId,
    knowledge::document::{Document, ExtractErrorKind, Extracted, Extractor, Reading},
};
use resly_sandbox::{ExtractBounds, WasmExtractor, precheck};
use resly_tests::guest::{Guests, ORGANIZATION, component};
use uuid::Uuid;

fn document(bytes: impl Into<Vec<u8>>, content_type: &str) -> Document {
    Document { bytes: bytes.into().into(), content_type: Some(content_type.to_owned()), name: None }
}

fn load(bounds: ExtractBounds) -> (Guests, Arc<WasmExtractor>) {
    let guests = Guests::load().unwrap();
    let extractor = guests.extractor(bounds);
    (guests, extractor)
}

fn kind(reading: &Reading<Extracted>) -> ExtractErrorKind {
    let error = reading.result.as_ref().unwrap_err();
    assert!(error.message.len() > 30, "{error:?}");
    error.kind
}

/// A page of so many sections.
fn page(sections: usize) -> String {
    let section =
        |n| format!("<h2>Part {n}</h2><p>Hold the button for {n} seconds, then let it go again. <b>Done.</b></p>");
    let sections: String = (0..sections).map(section).collect();
    format!("<!doctype html><title>Hub | Kelvora</title><nav>Menu</nav><main><h1>Hub</h1>{sections}</main>")
}

#[test]
fn it_imports_nothing_but_wasi() {
    let found = precheck(&component("extract").unwrap()).unwrap();
    assert!(found.imports.iter().all(|name| name.starts_with("wasi:")), "{:?}", found.imports);
    assert_eq!(found.exports, ["resly:documents/documents@1.0.0"]);
}

#[tokio::test]
async fn a_page_a_sitemap_and_a_robots_txt_are_read() {
    let (_guests, extractor) = load(ExtractBounds::default());
    let page = Document { name: Some("https://a.example/hub".to_owned()), ..document(page(2), "text/html") };
    let reading = extractor.extract(ORGANIZATION.into(), page).await;
    let extracted = reading.result.unwrap();
    assert_eq!(extracted.title.as_deref(), Some("Hub"));
    assert!(extracted.text.starts_with("# Hub\n\n## Part 0\n\nHold the button"), "{}", extracted.text);
    assert!(reading.fuel > 100_000, "{}", reading.fuel);
    let map = document("<urlset><url><loc>https://a.example/1</loc></url></urlset>", "application/xml");
    let entries = extractor.sitemap(ORGANIZATION.into(), map).await.result.unwrap();
    assert_eq!(entries[0].url, "https://a.example/1");
    let rules = "User-agent: *\nDisallow: /x\nSitemap: https://a.example/s.xml";
    let robots = extractor.robots(ORGANIZATION.into(), rules.into(), "resly").await.result.unwrap();
    assert_eq!((robots.rules[0].path.as_str(), robots.sitemaps[0].as_str()), ("/x", "https://a.example/s.xml"));
}

#[tokio::test]
async fn each_bound_ends_in_an_error_that_says_what_to_do() {
    let most = ExtractBounds::default();
    let guests = Guests::load().unwrap();
    for (bounds, part) in [
        (ExtractBounds { fuel: 2_000_000, ..most }, "work"),
        (ExtractBounds { memory_bytes: 4 << 20, ..most }, "memory"),
        (ExtractBounds { deadline: Duration::ZERO, ..most }, "0 s"),
        (ExtractBounds { input_bytes: 1 << 10, ..most }, "bytes"),
        (ExtractBounds { text_bytes: 1 << 10, ..most }, "text"),
    ] {
        let reading = guests.extractor(bounds).extract(ORGANIZATION.into(), document(page(5_000), "text/html")).await;
        assert_eq!(kind(&reading), ExtractErrorKind::TooLarge, "{part}");
        assert!(reading.result.unwrap_err().message.contains(part), "{part}");
        assert!(reading.fuel <= bounds.fuel, "{part}");
    }
    let busy = ExtractBounds { load_wait: Duration::ZERO, ..most };
    let reading = guests.extractor(busy).extract(ORGANIZATION.into(), document(page(1), "text/html")).await;
    assert_eq!(kind(&reading), ExtractErrorKind::Busy);
}

#[tokio::test]
async fn one_organization_leaves_a_place_to_the_others() {
    let (_guests, extractor) = load(ExtractBounds { wait: Duration::from_secs(60), ..ExtractBounds::default() });
    let many: Vec<_> = (0..8)
        .map(|_| {
            let extractor = Arc::clone(&extractor);
            tokio::spawn(
                async move { extractor.extract(ORGANIZATION.into(), document(page(6_000), "text/html")).await },
            )
        })
        .collect();
    let other = OrganizationId(Uuid::from_u128(7));
    let reading = extractor.extract(other.into(), document(page(2), "text/html")).await;
    assert!(reading.result.is_ok());
    assert!(many.iter().filter(|task| !task.is_finished()).count() > 0, "the small page came before the large ones");
    assert!(extractor.running() <= 4);
    for task in many {
        assert!(task.await.unwrap().result.is_ok());
    }
}
