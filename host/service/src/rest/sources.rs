//! Writes of `knowledge_sources`: rows go through the use cases of sources, so that they are cut, embedded, metered and found
//! like any other. All rows of a request are embedded first and then written together, so that all of them are there or none.

use resly_core::id::{OrganizationId, SourceId};
use resly_rest::{RestError, body::Rows, plan::Node, registry::Column, value::Value};
use resly_store::{RestChange, RestRows};
use uuid::Uuid;

use super::{RestFailure, Written};
use crate::{
    App,
    sources::{self, ChunkedSource, NewSource, SourceError},
};

pub(super) const TABLE: &str = "knowledge_sources";
/// Sources that one request may write, since each is embedded.
const MOST: usize = 20;
/// Passages that the sources of one update may have together, when they are several: one transaction replaces them.
const PASSAGES_MOST: usize = 1000;

/// What a request says of a source: a column that it leaves out stays, or has its default.
#[derive(Clone, Default)]
struct SourcePatch {
    title: Option<String>,
    text: Option<String>,
    content_type: Option<String>,
    url: Option<Option<String>>,
}

impl SourcePatch {
    fn set(&mut self, column: &Column, value: Value) {
        let text = match value {
            Value::Text(text) => Some(text),
            _ => None,
        };
        match column.name {
            "title" => self.title = text,
            "text" => self.text = text,
            "content_type" => self.content_type = text,
            "url" => self.url = Some(text),
            _ => {}
        }
    }
}

pub(super) async fn insert(
    app: &App,
    organization: OrganizationId,
    rows: Rows,
    returned: Option<Node>,
    single: bool,
) -> Result<Written, RestFailure> {
    check_number(rows.rows.len())?;
    if single && rows.rows.len() != 1 {
        return Err(RestError::not_single(rows.rows.len()).into());
    }
    let mut checked = Vec::with_capacity(rows.rows.len());
    for row in rows.rows {
        let mut patch = SourcePatch::default();
        for (column, value) in rows.columns.iter().zip(row) {
            if let Some(value) = value {
                patch.set(column, value);
            }
        }
        let SourcePatch { title, text, content_type, url } = patch;
        let source = NewSource {
            title: title.unwrap_or_default(),
            text: text.unwrap_or_default(),
            content_type,
            url: url.flatten(),
        };
        checked.push(cut(source).await?);
    }
    let added = sources::add_all(app, organization, checked).await?;
    let ids = added.into_iter().map(|added| added.id.0).collect();
    finish(app, organization, returned, ids).await
}

pub(super) async fn update(app: &App, mut change: RestChange) -> Result<Written, RestFailure> {
    let ids = app.store.find_rest(&change).await?.ids();
    check_number(ids.len())?;
    let mut patch = SourcePatch::default();
    for (column, value) in change.set.take().unwrap_or_default() {
        patch.set(column, value);
    }
    let mut changed = Vec::with_capacity(ids.len());
    for id in &ids {
        let id = SourceId(*id);
        changed.push((id, patched(app, change.organization, id, patch.clone()).await?));
    }
    check_passages(&patch, &changed)?;
    sources::replace_all(app, change.organization, &changed).await?;
    finish(app, change.organization, change.returns.then_some(change.node), ids).await
}

pub(super) async fn delete(app: &App, mut change: RestChange) -> Result<Written, RestFailure> {
    let returns = std::mem::take(&mut change.returns);
    let ids = app.store.find_rest(&change).await?.ids();
    check_number(ids.len())?;
    let before = finish(app, change.organization, returns.then_some(change.node), ids.clone()).await?;
    let ids: Vec<SourceId> = ids.into_iter().map(SourceId).collect();
    app.library.remove_all(change.organization, &ids).await?;
    Ok(before)
}

/// A source as the patch makes it.
async fn patched(
    app: &App,
    organization: OrganizationId,
    id: SourceId,
    patch: SourcePatch,
) -> Result<ChunkedSource, SourceError> {
    let known = sources::find(app, organization, id).await?;
    let source = NewSource {
        title: patch.title.unwrap_or(known.source.title),
        text: patch.text.unwrap_or(known.text),
        content_type: Some(patch.content_type.unwrap_or(known.source.content_type)),
        url: patch.url.unwrap_or(known.source.url),
    };
    cut(source).await
}

/// A large text takes a while, so a thread that may block cuts it.
async fn cut(source: NewSource) -> Result<ChunkedSource, SourceError> {
    match tokio::task::spawn_blocking(move || source.cut()).await {
        Ok(cut) => cut,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn check_number(sources: usize) -> Result<(), RestError> {
    if sources > MOST {
        return Err(RestError::too_much(format!("a request writes {MOST} rows of {TABLE} at most")));
    }
    Ok(())
}

/// Bounds what one transaction writes. Sources whose URL alone changes keep their passages.
fn check_passages(patch: &SourcePatch, changed: &[(SourceId, ChunkedSource)]) -> Result<(), RestError> {
    let moves = patch.title.is_none() && patch.text.is_none() && patch.content_type.is_none();
    let passages: usize = changed.iter().map(|(_, source)| source.passages()).sum();
    if changed.len() > 1 && !moves && passages > PASSAGES_MOST {
        let message = format!(
            "the sources have {passages} passages together, and an update of several takes {PASSAGES_MOST} at most"
        );
        return Err(RestError::too_much(message).hint("Update them one by one, each by its id."));
    }
    Ok(())
}

async fn finish(
    app: &App,
    organization: OrganizationId,
    returned: Option<Node>,
    ids: Vec<Uuid>,
) -> Result<Written, RestFailure> {
    let affected = ids.len() as u64;
    let rows = match returned {
        Some(node) => app.store.rows_by_id(organization, node, ids).await?,
        None => RestRows { total: Some(affected), ..RestRows::default() },
    };
    Ok(Written { rows, affected })
}
