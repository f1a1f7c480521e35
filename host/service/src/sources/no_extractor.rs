//! Stands in for the extractor in a build that has no parsers.

use async_trait::async_trait;
use bytes::Bytes;
use resly_core::{
    id::OrganizationId,
    knowledge::document::{
        Document, ExtractError, ExtractErrorKind, Extracted, Extractor, Reading, Robots, SitemapEntry,
    },
};

/// Refuses every document.
pub struct NoExtractor;

fn refused<T>() -> Reading<T> {
    let message = "this build has no parsers for documents; send the text itself to POST /api/admin/sources";
    Reading { result: Err(ExtractError { kind: ExtractErrorKind::Unsupported, message: message.to_owned() }), fuel: 0 }
}

#[async_trait]
impl Extractor for NoExtractor {
    async fn extract(&self, _: OrganizationId, _: Document) -> Reading<Extracted> {
        refused()
    }

    async fn sitemap(&self, _: OrganizationId, _: Document) -> Reading<Vec<SitemapEntry>> {
        refused()
    }

    async fn robots(&self, _: OrganizationId, _: Bytes, _: &str) -> Reading<Robots> {
        refused()
    }
}
