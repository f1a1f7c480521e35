//! Inserts, updates and deletes.

use resly_core::{boxed, id::OrganizationId};
use resly_rest::{
    RestError,
    body::{self, Form},
    limits,
    plan::Node,
    prefer::{Preferences, Resolution},
    query::{Kind, Query},
    registry::{Column, Table, Verb},
    resolve,
};
use resly_store::{RestChange, RestInsert, RestRows};

use super::{RestFailure, Written, find_table, sources};
use crate::App;

/// Rows to insert, or the values that an update sets.
pub struct RowChange {
    pub table: String,
    pub query: Query,
    pub preferences: Preferences,
    pub form: Form,
    pub body: Vec<u8>,
    /// Whether what is selected of the rows is wanted.
    pub returns: bool,
    /// Whether exactly one row is expected.
    pub single: bool,
}

/// Rows to delete.
pub struct Deletion {
    pub table: String,
    pub query: Query,
    pub preferences: Preferences,
    pub returns: bool,
    pub single: bool,
}

/// Inserts rows, or updates those that are there already, when the request says so.
#[boxed]
pub async fn insert(app: &App, organization: OrganizationId, insertion: RowChange) -> Result<Written, RestFailure> {
    let RowChange { table, query, preferences, form, body, returns, single } = insertion;
    let table = writable(&table, Verb::Insert)?;
    refuse_window(&query)?;
    if query.parameters.iter().any(|parameter| matches!(parameter.kind, Kind::Filter(_))) {
        return Err(
            RestError::unsupported("conditions on the rows of an insert, and on what is embedded in them").into()
        );
    }
    let node = resolve::plan(table, &query)?;
    refuse_aggregate(&node)?;
    let missing_default = preferences.missing_default.unwrap_or(false);
    let rows = body::inserted(table, form, &body, query.columns.as_deref(), missing_default)?;
    drop(body);
    let conflict = conflict(table, &query, &preferences)?;
    if let Some((by, Resolution::Merge)) = conflict {
        check_merge(table, by, &rows.columns)?;
    }
    if table.name == sources::TABLE {
        if conflict.is_some() {
            return Err(RestError::unsupported("an upsert of knowledge_sources: update them by their ids").into());
        }
        return sources::insert(app, organization, rows, returns.then_some(node), single).await;
    }
    let now = app.clock.now();
    let ids = rows.rows.iter().map(|_| app.random.uuid(now)).collect();
    let returned = returns.then_some(node);
    let insert = RestInsert { organization, table, rows, ids, conflict, returned, single, now };
    Ok(written(app.store.insert_rest(insert).await?))
}

/// Updates the rows for which the conditions hold.
#[boxed]
pub async fn update(app: &App, organization: OrganizationId, update: RowChange) -> Result<Written, RestFailure> {
    let RowChange { table, query, preferences, form, body, returns, single } = update;
    let table = writable(&table, Verb::Update)?;
    let node = changed(table, &query, "UPDATE")?;
    let set = body::updated(table, form, &body, query.columns.as_deref())?;
    if set.is_empty() {
        // As in PostgREST: nothing is updated, and that is no mistake.
        if single {
            return Err(RestError::not_single(0).into());
        }
        return Ok(written(RestRows { names: resolve::member_names(&node), total: Some(0), ..RestRows::default() }));
    }
    let change = change(app, organization, node, Some(set), &preferences, returns, single);
    if table.name == sources::TABLE {
        return sources::update(app, change).await;
    }
    Ok(written(app.store.change_rest(change).await?))
}

/// Deletes the rows for which the conditions hold.
#[boxed]
pub async fn delete(app: &App, organization: OrganizationId, deletion: Deletion) -> Result<Written, RestFailure> {
    let Deletion { table, query, preferences, returns, single } = deletion;
    let table = writable(&table, Verb::Delete)?;
    let node = changed(table, &query, "DELETE")?;
    let change = change(app, organization, node, None, &preferences, returns, single);
    if table.name == sources::TABLE {
        return sources::delete(app, change).await;
    }
    Ok(written(app.store.change_rest(change).await?))
}

fn change(
    app: &App,
    organization: OrganizationId,
    node: Node,
    set: Option<Vec<(&'static Column, resly_rest::value::Value)>>,
    preferences: &Preferences,
    returns: bool,
    single: bool,
) -> RestChange {
    let (most, now) = (preferences.most_affected(), app.clock.now());
    RestChange { organization, node, set, returns, most, single, now }
}

fn written(rows: RestRows) -> Written {
    let affected = rows.total.unwrap_or(0);
    Written { rows, affected }
}

fn writable(name: &str, verb: Verb) -> Result<&'static Table, RestError> {
    let table = find_table(name)?;
    if table.allows(verb) {
        return Ok(table);
    }
    let does = match verb {
        Verb::Insert => "inserted into",
        Verb::Update => "updated",
        Verb::Delete => "deleted from",
    };
    Err(RestError::denied(format!("permission denied for table {name}"))
        .details(format!("{name} can't be {does} by REST")))
}

/// The plan of a change, which needs a condition of its own.
fn changed(table: &'static Table, query: &Query, verb: &str) -> Result<Node, RestError> {
    refuse_window(query)?;
    if query.on_conflict.is_some() {
        return Err(RestError::unsupported("on_conflict in a change of rows"));
    }
    if !query.has_filter() {
        return Err(RestError::new(400, "21000", format!("{verb} requires a WHERE clause"))
            .hint("Name the rows by a condition, such as id=eq.… or id=not.is.null for all."));
    }
    let node = resolve::plan(table, query)?;
    refuse_aggregate(&node)?;
    Ok(node)
}

fn refuse_window(query: &Query) -> Result<(), RestError> {
    let windowed = |kind: &Kind| matches!(kind, Kind::Limit(_) | Kind::Offset(_));
    if query.parameters.iter().any(|parameter| parameter.path.is_empty() && windowed(&parameter.kind)) {
        return Err(RestError::unsupported(format!(
            "limit and offset in a write: it is about all rows for which its conditions hold, {} at most",
            limits::WRITTEN
        )));
    }
    Ok(())
}

fn refuse_aggregate(node: &Node) -> Result<(), RestError> {
    if node.is_aggregated() { Err(RestError::unsupported("an aggregate of the rows that are written")) } else { Ok(()) }
}

/// An upsert sets what an update may set. A row keeps its id in any case.
fn check_merge(table: &Table, by: &Column, columns: &[&'static Column]) -> Result<(), RestError> {
    let fixed = |column: &&&Column| **column != by && column.name != "id" && !column.writable.in_update();
    match columns.iter().find(fixed) {
        None => Ok(()),
        Some(column) => Err(RestError::denied_column(table.name, column.name)),
    }
}

/// What becomes of a row that is there already, and by which column it is found.
fn conflict(
    table: &'static Table,
    query: &Query,
    preferences: &Preferences,
) -> Result<Option<(&'static Column, Resolution)>, RestError> {
    let Some(resolution) = preferences.resolution else {
        return match query.on_conflict {
            None => Ok(None),
            Some(_) => Err(RestError::unsupported("on_conflict without `Prefer: resolution=…`")),
        };
    };
    let mut names: Vec<&str> = query.on_conflict.iter().flatten().map(String::as_str).collect();
    if names.is_empty() {
        names.push("id");
    }
    // The organization is a part of every key.
    names.retain(|name| *name != "organization_id");
    let column = match names.as_slice() {
        [name] if *name == "id" || Some(*name) == table.unique => table.column(name),
        _ => None,
    };
    let column = column.ok_or_else(|| {
        let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
        RestError::new(400, "42P10", message)
    })?;
    Ok(Some((column, resolution)))
}
