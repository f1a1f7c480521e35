//! Organizations and their plans.

use std::collections::BTreeMap;

use resly_core::{
    boxed,
    error::StoreError,
    id::OrganizationId,
    meter::{Limits, Meter},
    time::{Period, Timestamp},
};

use crate::{
    Store,
    columns::{returning, select},
    error::{failed, unexpected},
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Text, Time},
};

#[derive(Clone, Debug)]
pub struct NewOrganization {
    pub id: OrganizationId,
    pub name: String,
    pub limits: Limits,
    pub now: Timestamp,
}

/// What an organization may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub name: String,
    pub limits: Limits,
    /// The days that the log of connector calls is kept.
    pub log_days: u32,
    /// Bytes of the log, for each day and environment, before it is sampled.
    pub log_bytes_per_day: u64,
    /// The days after which a conversation that nobody continued is deleted. `None` keeps it for ever.
    pub conversation_days: Option<u32>,
    /// Chats and searches are refused from then on.
    pub subscription_ends_at: Option<Timestamp>,
}

/// A change of a plan. Members that aren't set stay as they are.
#[derive(Clone, Debug, Default)]
pub struct PlanChange {
    /// `None` removes a limit. They hold from the next count on.
    pub limits: BTreeMap<Meter, Option<u64>>,
    pub log_days: Option<u32>,
    pub log_bytes_per_day: Option<u64>,
    /// `Some(None)` keeps conversations for ever.
    pub conversation_days: Option<Option<u32>>,
}

#[derive(sqlx_macros::FromRow)]
struct PlanRow {
    plan: String,
    log_days: Count,
    log_bytes_per_day: Count,
    conversation_days: Option<Count>,
    subscription_ends_at: Option<Time>,
    limit_messages: Option<Count>,
    limit_embeddings: Option<Count>,
    limit_connector_calls: Option<Count>,
    limit_fuel: Option<Count>,
    limit_model_input_tokens: Option<Count>,
    limit_model_cached_input_tokens: Option<Count>,
    limit_model_output_tokens: Option<Count>,
}

impl From<PlanRow> for Plan {
    fn from(row: PlanRow) -> Self {
        let limits = [
            (Meter::Messages, row.limit_messages),
            (Meter::Embeddings, row.limit_embeddings),
            (Meter::ConnectorCalls, row.limit_connector_calls),
            (Meter::Fuel, row.limit_fuel),
            (Meter::ModelInputTokens, row.limit_model_input_tokens),
            (Meter::ModelCachedInputTokens, row.limit_model_cached_input_tokens),
            (Meter::ModelOutputTokens, row.limit_model_output_tokens),
        ];
        Self {
            name: row.plan,
            limits: limits.into_iter().filter_map(|(meter, limit)| Some((meter, limit?.0))).collect(),
            log_days: u32::try_from(row.log_days.0).unwrap_or(u32::MAX),
            log_bytes_per_day: row.log_bytes_per_day.0,
            conversation_days: row.conversation_days.map(|days| u32::try_from(days.0).unwrap_or(u32::MAX)),
            subscription_ends_at: row.subscription_ends_at.map(|ends| ends.0),
        }
    }
}

/// The query for one meter's limit and the subscription's end.
pub(crate) fn limit_column(meter: Meter) -> &'static str {
    match meter {
        Meter::Messages => "SELECT limit_messages, subscription_ends_at FROM organizations WHERE id = $1",
        Meter::Embeddings => "SELECT limit_embeddings, subscription_ends_at FROM organizations WHERE id = $1",
        Meter::ConnectorCalls => "SELECT limit_connector_calls, subscription_ends_at FROM organizations WHERE id = $1",
        Meter::Fuel => "SELECT limit_fuel, subscription_ends_at FROM organizations WHERE id = $1",
        Meter::ModelInputTokens => {
            "SELECT limit_model_input_tokens, subscription_ends_at FROM organizations WHERE id = $1"
        }
        Meter::ModelCachedInputTokens => {
            "SELECT limit_model_cached_input_tokens, subscription_ends_at FROM organizations WHERE id = $1"
        }
        Meter::ModelOutputTokens => {
            "SELECT limit_model_output_tokens, subscription_ends_at FROM organizations WHERE id = $1"
        }
    }
}

async fn change(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    change: &PlanChange,
    now: Timestamp,
) -> Result<Plan, sqlx::Error> {
    let changed = |meter| change.limits.contains_key(&meter);
    let limit = |meter| change.limits.get(&meter).copied().flatten().map(Count);
    let plan = row!(
        db,
        PlanRow,
        returning!(
            plan,
            "UPDATE organizations SET
             limit_messages = CASE WHEN $2 THEN $3 ELSE limit_messages END,
             limit_embeddings = CASE WHEN $4 THEN $5 ELSE limit_embeddings END,
             limit_connector_calls = CASE WHEN $6 THEN $7 ELSE limit_connector_calls END,
             limit_fuel = CASE WHEN $8 THEN $9 ELSE limit_fuel END,
             limit_model_input_tokens = CASE WHEN $12 THEN $13 ELSE limit_model_input_tokens END,
             limit_model_cached_input_tokens = CASE WHEN $14 THEN $15 ELSE limit_model_cached_input_tokens END,
             limit_model_output_tokens = CASE WHEN $16 THEN $17 ELSE limit_model_output_tokens END,
             log_days = COALESCE($10, log_days),
             log_bytes_per_day = COALESCE($11, log_bytes_per_day),
             conversation_days = CASE WHEN $18 THEN $19 ELSE conversation_days END
         WHERE id = $1"
        ),
        Id(organization.0),
        changed(Meter::Messages),
        limit(Meter::Messages),
        changed(Meter::Embeddings),
        limit(Meter::Embeddings),
        changed(Meter::ConnectorCalls),
        limit(Meter::ConnectorCalls),
        changed(Meter::Fuel),
        limit(Meter::Fuel),
        change.log_days.map(|days| Count(days.into())),
        change.log_bytes_per_day.map(Count),
        changed(Meter::ModelInputTokens),
        limit(Meter::ModelInputTokens),
        changed(Meter::ModelCachedInputTokens),
        limit(Meter::ModelCachedInputTokens),
        changed(Meter::ModelOutputTokens),
        limit(Meter::ModelOutputTokens),
        change.conversation_days.is_some(),
        change.conversation_days.flatten().map(|days| Count(days.into()))
    )?;
    let plan = plan.ok_or_else(|| unexpected(format!("there is no organization {organization}")))?;
    for (meter, limit) in &change.limits {
        execute!(
            db,
            "UPDATE usage SET plan_limit = $4
             WHERE organization_id = $1 AND period_start = $2 AND meter = $3 AND environment = 'production'",
            Id(organization.0),
            Time(Period::containing(now).start),
            meter.name(),
            limit.map(Count)
        )?;
    }
    Ok(plan.into())
}

impl Store {
    #[boxed]
    pub async fn create_organization(&self, new: NewOrganization) -> Result<(), StoreError> {
        self.write("create an organization", move |mut db| {
            Box::pin(async move {
                let limit = |meter: Meter| new.limits.get(&meter).copied().map(Count);
                execute!(
                    db,
                    "INSERT INTO organizations
                         (id, name, limit_messages, limit_embeddings, limit_connector_calls, limit_fuel, created_at,
                          limit_model_input_tokens, limit_model_cached_input_tokens, limit_model_output_tokens)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                    Id(new.id.0),
                    Text(&new.name),
                    limit(Meter::Messages),
                    limit(Meter::Embeddings),
                    limit(Meter::ConnectorCalls),
                    limit(Meter::Fuel),
                    Time(new.now),
                    limit(Meter::ModelInputTokens),
                    limit(Meter::ModelCachedInputTokens),
                    limit(Meter::ModelOutputTokens)
                )?;
                Ok(())
            })
        })
        .await
    }

    /// The first organization of that name.
    #[boxed]
    pub async fn organization_named(&self, name: &str) -> Result<Option<OrganizationId>, StoreError> {
        let doing = "find an organization by its name";
        let mut db = self.reader(doing).await?;
        let found =
            row!(db, (Id,), "SELECT id FROM organizations WHERE name = $1 ORDER BY created_at, id LIMIT 1", Text(name));
        Ok(found.map_err(failed(doing))?.map(|(id,)| OrganizationId(id.0)))
    }

    /// Whether there is any organization.
    #[boxed]
    pub async fn has_organizations(&self) -> Result<bool, StoreError> {
        let doing = "see whether there are organizations";
        let mut db = self.reader(doing).await?;
        row!(db, (i32,), "SELECT 1 FROM organizations LIMIT 1").map(|found| found.is_some()).map_err(failed(doing))
    }

    /// The names of the first organizations, oldest first.
    #[boxed]
    pub async fn first_organization_names(&self, most: u16) -> Result<Vec<String>, StoreError> {
        let doing = "list organizations";
        let mut db = self.reader(doing).await?;
        let found =
            rows!(db, (String,), "SELECT name FROM organizations ORDER BY created_at, id LIMIT $1", i64::from(most));
        Ok(found.map_err(failed(doing))?.into_iter().map(|(name,)| name).collect())
    }

    /// The organizations with this name or id: their ids and names, oldest first.
    #[boxed]
    pub async fn organizations_called(&self, name_or_id: &str) -> Result<Vec<(OrganizationId, String)>, StoreError> {
        let doing = "find organizations";
        let id = uuid::Uuid::try_parse(name_or_id).unwrap_or_default();
        let mut db = self.reader(doing).await?;
        let found = rows!(
            db,
            (Id, String),
            "SELECT id, name FROM organizations WHERE name = $1 OR id = $2 ORDER BY created_at, id",
            Text(name_or_id),
            Id(id)
        );
        Ok(found.map_err(failed(doing))?.into_iter().map(|(id, name)| (OrganizationId(id.0), name)).collect())
    }

    #[boxed]
    pub async fn plan(&self, organization: OrganizationId) -> Result<Plan, StoreError> {
        let doing = "read the plan";
        let mut db = self.reader(doing).await?;
        let plan = row!(db, PlanRow, select!(plan, "FROM organizations WHERE id = $1"), Id(organization.0))
            .map_err(failed(doing))?;
        plan.map(Plan::from)
            .ok_or_else(|| StoreError::Broken { doing, detail: format!("there is no organization {organization}") })
    }

    /// Applies a change of a plan.
    #[boxed]
    pub async fn change_plan(
        &self,
        organization: OrganizationId,
        what: PlanChange,
        now: Timestamp,
    ) -> Result<Plan, StoreError> {
        let log_changes = what.log_bytes_per_day.is_some();
        let changed = self.write("change the plan", move |mut db| {
            Box::pin(async move { Ok(change(&mut db, organization, &what, now).await?) })
        });
        let plan = changed.await?;
        if log_changes {
            self.log_budget.forget(organization);
        }
        Ok(plan)
    }

    /// Sets or removes the end of the subscription. False when there is no such organization.
    pub async fn set_subscription_end(
        &self,
        organization: OrganizationId,
        ends_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        self.write("change the subscription", move |mut db| {
            Box::pin(async move {
                let changed = execute!(
                    db,
                    "UPDATE organizations SET subscription_ends_at = $2 WHERE id = $1",
                    Id(organization.0),
                    ends_at.map(Time)
                )?;
                Ok(changed > 0)
            })
        })
        .await
    }
}
