//! What the audit log shows of sources and crawls: what they are called and where they are from, never their text.

use resly_core::id::{CrawlId, OrganizationId, SourceId};
use serde::Serialize;

use crate::{
    audit::{Author, Subject, view},
    sql::{Conn, row},
    types::Id,
};

#[derive(Serialize)]
struct SourceView<'s> {
    title: &'s str,
    url: Option<&'s str>,
}

#[derive(Serialize)]
struct CrawlView<'c> {
    url: &'c str,
}

/// Notes that somebody added a source, or gave one another content or URL.
pub(super) async fn source(
    db: &mut Conn<'_>,
    by: &Author,
    organization: OrganizationId,
    action: &'static str,
    id: SourceId,
    title: &str,
    url: Option<&str>,
) -> Result<(), sqlx::Error> {
    by.created(db, organization, action, Subject::new(id, title), view(&SourceView { title, url })?).await
}

/// Notes that sources are about to be deleted. One that isn't there is none.
pub(super) async fn deleted(
    db: &mut Conn<'_>,
    by: &Author,
    organization: OrganizationId,
    ids: &[Id],
) -> Result<(), sqlx::Error> {
    if !by.is_known() {
        return Ok(());
    }
    let sql = "SELECT title, url FROM knowledge_sources
               WHERE id = $1 AND organization_id = $2 AND status <> 'deleting'";
    for id in ids {
        let found = row!(db, (String, Option<String>), sql, *id, Id(organization.0))?;
        if let Some((title, url)) = found {
            let before = view(&SourceView { title: &title, url: url.as_deref() })?;
            by.deleted(db, organization, "source.delete", Subject::new(SourceId(id.0), &title), before).await?;
        }
    }
    Ok(())
}

/// Notes that a crawl is about to be deleted. One that isn't there is none.
pub(super) async fn crawl_deleted(
    db: &mut Conn<'_>,
    by: &Author,
    organization: OrganizationId,
    id: CrawlId,
) -> Result<(), sqlx::Error> {
    let sql = "SELECT url FROM crawls WHERE id = $1 AND organization_id = $2 AND status <> 'deleting'";
    let Some((url,)) = row!(db, (String,), sql, Id(id.0), Id(organization.0))? else { return Ok(()) };
    by.deleted(db, organization, "crawl.delete", Subject::new(id, &url), view(&CrawlView { url: &url })?).await
}

/// Notes that somebody added a crawl or changed its settings, which makes it run.
pub(crate) async fn crawl(
    db: &mut Conn<'_>,
    by: &Author,
    organization: OrganizationId,
    id: CrawlId,
    url: &str,
    is_new: bool,
) -> Result<(), sqlx::Error> {
    let action = if is_new { "crawl.create" } else { "crawl.change" };
    by.created(db, organization, action, Subject::new(id, url), view(&CrawlView { url })?).await
}
