//! The pages and sitemaps of a run: what was found, and what is asked for next.

use resly_core::{
    boxed,
    error::StoreError,
    id::{RevisionId, SourceId},
    knowledge::crawl::{CrawledPageState, ItemContent},
};

use super::due::DueCrawl;
use crate::{
    Store,
    error::failed,
    knowledge::{PageVersion, hash},
    sql::{Conn, execute, row},
    types::{Count, Id, Json, Text, name_of, named},
};

/// Sitemaps of one run.
const SITEMAPS_MOST: u64 = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
#[derive(Clone, Debug)]
pub struct FoundLink {
    /// The id of an item.
    pub url: String,
    pub kind: PageKind,
    pub depth: u32,
    /// Why it isn't asked for.
    pub skip: Option<&'static str>,
    /// What the list gave of an item.
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

/// Adds what was found to the run, each URL once, until the crawl has as many pages as it may.
pub(super) async fn add_links(db: &mut Conn<'_>, crawl: &DueCrawl, links: &[FoundLink]) -> Result<(), sqlx::Error> {
    if links.is_empty() {
        return Ok(());
    }
    let counted = row!(
        db,
        (Count, Count),
        "SELECT CAST(COALESCE(SUM(CASE WHEN kind = 'page' THEN 1 ELSE 0 END), 0) AS BIGINT),
                CAST(COALESCE(SUM(CASE WHEN kind = 'sitemap' THEN 1 ELSE 0 END), 0) AS BIGINT)
         FROM crawl_pages WHERE crawl_id = $1 AND run = $2",
        Id(crawl.id.0),
        Count(crawl.run)
    )?;
    let (mut pages, mut sitemaps) = counted.map_or((0, 0), |(pages, sitemaps)| (pages.0, sitemaps.0));
    let most = u64::from(crawl.settings.most_pages);
    let mut left_out = 0_u64;
    for link in links {
        let is_full = match link.kind {
            PageKind::Page | PageKind::List => pages >= most,
            PageKind::Sitemap => sitemaps >= SITEMAPS_MOST,
        };
        let kind = name_of(&link.kind)?;
        if is_full {
            let sql = "SELECT 1 FROM crawl_pages WHERE crawl_id = $1 AND kind = $2 AND url = $3 AND run = $4";
            let known = row!(db, (i32,), sql, Id(crawl.id.0), kind, Text(&link.url), Count(crawl.run))?;
            left_out += u64::from(known.is_none());
            continue;
        }
        let state = if link.skip.is_some() { CrawledPageState::Skipped } else { CrawledPageState::Found };
        let added = execute!(
            db,
            "INSERT INTO crawl_pages (crawl_id, organization_id, kind, url, depth, run, state, reason, gone, content)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (crawl_id, kind, url) DO UPDATE
             SET depth = excluded.depth, run = excluded.run, state = excluded.state, reason = excluded.reason,
                 gone = excluded.gone, content = excluded.content, tries = 0
             WHERE crawl_pages.run < excluded.run",
            Id(crawl.id.0),
            Id(crawl.organization.0),
            kind,
            Text(&link.url),
            Count(link.depth.into()),
            Count(crawl.run),
            name_of(&state)?,
            link.skip,
            link.skip.is_some(),
            link.content.as_ref().map(Json)
        )?;
        match link.kind {
            PageKind::Page => pages += added,
            PageKind::Sitemap => sitemaps += added,
            PageKind::List => {}
        }
    }
    if left_out > 0 {
        let sql = "UPDATE crawls SET left_out = left_out + $2 WHERE id = $1";
        execute!(db, sql, Id(crawl.id.0), Count(left_out))?;
    }
    Ok(())
}

impl Store {
    /// The next page that the run asks for: sitemaps first, then pages by their depth, those that failed last. The items of
    /// a list's page come before its next page, so that no more than one page waits in the database.
    #[boxed]
    pub async fn next_crawl_page(&self, crawl: &DueCrawl) -> Result<Option<FoundPage>, StoreError> {
        let doing = "look for the next page of a crawl";
        let mut db = self.reader(doing).await?;
        let found = row!(
            db,
            FoundRow,
            "SELECT p.url, p.kind, p.depth, p.tries, p.links, p.content, s.id, s.revision, s.title, s.text, s.embedder,
                    s.content_hash, s.etag, s.last_modified
             FROM crawl_pages p LEFT JOIN knowledge_sources s ON s.id = p.source_id AND s.crawl_id = p.crawl_id
             WHERE p.crawl_id = $1 AND p.run = $2 AND p.state = 'found'
             ORDER BY (p.kind = 'list'), p.kind DESC, p.tries, p.depth, p.url LIMIT 1",
            Id(crawl.id.0),
            Count(crawl.run)
        )
        .map_err(failed(doing))?;
        found.map(FoundRow::page).transpose().map_err(failed(doing))
    }
}
