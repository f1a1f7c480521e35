//! The statements that create, rotate, change and delete keys, each with its entry in the audit log.

use resly_core::{
    id::{KeyId, OrganizationId},
    time::Timestamp,
};

use super::{
    KeyChange, KeyChangeError, KeySummary, NewKey, Successor,
    locked::{Administers, LockedKeys},
    rows::{KeyRow, KeyView, RotationView},
};
use crate::{
    audit::{Author, Subject, view},
    columns::returning,
    error::OperationError,
    sql::{Conn, execute, row},
    types::{Count, Id, Json, Text, Time, name_of},
};

pub(super) async fn insert(db: &mut Conn<'_>, by: &Author, key: &NewKey) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "INSERT INTO api_keys
             (id, organization_id, lineage, name, kind, scopes, origins, message_cap, rate_limits, secret_hash,
              created_at, ends_at, expires_at, visitor_message_cap)
         VALUES ($1, $2, $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12)",
        Id(key.id.0),
        Id(key.organization.0),
        Text(&key.name),
        name_of(&key.kind)?,
        Json(&key.scopes),
        Json(&key.origins),
        key.message_cap.map(Count),
        key.rate_limits.map(Json),
        key.secret_hash.as_slice(),
        Time(key.now),
        key.expires_at.map(Time),
        key.visitor_message_cap.map(Count)
    )?;
    let after = view(&KeyView::of_new(key))?;
    by.created(db, key.organization, "key.create", Subject::new(key.id, &key.name), after).await
}

/// Sets the end of the old key and inserts the new one.
pub(super) async fn rotate(
    db: &mut Conn<'_>,
    by: &Author,
    organization: OrganizationId,
    old: KeyId,
    new: &Successor,
    old_expires_at: Timestamp,
) -> Result<(), OperationError<KeyChangeError>> {
    let held = LockedKeys::of(db, organization, new.now).await?;
    let key = held.find_working(old)?;
    execute!(
        db,
        "INSERT INTO api_keys
             (id, organization_id, lineage, name, kind, scopes, origins, message_cap, rate_limits, secret_hash,
              created_at, ends_at, expires_at, visitor_message_cap)
         SELECT $1, organization_id, lineage, name, kind, scopes, origins, message_cap, rate_limits, $4, $5, ends_at,
                ends_at, visitor_message_cap
         FROM api_keys WHERE id = $2 AND organization_id = $3",
        Id(new.id.0),
        Id(old.0),
        Id(organization.0),
        new.secret_hash.as_slice(),
        Time(new.now)
    )?;
    execute!(
        db,
        "UPDATE api_keys
         SET expires_at = CASE WHEN expires_at IS NULL OR expires_at > $3 THEN $3 ELSE expires_at END
         WHERE id = $1 AND organization_id = $2",
        Id(old.0),
        Id(organization.0),
        Time(old_expires_at)
    )?;
    let ends = key.expires_at.map(|at| at.0);
    let before = view(&RotationView { expires_at: ends, replaced_by: None })?;
    let soonest = ends.map_or(old_expires_at, |ends| ends.min(old_expires_at));
    let after = view(&RotationView { expires_at: Some(soonest), replaced_by: Some(new.id) })?;
    Ok(by.changed(db, organization, "key.rotate", Subject::new(old, &key.name), before, after).await?)
}

/// Applies a change. A key that is being rotated keeps its end, whatever the change says of its expiry.
pub(super) async fn change(
    db: &mut Conn<'_>,
    by: &Author,
    organization: OrganizationId,
    id: KeyId,
    change: &KeyChange,
    now: Timestamp,
) -> Result<KeySummary, OperationError<KeyChangeError>> {
    let held = LockedKeys::of(db, organization, now).await?;
    let key = held.find_working(id)?;
    let scopes = change.scopes.as_ref().unwrap_or(&key.scopes.0);
    let expires_at = change.expires_at.unwrap_or(key.expires_at.map(|at| at.0));
    held.keeps_an_admin(key, Administers::of(scopes, expires_at, now))?;
    let changed = row!(
        db,
        KeyRow,
        returning!(
            key,
            "UPDATE api_keys
         SET name = CASE WHEN $3 THEN $4 ELSE name END,
             scopes = CASE WHEN $5 THEN $6 ELSE scopes END,
             origins = CASE WHEN $7 THEN $8 ELSE origins END,
             message_cap = CASE WHEN $9 THEN $10 ELSE message_cap END,
             rate_limits = CASE WHEN $11 THEN $12 ELSE rate_limits END,
             expires_at = CASE WHEN NOT $13 THEN expires_at
                               WHEN expires_at IS NOT DISTINCT FROM ends_at THEN $14
                               WHEN $14 < expires_at THEN $14
                               ELSE expires_at END,
             ends_at = CASE WHEN $13 THEN $14 ELSE ends_at END,
             visitor_message_cap = CASE WHEN $15 THEN $16 ELSE visitor_message_cap END
         WHERE id = $1 AND organization_id = $2"
        ),
        Id(id.0),
        Id(organization.0),
        change.name.is_some(),
        Text(change.name.as_deref().unwrap_or_default()),
        change.scopes.is_some(),
        Json(change.scopes.as_deref().unwrap_or_default()),
        change.origins.is_some(),
        Json(change.origins.as_deref().unwrap_or_default()),
        change.message_cap.is_some(),
        change.message_cap.flatten().map(Count),
        change.rate_limits.is_some(),
        change.rate_limits.flatten().map(Json),
        change.expires_at.is_some(),
        change.expires_at.flatten().map(Time),
        change.visitor_message_cap.is_some(),
        change.visitor_message_cap.flatten().map(Count)
    )?;
    let changed = changed.ok_or(OperationError::Refused(KeyChangeError::Missing))?;
    let (before, after) = (view(&KeyView::of(key))?, view(&KeyView::of(&changed))?);
    by.changed(db, organization, "key.change", Subject::new(id, &key.name), before, after).await?;
    Ok(changed.summary()?)
}

pub(super) async fn delete(
    db: &mut Conn<'_>,
    by: &Author,
    organization: OrganizationId,
    id: KeyId,
    now: Timestamp,
) -> Result<(), OperationError<KeyChangeError>> {
    let held = LockedKeys::of(db, organization, now).await?;
    let key = held.find(id)?;
    held.keeps_an_admin(key, Administers::No)?;
    execute!(
        db,
        "UPDATE api_keys SET deleted_at = $3 WHERE id = $1 AND organization_id = $2",
        Id(id.0),
        Id(organization.0),
        Time(now)
    )?;
    let before = view(&KeyView::of(key))?;
    Ok(by.deleted(db, organization, "key.delete", Subject::new(id, &key.name), before).await?)
}
