//! The pages and sitemaps of a run: what was found, and what is asked for next.

use resly_core::{
    boxed,
    error::StoreError,
    id::{RevisionId, SourceId},
    knowledge::crawl::ItemContent,
};

use super::due::DueCrawl;
use crate::{
    Store,
    error::failed,
    knowledge::{PageVersion, hash},
    sql::row,
    types::{Count, Id, Json, named},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageKind {
    /// A page of a site, or an item of a list.
    Page,
    Sitemap,
    /// A page of a connector's list. Its URL is the cursor that asks for it, as JSON.
    List,
}

/// A page or a sitemap to ask for, or an item to read.
#[derive(Clone, Debug)]
pub struct FoundPage {
    /// The id of an item.
    pub url: String,
    pub kind: PageKind,
    pub depth: u32,
    pub tries: u32,
    /// The links that it had when its content was read.
    pub links: Vec<String>,
    /// What the list gave of an item.
    pub content: Option<ItemContent>,
    pub source: Option<KnownPage>,
}

/// What is known of a page from an earlier run.
#[derive(Clone, Debug)]
pub struct KnownPage {
    pub id: SourceId,
    pub revision: RevisionId,
    pub title: String,
    pub text: String,
    pub embedder: String,
    pub content_hash: Option<[u8; 32]>,
    pub version: PageVersion,
}

/// A page, a sitemap or an item that was found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct FoundLink {
    /// The id of an item.
    pub url: String,
    pub kind: PageKind,
    pub depth: u32,
    /// Why it isn't asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<&'static str>,
    /// What the list gave of an item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<ItemContent>,
}

#[derive(sqlx_macros::FromRow)]
struct FoundRow {
    url: String,
    kind: String,
    depth: Count,
    tries: Count,
    links: Option<Json<Vec<String>>>,
    content: Option<Json<ItemContent>>,
    id: Option<Id>,
    revision: Option<Id>,
    title: Option<String>,
    text: Option<String>,
    embedder: Option<String>,
    content_hash: Option<Vec<u8>>,
    etag: Option<String>,
    last_modified: Option<String>,
}

impl FoundRow {
    fn page(self) -> Result<FoundPage, sqlx::Error> {
        let number = |count: Count| u32::try_from(count.0).unwrap_or(u32::MAX);
        let content_hash = self.content_hash.map(hash).transpose()?;
        let version = PageVersion { etag: self.etag, last_modified: self.last_modified };
        let source = self.id.zip(self.revision).map(|(id, revision)| KnownPage {
            id: SourceId(id.0),
            revision: RevisionId(revision.0),
            title: self.title.unwrap_or_default(),
            text: self.text.unwrap_or_default(),
            embedder: self.embedder.unwrap_or_default(),
            content_hash,
            version,
        });
        let links = self.links.map(|links| links.0).unwrap_or_default();
        let content = self.content.map(|content| content.0);
        let (kind, depth, tries) = (named(self.kind)?, number(self.depth), number(self.tries));
        Ok(FoundPage { url: self.url, kind, depth, tries, links, content, source })
    }
}

/// The page that a run asks for next. The index `crawl_pages_next` has this order.
pub(crate) const NEXT_PAGE: &str =
    "SELECT p.url, p.kind, p.depth, p.tries, p.links, p.content, s.id, s.revision, s.title, s.text, s.embedder,
            s.content_hash, s.etag, s.last_modified
     FROM crawl_pages p LEFT JOIN knowledge_sources s ON s.id = p.source_id AND s.crawl_id = p.crawl_id
     WHERE p.crawl_id = $1 AND p.run = $2 AND p.state = 'found'
     ORDER BY (p.kind = 'list'), p.kind DESC, p.tries, p.depth, p.url LIMIT 1";

impl Store {
    /// The next page that the run asks for: sitemaps first, then pages by their depth, those that failed last. The items of
    /// a list's page come before its next page, so that no more than one page waits in the database.
    #[boxed]
    pub async fn next_crawl_page(&self, crawl: &DueCrawl) -> Result<Option<FoundPage>, StoreError> {
        let doing = "look for the next page of a crawl";
        let mut db = self.reader(crawl.organization, doing).await?;
        let found = row!(db, FoundRow, NEXT_PAGE, Id(crawl.id.0), Count(crawl.run)).map_err(failed(doing))?;
        found.map(FoundRow::page).transpose().map_err(failed(doing))
    }
}
