//! Hundreds of hostile documents: each ends with a document or with an error that says what it is, within the bounds, and
//! the host reads on.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use resly_core::{
    id::OrganizationId,
    knowledge::document::{Document, ExtractError, ExtractErrorKind, Extractor},
};
use resly_sandbox::{ExtractBounds, WasmExtractor};
use resly_tests::{
    documents::{csv, docx, gzip, html, pdf, pdf_of, pdf_stream, pdf_text, sitemap},
    guest::{Guests, ORGANIZATION},
};
use uuid::Uuid;

use super::bombs::{self, Named};

/// Smaller than a host's, so that those that use all of it up don't take minutes. They end in the same way.
const BOUNDS: ExtractBounds = ExtractBounds {
    input_bytes: 16 << 20,
    text_bytes: 8 << 20,
    fuel: 1_000_000_000,
    memory_bytes: 256 << 20,
    deadline: Duration::from_secs(60),
    wait: Duration::from_secs(600),
    load_wait: Duration::from_secs(600),
};

/// Random numbers that are the same in each run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most.max(1) as u64) as usize
    }
}

/// Good documents, of every format.
fn good() -> Vec<Named> {
    let plain = {
        let font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_vec();
        let page = b"<</Type/Page/Parent 2 0 R/Contents 5 0 R/Resources<</Font<</F1 3 0 R>>>>>>".to_vec();
        let pages = b"<</Type/Pages/Count 1/Kids[4 0 R]>>".to_vec();
        pdf_of(&[b"<</Type/Catalog/Pages 2 0 R>>".to_vec(), pages, font, page, pdf_stream("", &pdf_text(1))], "")
    };
    vec![
        ("page".to_owned(), html(5), "text/html"),
        ("table".to_owned(), csv(20), "text/csv"),
        ("PDF".to_owned(), pdf(3), "application/pdf"),
        ("PDF that isn't packed".to_owned(), plain, "application/pdf"),
        ("Word document".to_owned(), docx(10), "application/octet-stream"),
    ]
}

/// Good documents that end too early.
fn cut() -> Vec<Named> {
    let parts = |(name, bytes, kind): Named| {
        let cut = move |n: usize| (format!("{name}, {n} of 24"), bytes[..bytes.len() * n / 24].to_vec(), kind);
        (0..24).map(cut).collect::<Vec<_>>()
    };
    good().into_iter().flat_map(parts).collect()
}

/// Good documents in which something was changed: bytes, parts that are gone, twice there, or in another place.
fn changed() -> Vec<Named> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut changed = Vec::new();
    for (name, bytes, kind) in good() {
        for n in 0..40 {
            let mut bytes = bytes.clone();
            for _ in 0..=random.below(12) {
                let at = random.below(bytes.len());
                let end = (at + random.below(64)).min(bytes.len());
                match random.below(6) {
                    0 => bytes[at] = random.below(256) as u8,
                    1 => bytes[at] ^= 1 << random.below(8),
                    2 => drop(bytes.drain(at..end)),
                    3 => {
                        let part = bytes[at..end].to_vec();
                        let to = random.below(bytes.len());
                        bytes.splice(to..to, part);
                    }
                    4 => bytes[at..end].fill(random.below(256) as u8),
                    // A number that is larger than it should be.
                    _ => {
                        if let Some(digit) = bytes[at..].iter().position(u8::is_ascii_digit) {
                            bytes.splice(at + digit..at + digit, *b"99999");
                        }
                    }
                }
            }
            changed.push((format!("{name}, changed {n}"), bytes, kind));
        }
    }
    changed
}

fn document((_, bytes, kind): &Named) -> Document {
    let name = Some("https://help.example/a/b".to_owned());
    Document { bytes: bytes.clone().into(), content_type: Some((*kind).to_owned()), name }
}

/// How a document ended: its kind of error, or `None`.
fn ended(name: &str, fuel: u64, error: Option<ExtractError>) -> Option<ExtractErrorKind> {
    assert!(fuel <= BOUNDS.fuel, "{name} burnt {fuel}");
    let error = error?;
    assert!(error.message.len() > 20, "{name}: {error:?}");
    let host = matches!(error.kind, ExtractErrorKind::Busy | ExtractErrorKind::Internal);
    assert!(!host, "{name}: {error:?}");
    Some(error.kind)
}

async fn read(extractor: Arc<WasmExtractor>, n: usize, named: Named) -> (String, Option<ExtractErrorKind>) {
    // Several organizations, so that every place is used.
    let organization = OrganizationId(Uuid::from_u128(n as u128 % 3));
    let reading = extractor.extract(organization.into(), document(&named)).await;
    if let Ok(extracted) = &reading.result {
        assert!(extracted.text.len() <= BOUNDS.text_bytes, "{}", named.0);
        // What an external entity asks for.
        assert!(!extracted.text.contains("root:"), "{}", named.0);
    }
    let kind = ended(&named.0, reading.fuel, reading.result.err());
    (named.0, kind)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_documents_end_within_the_bounds() {
    let guests = Guests::load().unwrap();
    let extractor = guests.extractor(BOUNDS);
    let documents: Vec<Named> = [bombs::all(), cut(), changed()].concat();
    assert!(documents.len() >= 480, "{}", documents.len());
    let mut count = documents.len();
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    let read = documents.into_iter().enumerate().map(|(n, named)| read(Arc::clone(&extractor), n, named));
    let mut reads = stream::iter(read).buffer_unordered(4);
    while let Some((name, kind)) = reads.next().await {
        if std::env::var_os("SHOW_ENDS").is_some() {
            println!("{name}: {kind:?}");
        }
        *ends.entry(kind.map_or_else(|| "read".to_owned(), |kind| format!("{kind:?}"))).or_default() += 1;
    }
    drop(reads);
    for named in bombs::sitemaps() {
        let reading = extractor.sitemap(ORGANIZATION.into(), document(&named)).await;
        assert!(reading.result.as_ref().map_or(0, Vec::len) <= 50_000, "{}", named.0);
        ended(&named.0, reading.fuel, reading.result.err());
        count += 1;
    }
    for rules in bombs::robots() {
        let reading = extractor.robots(ORGANIZATION.into(), rules.into(), "resly").await;
        assert!(reading.result.is_ok() && reading.fuel <= BOUNDS.fuel);
        count += 1;
    }
    println!("{count} hostile documents: {ends:?}");
    assert!(count >= 500, "{count}");
    // Nothing is left, and the next document is read as if nothing had been.
    for named in good() {
        let reading = extractor.extract(ORGANIZATION.into(), document(&named)).await;
        assert!(reading.result.is_ok_and(|extracted| extracted.text.contains("turns green")), "{}", named.0);
    }
    let zipped = Named::from(("sitemap".to_owned(), gzip(&sitemap(3)), "application/gzip"));
    assert_eq!(extractor.sitemap(ORGANIZATION.into(), document(&zipped)).await.result.unwrap().len(), 3);
    assert_eq!((extractor.running(), guests.sandbox.stats().running), (0, 0));
}
