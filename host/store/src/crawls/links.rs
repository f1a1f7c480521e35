//! Adds what a step found to its run, in groups, because SQLite has one writer and everybody waits for a long transaction.
//! A sitemap may name fifty thousand pages.
//!
//! The last group is stored with the step itself. So a page counts as read only when all of its links are there, and after
//! a host's death they are added again: those that are there stay as they are.

use std::collections::HashSet;

use resly_core::{error::StoreError, time::Timestamp};

use super::{
    due::{DueCrawl, StepError},
    pages::{FoundLink, PageKind},
};
use crate::{
    Store,
    error::{OperationError, failed},
    log_budget,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json, Time, name_of, named},
};

/// Sitemaps of one run.
pub const SITEMAPS_MOST: usize = 50;
/// Links of one transaction, and their bytes. A single one may be larger.
const GROUP: usize = 64;
const GROUP_BYTES: usize = 256 << 10;
/// Links that one statement looks for.
const LOOKED_FOR: usize = 500;

/// What a run doesn't have yet of the links of a step.
#[derive(Debug, Default)]
pub(super) struct NewLinks {
    /// The groups, of which the last one is stored with the step.
    pub groups: Vec<Vec<FoundLink>>,
    /// Links beyond what the crawl may read.
    pub left_out: u64,
}

/// What a run has of some links. SQLite looks for one after the other, where it would read all pages of the run.
pub(crate) const KNOWN_LINKS: (&str, &str) = (
    "SELECT p.url FROM json_each($4) l CROSS JOIN crawl_pages p
     WHERE p.crawl_id = $1 AND p.kind = $2 AND p.url = l.value AND p.run = $3",
    "SELECT url FROM crawl_pages WHERE crawl_id = $1 AND kind = $2 AND run = $3
         AND url IN (SELECT jsonb_array_elements_text($4))",
);

/// Adds links to the run, and counts them. What it has already stays as it is. No two links may be the same.
pub(super) async fn add_links(
    db: &mut Conn<'_>,
    crawl: &DueCrawl,
    links: &[FoundLink],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    if links.is_empty() {
        return Ok(());
    }
    let sql = db.pick(
        "INSERT INTO crawl_pages (crawl_id, organization_id, kind, url, depth, run, state, reason, gone, content)
         SELECT $1, $2, value->>'kind', value->>'url', value->>'depth', $3,
                CASE WHEN value->>'skip' IS NULL THEN 'found' ELSE 'skipped' END, value->>'skip',
                value->>'skip' IS NOT NULL, value->'content'
         FROM json_each($4) WHERE true
         ON CONFLICT (crawl_id, kind, url) DO UPDATE
         SET depth = excluded.depth, run = excluded.run, state = excluded.state, reason = excluded.reason,
             gone = excluded.gone, content = excluded.content, tries = 0
         WHERE crawl_pages.run < excluded.run RETURNING kind",
        "INSERT INTO crawl_pages (crawl_id, organization_id, kind, url, depth, run, state, reason, gone, content)
         SELECT $1, $2, value->>'kind', value->>'url', CAST(value->>'depth' AS BIGINT), $3,
                CASE WHEN value->>'skip' IS NULL THEN 'found' ELSE 'skipped' END, value->>'skip',
                value->>'skip' IS NOT NULL, value->'content'
         FROM jsonb_array_elements($4) AS f(value)
         ON CONFLICT (crawl_id, kind, url) DO UPDATE
         SET depth = excluded.depth, run = excluded.run, state = excluded.state, reason = excluded.reason,
             gone = excluded.gone, content = excluded.content, tries = 0
         WHERE crawl_pages.run < excluded.run RETURNING kind",
    );
    let id = Id(crawl.id.0);
    let added = rows!(db, (String,), sql, id, Id(crawl.organization.0), Count(crawl.run), Json(links))?;
    let mut counts = [(PageKind::Page, 0), (PageKind::Sitemap, 0)];
    for (kind,) in added {
        let kind = named::<PageKind>(kind)?;
        counts.iter_mut().filter(|(counted, _)| *counted == kind).for_each(|(_, count)| *count += 1);
    }
    let [(_, pages), (_, sitemaps)] = counts;
    let sql = "UPDATE crawls SET found = found + $2, sitemaps = sitemaps + $3 WHERE id = $1";
    execute!(db, sql, id, Count(pages), Count(sitemaps))?;
    let bytes = links.iter().filter(|link| link.content.is_some()).map(size).sum();
    log_budget::add_source(db, crawl.organization, bytes, now).await
}

/// Keeps the first of links that are the same.
pub(super) fn keep_each_once(links: &mut Vec<FoundLink>) {
    let mut seen = HashSet::new();
    links.retain(|link| seen.insert((link.kind, link.url.clone())));
}

/// Bytes that a link takes.
fn size(link: &FoundLink) -> usize {
    let content = link.content.as_ref().map_or(0, |content| {
        let others = [content.title.as_deref(), content.url.as_deref()].into_iter().flatten();
        content.text.len() + others.map(str::len).sum::<usize>()
    });
    link.url.len() + content
}

/// Splits links into groups of a bounded size.
fn groups(links: Vec<FoundLink>) -> Vec<Vec<FoundLink>> {
    let mut groups: Vec<Vec<FoundLink>> = Vec::new();
    let mut bytes = 0;
    for link in links {
        let size = size(&link);
        match groups.last_mut().filter(|group| group.len() < GROUP && bytes + size <= GROUP_BYTES) {
            Some(group) => group.push(link),
            None => {
                groups.push(vec![link]);
                bytes = 0;
            }
        }
        bytes += size;
    }
    groups
}

impl Store {
    /// Chooses the links that the run doesn't have yet, each once, until the crawl has as many pages as it may.
    pub(super) async fn new_links(&self, crawl: &DueCrawl, mut links: Vec<FoundLink>) -> Result<NewLinks, StoreError> {
        if links.is_empty() {
            return Ok(NewLinks::default());
        }
        let doing = "look for new pages of a crawl";
        let mut db = self.reader(crawl.organization, doing).await?;
        let sql = "SELECT found, sitemaps FROM crawls WHERE id = $1 AND run = $2";
        let counted = row!(db, (Count, Count), sql, Id(crawl.id.0), Count(crawl.run));
        // A crawl that another host has, or nobody, stores none of them.
        let (pages, sitemaps) = counted.map_err(failed(doing))?.unwrap_or((Count(0), Count(0)));
        let mut pages_left = u64::from(crawl.settings.most_pages).saturating_sub(pages.0);
        let mut sitemaps_left = (SITEMAPS_MOST as u64).saturating_sub(sitemaps.0);
        keep_each_once(&mut links);
        let (mut new, mut left_out) = (Vec::new(), 0);
        let mut rest = links.into_iter().peekable();
        while rest.peek().is_some() {
            let part: Vec<FoundLink> = rest.by_ref().take(LOOKED_FOR).collect();
            let mut known = HashSet::new();
            for kind in [PageKind::Page, PageKind::Sitemap, PageKind::List] {
                let urls: Vec<&str> =
                    part.iter().filter(|link| link.kind == kind).map(|link| link.url.as_str()).collect();
                if urls.is_empty() {
                    continue;
                }
                let sql = db.pick(KNOWN_LINKS.0, KNOWN_LINKS.1);
                let name = name_of(&kind).map_err(failed(doing))?;
                let found = rows!(db, (String,), sql, Id(crawl.id.0), name, Count(crawl.run), Json(urls));
                known.extend(found.map_err(failed(doing))?.into_iter().map(|(url,)| (kind, url)));
            }
            for link in part {
                if known.contains(&(link.kind, link.url.clone())) {
                    continue;
                }
                let left = match link.kind {
                    PageKind::Page => &mut pages_left,
                    PageKind::Sitemap => &mut sitemaps_left,
                    // The next page of a list is asked for while there may be more items.
                    PageKind::List => &mut u64::from(pages_left > 0),
                };
                if *left == 0 {
                    left_out += 1;
                    continue;
                }
                *left -= 1;
                new.push(link);
            }
        }
        Ok(NewLinks { groups: groups(new), left_out })
    }

    /// Adds a group of links in a transaction of its own.
    pub(super) async fn add_group(
        &self,
        crawl: &DueCrawl,
        links: Vec<FoundLink>,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StepError> {
        let crawl = crawl.clone();
        self.write(crawl.organization, "add pages of a crawl", move |mut db| {
            Box::pin(async move {
                let held = execute!(
                    db,
                    "UPDATE crawls SET lease_until = $4 WHERE id = $1 AND organization_id = $2 AND lease = $3",
                    Id(crawl.id.0),
                    Id(crawl.organization.0),
                    Id(crawl.lease.0),
                    Time(lease_until)
                )?;
                if held == 0 {
                    return Err(OperationError::Refused(StepError::Lost));
                }
                Ok(add_links(&mut db, &crawl, &links, now).await?)
            })
        })
        .await
    }
}
