//! Uploaded versions until they can be installed: a host compiles each under a lease, and an admin approves or rejects
//! it.

use resly_core::{
    boxed,
    connector::approval::Approval,
    error::StoreError,
    id::{ConnectionId, KeyId, OrganizationId},
    time::Timestamp,
};
use resly_manifest::Digest;
use serde::Serialize;

use crate::{
    RowScope, Store,
    audit::{Author, Subject, view},
    catalogue::{LEASE, VersionState, users},
    components::digest,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Text, Time, name_of},
};

/// How often compiling a version may be cut off before it is refused, so that a component can't end one host after
/// another.
const ATTEMPTS: u64 = 3;

/// A version to compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileJob {
    pub organization: OrganizationId,
    pub connector: String,
    pub version: String,
    pub component: Digest,
}

/// What an admin decides about a version.
#[derive(Clone, Debug)]
pub struct Decision {
    pub organization: OrganizationId,
    pub connector: String,
    pub version: String,
    /// The component that the admin reviewed.
    pub component: Digest,
    pub approval: Approval,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// The key by which it was decided. A member of the console has none.
    pub by: Option<KeyId>,
    pub now: Timestamp,
}

/// The result of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    Done,
    /// There is no such upload, or it has another content by now.
    Missing,
    /// Connections use it. Their ids and names.
    InUse(Vec<(ConnectionId, String)>),
}

#[derive(sqlx_macros::FromRow)]
struct CompilingRow {
    organization_id: Id,
    connector: String,
    version: String,
    component: Vec<u8>,
    attempts: Count,
}

async fn claim(db: &mut Conn<'_>, now: Timestamp) -> Result<Vec<CompileJob>, sqlx::Error> {
    let found = rows!(
        db,
        CompilingRow,
        "UPDATE connector_versions SET lease_until = $2, attempts = attempts + 1
         WHERE state = 'compiling' AND (lease_until IS NULL OR lease_until < $1)
         RETURNING organization_id, connector, version, component, attempts",
        Time(now),
        Time(now.plus(LEASE))
    )?;
    let mut claimed = Vec::new();
    for row in found {
        let version = CompileJob {
            organization: OrganizationId(row.organization_id.0),
            connector: row.connector,
            version: row.version,
            component: digest(row.component)?,
        };
        if row.attempts.0 > ATTEMPTS {
            let reason =
                format!("compiling it was cut off {ATTEMPTS} times; make the component smaller and upload it again");
            settle(db, &version, Some(&reason)).await?;
        } else {
            claimed.push(version);
        }
    }
    Ok(claimed)
}

async fn settle(db: &mut Conn<'_>, version: &CompileJob, refused: Option<&str>) -> Result<(), sqlx::Error> {
    let state = if refused.is_some() { VersionState::Refused } else { VersionState::Ready };
    execute!(
        db,
        "UPDATE connector_versions SET state = $5, reason = $6, lease_until = NULL
         WHERE organization_id = $1 AND connector = $2 AND version = $3 AND component = $4 AND state = 'compiling'",
        Id(version.organization.0),
        version.connector.as_str(),
        version.version.as_str(),
        version.component.0.as_slice(),
        name_of(&state)?,
        refused.map(Text)
    )
    .map(drop)
}

async fn decide(db: &mut Conn<'_>, decision: &Decision) -> Result<Decided, sqlx::Error> {
    let Decision { organization, connector, version, .. } = decision;
    if !decision.approval.allows() {
        let users = users(db, *organization, connector, version).await?;
        if !users.is_empty() {
            return Ok(Decided::InUse(users));
        }
    }
    let decided = execute!(
        db,
        "UPDATE connector_versions SET approval = $5, approval_reason = $6, decided_by = $7, decided_at = $8
         WHERE organization_id = $1 AND connector = $2 AND version = $3 AND component = $4 AND origin = 'uploaded'
           AND state <> 'deleted'",
        Id(organization.0),
        connector.as_str(),
        version.as_str(),
        decision.component.0.as_slice(),
        name_of(&decision.approval)?,
        decision.reason.as_deref().map(Text),
        decision.by.map(|key| Id(key.0)),
        Time(decision.now)
    )?;
    Ok(if decided > 0 { Decided::Done } else { Decided::Missing })
}

/// What the audit log shows of a decision.
#[derive(Serialize)]
struct DecisionView<'d> {
    approval: String,
    reason: Option<&'d str>,
}

/// What was decided about a version before.
async fn by_version(db: &mut Conn<'_>, decision: &Decision) -> Result<Option<(String, Option<String>)>, sqlx::Error> {
    row!(
        db,
        (String, Option<String>),
        "SELECT approval, approval_reason FROM connector_versions
         WHERE organization_id = $1 AND connector = $2 AND version = $3 AND component = $4",
        Id(decision.organization.0),
        decision.connector.as_str(),
        decision.version.as_str(),
        decision.component.0.as_slice()
    )
}

impl Store {
    /// Stores the result of compiling a version. `refused` is why it failed.
    #[boxed]
    pub async fn settle_connector(&self, version: CompileJob, refused: Option<String>) -> Result<(), StoreError> {
        self.write(version.organization, "settle a connector", move |mut db| {
            Box::pin(async move { Ok(settle(&mut db, &version, refused.as_deref()).await?) })
        })
        .await
    }

    /// Takes over versions that no host compiles any more. A version that was cut off too often is refused.
    #[boxed]
    pub async fn claim_compiling(&self, now: Timestamp) -> Result<Vec<CompileJob>, StoreError> {
        self.write(RowScope::Host, "take over what is to be compiled", move |mut db| {
            Box::pin(async move { Ok(claim(&mut db, now).await?) })
        })
        .await
    }

    /// Renews this host's lease on a version that it compiles.
    #[boxed]
    pub async fn hold_compiling(&self, version: CompileJob, now: Timestamp) -> Result<(), StoreError> {
        self.write(version.organization, "go on compiling a connector", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "UPDATE connector_versions SET lease_until = $5
                     WHERE organization_id = $1 AND connector = $2 AND version = $3 AND component = $4
                       AND state = 'compiling'",
                    Id(version.organization.0),
                    version.connector.as_str(),
                    version.version.as_str(),
                    version.component.0.as_slice(),
                    Time(now.plus(LEASE))
                )?;
                Ok(())
            })
        })
        .await
    }

    /// Approves or rejects an uploaded version. A version that connections use can't be rejected.
    #[boxed]
    pub async fn decide_connector(&self, decision: Decision) -> Result<Decided, StoreError> {
        let by = Author::current();
        self.write(decision.organization, "decide about a connector", move |mut db| {
            Box::pin(async move {
                let before = by_version(&mut db, &decision).await?;
                let decided = decide(&mut db, &decision).await?;
                if let (Some((approval, reason)), Decided::Done) = (before, &decided) {
                    let action = if decision.approval.allows() { "connector.approve" } else { "connector.reject" };
                    let before = view(&DecisionView { approval, reason: reason.as_deref() })?;
                    let approval = name_of(&decision.approval)?;
                    let after = view(&DecisionView { approval, reason: decision.reason.as_deref() })?;
                    let subject = Subject::by_id(format!("{} {}", decision.connector, decision.version));
                    by.changed(&mut db, decision.organization, action, subject, before, after).await?;
                }
                Ok(decided)
            })
        })
        .await
    }
}
