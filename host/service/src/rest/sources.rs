//! Writes of `knowledge_sources`: each row goes through the use case of sources, so that it is cut, embedded, metered and
//! found like any other. Rows are written one after the other; when one fails, those before it stay, and the error says so.

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
    let (mut ids, all) = (Vec::with_capacity(checked.len()), checked.len());
    for source in checked {
        match sources::add(app, organization, source).await {
            Ok(added) => ids.push(added.id.0),
            Err(error) => return Err(partial(error, ids.len(), all)),
        }
    }
    finish(app, organization, returned, ids).await
}

pub(super) async fn update(app: &App, mut change: RestChange) -> Result<Written, RestFailure> {
    let ids = app.store.find_rest(&mut change).await?;
    check_number(ids.len())?;
    let mut patch = SourcePatch::default();
    for (column, value) in change.set.take().unwrap_or_default() {
        patch.set(column, value);
    }
    for (done, id) in ids.iter().enumerate() {
        let replaced = replace(app, change.organization, SourceId(*id), patch.clone()).await;
        replaced.map_err(|error| partial(error, done, ids.len()))?;
    }
    finish(app, change.organization, change.returns.then_some(change.node), ids).await
}

pub(super) async fn delete(app: &App, mut change: RestChange) -> Result<Written, RestFailure> {
    let ids = app.store.find_rest(&mut change).await?;
    check_number(ids.len())?;
    let before = finish(app, change.organization, change.returns.then_some(change.node), ids.clone()).await?;
    for (done, id) in ids.iter().enumerate() {
        let removed = app.library.remove(change.organization, SourceId(*id)).await;
        removed.map_err(|error| partial(SourceError::from(error), done, ids.len()))?;
    }
    Ok(before)
}

async fn replace(app: &App, organization: OrganizationId, id: SourceId, patch: SourcePatch) -> Result<(), SourceError> {
    let known = sources::find(app, organization, id).await?;
    let source = NewSource {
        title: patch.title.unwrap_or(known.source.title),
        text: patch.text.unwrap_or(known.text),
        content_type: Some(patch.content_type.unwrap_or(known.source.content_type)),
        url: patch.url.unwrap_or(known.source.url),
    };
    let cut = cut(source).await?;
    sources::replace(app, organization, id, cut).await.map(drop)
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

/// What failed after some rows were written.
fn partial(error: SourceError, done: usize, all: usize) -> RestFailure {
    match error {
        SourceError::Invalid(mistakes) if done > 0 => {
            let first = mistakes.first().map_or_else(String::new, |first| format!("{}: {}", first.path, first.message));
            RestError::new(400, "23514", first).details(format!("{done} of {all} rows were written before")).into()
        }
        other => {
            if done > 0 {
                tracing::warn!(done, all, "a write of several sources ended early");
            }
            other.into()
        }
    }
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
