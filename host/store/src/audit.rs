//! The audit log: what members and keys changed, with before and after. An entry is written in the transaction of its change,
//! and holds no secret. What nobody asked for, such as a job's work, has no entry.

use std::sync::Arc;

use resly_core::{
    actor::{self, Actor, ActorKind},
    boxed,
    error::StoreError,
    id::{OrganizationId, RowId},
    time::Timestamp,
};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    Store,
    error::{OperationError, failed},
    page::Cursor,
    query::Query,
    row_id::row_id,
    row_scope::RowScope,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json, Text, Time, named},
};

/// One change.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    pub id: RowId,
    pub created_at: Timestamp,
    pub actor_kind: ActorKind,
    pub actor_id: Option<Uuid>,
    pub actor_name: String,
    /// What was changed and how, such as `key.create`.
    pub action: String,
    /// The kind of what was changed, such as `key`.
    pub subject_kind: String,
    pub subject_id: Option<String>,
    pub subject_name: Option<String>,
    /// The members that differ, as they were. `None` when it is new.
    pub before: Option<Value>,
    /// The same members, as they are. `None` when it is gone.
    pub after: Option<Value>,
}

/// Which entries to list, newest first. What is `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// A person's or a key's id.
    pub actor: Option<Uuid>,
    /// An action such as `key.create`, or all of a subject such as `key`.
    pub action: Option<String>,
    /// A subject's id.
    pub subject: Option<String>,
    pub from: Option<Timestamp>,
    /// Entries of this moment don't belong.
    pub to: Option<Timestamp>,
    pub before: Option<Cursor>,
    pub limit: u32,
}

/// What was changed: its id and its name.
pub(crate) struct Subject {
    id: Option<String>,
    name: Option<String>,
}

impl Subject {
    pub fn new(id: impl ToString, name: &str) -> Self {
        Self { id: Some(id.to_string()), name: Some(name.to_owned()) }
    }

    pub fn by_id(id: impl ToString) -> Self {
        Self { id: Some(id.to_string()), name: None }
    }

    /// What an organization has one of, such as its plan.
    pub fn only() -> Self {
        Self { id: None, name: None }
    }
}

/// Who changes something. It is asked before the transaction, which may run on another task.
#[derive(Clone)]
pub(crate) struct Author(Option<Arc<Actor>>);

impl Author {
    pub fn current() -> Self {
        Self(actor::current())
    }

    pub fn of(actor: Actor) -> Self {
        Self(Some(Arc::new(actor)))
    }

    /// For what is no change of anybody's.
    pub fn nobody() -> Self {
        Self(None)
    }

    /// The organization of the member or the key, which keeps what they change of the host.
    pub fn organization(&self) -> Option<OrganizationId> {
        self.0.as_ref().and_then(|actor| actor.organization)
    }

    /// Whether entries are written at all.
    pub fn is_known(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) async fn created(
        &self,
        db: &mut Conn<'_>,
        organization: OrganizationId,
        action: &'static str,
        subject: Subject,
        after: Value,
    ) -> Result<(), sqlx::Error> {
        self.write(db, organization, action, subject, None, Some(after)).await
    }

    pub(crate) async fn deleted(
        &self,
        db: &mut Conn<'_>,
        organization: OrganizationId,
        action: &'static str,
        subject: Subject,
        before: Value,
    ) -> Result<(), sqlx::Error> {
        self.write(db, organization, action, subject, Some(before), None).await
    }

    /// Writes the members that differ. Without any, nothing was changed.
    pub(crate) async fn changed(
        &self,
        db: &mut Conn<'_>,
        organization: OrganizationId,
        action: &'static str,
        subject: Subject,
        before: Value,
        after: Value,
    ) -> Result<(), sqlx::Error> {
        let (before, after) = differences(before, after);
        if before == after {
            return Ok(());
        }
        self.write(db, organization, action, subject, Some(before), Some(after)).await
    }

    async fn write(
        &self,
        db: &mut Conn<'_>,
        organization: OrganizationId,
        action: &'static str,
        subject: Subject,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), sqlx::Error> {
        let Some(actor) = &self.0 else { return Ok(()) };
        let actor = actor.seen_by(organization);
        execute!(
            db,
            "INSERT INTO audit_log (id, organization_id, created_at, actor_kind, actor_id, actor_name, action,
                                    subject_kind, subject_id, subject_name, before, after)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            row_id(actor.at),
            Id(organization.0),
            Time(actor.at),
            actor.kind.name(),
            actor.id.map(Id),
            Text(&actor.name),
            action,
            action.split('.').next().unwrap_or(action),
            subject.id.as_deref().map(Text),
            subject.name.as_deref().map(Text),
            before.map(Json),
            after.map(Json)
        )
        .map(drop)
    }
}

#[derive(Serialize)]
struct RetentionView {
    days: Option<i64>,
}

/// What an entry shows of a row.
pub(crate) fn view(row: &impl Serialize) -> Result<Value, sqlx::Error> {
    serde_json::to_value(row).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// The members of two objects that differ.
fn differences(before: Value, after: Value) -> (Value, Value) {
    let (Value::Object(mut old), Value::Object(mut new)) = (before.clone(), after.clone()) else {
        return (before, after);
    };
    let same = |name: &String, value: &Value, other: &Map<String, Value>| other.get(name) == Some(value);
    let unchanged: Vec<String> =
        old.iter().filter(|(name, value)| same(name, value, &new)).map(|(name, _)| name.clone()).collect();
    for name in unchanged {
        old.shift_remove(&name);
        new.shift_remove(&name);
    }
    (Value::Object(old), Value::Object(new))
}

#[derive(sqlx_macros::FromRow)]
struct EntryRow {
    id: Id,
    created_at: Time,
    actor_kind: String,
    actor_id: Option<Id>,
    actor_name: String,
    action: String,
    subject_kind: String,
    subject_id: Option<String>,
    subject_name: Option<String>,
    before: Option<Json<Value>>,
    after: Option<Json<Value>>,
}

impl EntryRow {
    fn entry(self) -> Result<AuditEntry, sqlx::Error> {
        Ok(AuditEntry {
            id: RowId(self.id.0),
            created_at: self.created_at.0,
            actor_kind: named(self.actor_kind)?,
            actor_id: self.actor_id.map(|id| id.0),
            actor_name: self.actor_name,
            action: self.action,
            subject_kind: self.subject_kind,
            subject_id: self.subject_id,
            subject_name: self.subject_name,
            before: self.before.map(|json| json.0),
            after: self.after.map(|json| json.0),
        })
    }
}

/// How many days an entry is kept where an organization has no number of its own.
pub const AUDIT_DAYS: u32 = 400;
/// Entries that one transaction deletes.
const EXPIRED: i64 = 200;
const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;

impl Store {
    /// How many days the organization keeps an entry. `None`: as the host does.
    #[boxed]
    pub async fn audit_days(&self, organization: OrganizationId) -> Result<Option<u32>, StoreError> {
        let doing = "read how long the audit log is kept";
        let mut db = self.reader(organization, doing).await?;
        let sql = "SELECT audit_days FROM organizations WHERE id = $1";
        let found = row!(db, (Option<Count>,), sql, Id(organization.0)).map_err(failed(doing))?;
        Ok(found.and_then(|(days,)| days).map(|days| u32::try_from(days.0).unwrap_or(u32::MAX)))
    }

    /// Sets how many days the organization keeps an entry.
    #[boxed]
    pub async fn set_audit_days(&self, organization: OrganizationId, days: Option<u32>) -> Result<(), StoreError> {
        let by = Author::current();
        self.write(organization, "set how long the audit log is kept", move |mut db| {
            Box::pin(async move {
                let db = &mut db;
                let sql = "SELECT audit_days FROM organizations WHERE id = $1";
                let before = row!(db, (Option<i64>,), sql, Id(organization.0))?.and_then(|(days,)| days);
                let sql = "UPDATE organizations SET audit_days = $2 WHERE id = $1";
                execute!(db, sql, Id(organization.0), days.map(i64::from))?;
                let (before, after) =
                    (view(&RetentionView { days: before })?, view(&RetentionView { days: days.map(i64::from) })?);
                Ok(by.changed(db, organization, "audit.retention", Subject::only(), before, after).await?)
            })
        })
        .await
    }

    /// Deletes some of the entries that are older than they are kept. Returns how many there were; none when all are gone.
    #[boxed]
    pub async fn expire_audit_log(&self, now: Timestamp) -> Result<u64, StoreError> {
        let doing = "delete old entries of the audit log";
        let oldest = "SELECT id, COALESCE(audit_days, $1),
                          (SELECT MIN(created_at) FROM audit_log a WHERE a.organization_id = organizations.id)
                      FROM organizations";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = rows!(db, (Id, i64, Option<Time>), oldest, i64::from(AUDIT_DAYS)).map_err(failed(doing))?;
        drop(db);
        let cutoff = |days: i64| Timestamp::from_micros(now.micros().saturating_sub(days.saturating_mul(DAY_MICROS)));
        let due = found.into_iter().map(|(id, days, oldest)| (id, cutoff(days), oldest));
        let due: Vec<_> = due.filter(|(_, cutoff, oldest)| oldest.is_some_and(|oldest| oldest.0 < *cutoff)).collect();
        let mut deleted = 0;
        for (organization, cutoff, _) in due {
            deleted += self
                .write(OrganizationId(organization.0), doing, move |mut db| {
                    Box::pin(async move {
                        let sql = "DELETE FROM audit_log WHERE id IN (
                                       SELECT id FROM audit_log WHERE organization_id = $1 AND created_at < $2
                                       ORDER BY created_at, id LIMIT $3)";
                        Ok::<_, OperationError<StoreError>>(execute!(db, sql, organization, Time(cutoff), EXPIRED)?)
                    })
                })
                .await?;
        }
        Ok(deleted)
    }

    /// The organization's entries, newest first.
    #[boxed]
    pub async fn audit_log(
        &self,
        organization: OrganizationId,
        query: AuditQuery,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let doing = "read the audit log";
        let mut db = self.reader(organization, doing).await?;
        let mut list = Query::new(
            &db.conn(),
            "SELECT id, created_at, actor_kind, actor_id, actor_name, action, subject_kind, subject_id, subject_name,
                 before, after
             FROM audit_log WHERE organization_id = ",
        );
        list.bind(Id(organization.0)).filter(" AND actor_id = ", query.actor.map(Id));
        if let Some(action) = &query.action {
            // An action begins with the kind of its subject, which has an index.
            let kind = action.split('.').next().unwrap_or(action).to_owned();
            let action = action.contains('.').then(|| action.clone());
            list.push(" AND subject_kind = ").bind(kind).filter(" AND action = ", action);
        }
        list.filter(" AND subject_id = ", query.subject.clone())
            .filter(" AND created_at >= ", query.from.map(Time))
            .filter(" AND created_at < ", query.to.map(Time))
            .older(" AND (created_at, id)", query.before)
            .push(" ORDER BY created_at DESC, id DESC LIMIT ")
            .bind(i64::from(query.limit));
        let found: Vec<EntryRow> = list.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        found.into_iter().map(EntryRow::entry).collect::<Result<_, _>>().map_err(failed(doing))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_the_same_is_left_out() {
        let before = json!({"name": "a", "cap": 1.0, "scopes": ["chat"]});
        let after = json!({"name": "b", "cap": 1.0, "scopes": ["chat", "admin"]});
        let (before, after) = differences(before, after);
        assert_eq!(before, json!({"name": "a", "scopes": ["chat"]}));
        assert_eq!(after, json!({"name": "b", "scopes": ["chat", "admin"]}));
        let (before, after) = differences(json!({"a": null}), json!({"b": 1}));
        assert_eq!((before, after), (json!({"a": null}), json!({"b": 1})));
    }
}
