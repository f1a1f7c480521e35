//! Gets the document of a source: the file that waits with it, or the page at its URL.

use std::{sync::Arc, time::Duration};

use resly_core::knowledge::{FailureKind, SourceFailure, SourceKind, document::Document};
use resly_egress::PageError;
use resly_store::{DueSource, PageVersion};
use sha2::{Digest, Sha256};

use super::Ended;
use crate::{App, sources::fetch};

/// After so many answers in a row that a page is gone, what is known of it is forgotten.
const MISSES: u32 = 2;

/// A document, and what identifies its version.
pub struct Got {
    pub document: Document,
    pub content_hash: [u8; 32],
    pub version: PageVersion,
}

/// The file or the page as it is now.
pub async fn current_document(app: &Arc<App>, due: &DueSource) -> Result<Got, Ended> {
    match &due.url {
        Some(url) if due.kind != SourceKind::File => page(app, due, url).await,
        _ => file(app, due).await,
    }
}

async fn file(app: &Arc<App>, due: &DueSource) -> Result<Got, Ended> {
    let file = app.store.source_document(due.organization, due.id).await?.ok_or(Ended::Superseded)?;
    let document = Document { bytes: file.bytes, content_type: file.content_type, name: file.name };
    Ok(Got { document, content_hash: file.hash, version: PageVersion::default() })
}

async fn page(app: &Arc<App>, due: &DueSource, url: &str) -> Result<Got, Ended> {
    // What was embedded by another embedder is read anew.
    let known = due.chunks > 0 && due.embedder == app.library.embedder();
    let version = if known { due.version.clone() } else { PageVersion::default() };
    let answer = fetch(app, due.organization, url, &version, false).await.map_err(unreachable)?;
    let validators = PageVersion { etag: answer.etag, last_modified: answer.last_modified };
    match answer.status {
        304 if known => {
            let content_hash = due.content_hash.unwrap_or_default();
            return Err(Ended::Unchanged { content_hash, version });
        }
        200 if answer.noindex => return Err(not_indexable()),
        200 => {}
        404 | 410 => return Err(gone(due, answer.status)),
        status @ (429 | 500..) => {
            let failure = SourceFailure::new(FailureKind::Unreachable, format!("the server answered {status}"));
            return Err(Ended::Passing(failure, answer.retry_after_s.map(Duration::from_secs)));
        }
        status => {
            let message = format!("the server answered {status}; a page has to be public and answer 200");
            return Err(Ended::failed(FailureKind::Unreachable, message));
        }
    }
    let content_hash: [u8; 32] = Sha256::digest(&answer.body).into();
    if known && due.content_hash == Some(content_hash) {
        return Err(Ended::Unchanged { content_hash, version: validators });
    }
    let document =
        Document { bytes: answer.body, content_type: answer.content_type, name: Some(answer.url.to_string()) };
    Ok(Got { document, content_hash, version: validators })
}

fn unreachable(error: PageError) -> Ended {
    match error {
        PageError::TooLarge(_) => Ended::failed(FailureKind::TooLarge, error.to_string()),
        error if error.is_transient() => Ended::passing(FailureKind::Unreachable, error.to_string()),
        error => Ended::failed(FailureKind::Unreachable, error.to_string()),
    }
}

/// A page may be missing for a moment while its site is being changed, so the first answer forgets nothing.
fn gone(due: &DueSource, status: u16) -> Ended {
    let misses = due.misses.saturating_add(1);
    let forget = misses >= MISSES;
    let told = if forget {
        "what was known of it is forgotten"
    } else {
        "what was known of it is kept until the next reading finds the same"
    };
    let message = format!("the server answered {status}: the page isn't there any more; {told}");
    Ended::Failed { failure: SourceFailure::new(FailureKind::Gone, message), forget, misses }
}

/// The page, or its server, asks that it isn't indexed.
pub fn not_indexable() -> Ended {
    let message = "the page asks not to be indexed (`noindex`); take that out, or send its text";
    Ended::Failed { failure: SourceFailure::new(FailureKind::NotIndexable, message), forget: true, misses: 0 }
}
