//! Reads a sitemap: has the sandbox parse it, and finds the pages and sitemaps that it names.

use std::sync::Arc;

use resly_core::knowledge::document::Document;
use resly_store::{FoundPage, PageResult, PageVersion};

use super::{
    asked::{Asked, Run, Stop, unread},
    fetched::fetch_found,
};

pub async fn read_sitemap(run: &Run<'_>, found: &FoundPage) -> Result<Asked, Stop> {
    let answer = match fetch_found(run, found, &PageVersion::default()).await {
        Ok(answer) => answer,
        Err(asked) => return Ok(asked),
    };
    let bytes = answer.body.len() as u64;
    let document = Document { bytes: answer.body, content_type: answer.content_type, name: Some(found.url.clone()) };
    let _work = run.app.crawl_places.work().await;
    let mut asked = match run.reader().sitemap(run.app, document).await {
        // What it names isn't known.
        Err(error) => Asked::of(PageResult::Failed { reason: unread(error)?.message }),
        Ok(entries) => {
            // There may be fifty thousand.
            let scope = Arc::clone(&run.scope);
            let links = tokio::task::spawn_blocking(move || scope.entries(&entries)).await;
            let links = links.map_err(|error| Stop::Retry(error.to_string()))?;
            Asked { links, ..Asked::of(PageResult::Skipped { reason: "a sitemap".to_owned(), gone: false }) }
        }
    };
    (asked.bytes, asked.requested) = (bytes, true);
    Ok(asked)
}
