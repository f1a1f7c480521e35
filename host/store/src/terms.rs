//! An organization's terms stand on its row, where counting reads them: those of its plan, with its own overrides.

use resly_core::{
    id::OrganizationId,
    meter::{Limits, Meter},
    plan::{Features, Overrides, PlanId, Terms},
    time::{Period, Timestamp},
};

use crate::{
    sql::{Conn, execute, row, rows},
    thresholds::{self, Reading},
    types::{Count, Id, Json, Time, named},
};

/// A plan's terms, as of one change.
pub(crate) struct PlanTerms {
    pub terms: Terms,
    pub revision: Count,
    pub retired: bool,
}

#[derive(sqlx_macros::FromRow)]
struct TermsRow {
    limits: Json<Limits>,
    per_minute: Json<Limits>,
    features: Option<Json<Vec<String>>>,
    log_days: Count,
    log_bytes_per_day: Count,
    conversation_days: Option<Count>,
    revision: Count,
    retired_at: Option<Time>,
}

macro_rules! terms_columns {
    () => {
        "limits, per_minute, features, log_days, log_bytes_per_day, conversation_days, revision, retired_at"
    };
}

/// The terms of a plan, which don't change until the transaction ends.
///
/// In SQLite this writes: beside a running host, a transaction that reads first can't write any more once the host has
/// written.
pub(crate) async fn of_plan(db: &mut Conn<'_>, plan: &PlanId) -> Result<Option<PlanTerms>, sqlx::Error> {
    let sql = db.pick(
        concat!("UPDATE plans SET revision = revision WHERE id = $1 RETURNING ", terms_columns!()),
        concat!("SELECT ", terms_columns!(), " FROM plans WHERE id = $1 FOR SHARE"),
    );
    let found = row!(db, TermsRow, sql, plan.as_str())?;
    Ok(found.map(|row| PlanTerms {
        terms: Terms {
            limits: row.limits.0,
            per_minute: row.per_minute.0,
            features: Features::from_names(row.features.map(|names| names.0)),
            log_days: u32::try_from(row.log_days.0).unwrap_or(u32::MAX),
            log_bytes_per_day: row.log_bytes_per_day.0,
            conversation_days: row.conversation_days.map(|days| u32::try_from(days.0).unwrap_or(u32::MAX)),
        },
        revision: row.revision,
        retired: row.retired_at.is_some(),
    }))
}

macro_rules! set_limits {
    ($rows:literal) => {
        concat!(
            "UPDATE usage
             SET plan_limit = CASE meter WHEN 'messages' THEN $3 WHEN 'embeddings' THEN $4
                                         WHEN 'connector_calls' THEN $5 WHEN 'fuel' THEN $6
                                         WHEN 'model_input_tokens' THEN $7 WHEN 'model_cached_input_tokens' THEN $8
                                         WHEN 'model_output_tokens' THEN $9 ELSE plan_limit END ",
            $rows,
            " RETURNING meter, used, plan_limit"
        )
    };
}

/// Writes the terms that hold for an organization, and what follows from its new limits.
pub(crate) async fn write(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    plan: &PlanId,
    of: &PlanTerms,
    overrides: &Overrides,
    now: Timestamp,
) -> Result<Terms, sqlx::Error> {
    let terms = overrides.over(&of.terms);
    let month = |meter: Meter| terms.limits.get(&meter).copied().map(Count);
    let minute = |meter: Meter| terms.per_minute.get(&meter).copied().map(Count);
    execute!(
        db,
        "UPDATE organizations SET plan = $2, plan_revision = $3, overrides = $4,
             limit_messages = $5, limit_embeddings = $6, limit_connector_calls = $7, limit_fuel = $8,
             messages_per_minute = $9, embeddings_per_minute = $10, connector_calls_per_minute = $11,
             fuel_per_minute = $12, features = $13, log_days = $14, log_bytes_per_day = $15,
             limit_model_input_tokens = $16, limit_model_cached_input_tokens = $17, limit_model_output_tokens = $18,
             model_input_tokens_per_minute = $19, model_cached_input_tokens_per_minute = $20,
             model_output_tokens_per_minute = $21, conversation_days = $22
         WHERE id = $1",
        Id(organization.0),
        plan.as_str(),
        of.revision,
        Json(overrides),
        month(Meter::Messages),
        month(Meter::Embeddings),
        month(Meter::ConnectorCalls),
        month(Meter::Fuel),
        minute(Meter::Messages),
        minute(Meter::Embeddings),
        minute(Meter::ConnectorCalls),
        minute(Meter::Fuel),
        terms.features.names().map(Json),
        Count(terms.log_days.into()),
        Count(terms.log_bytes_per_day),
        month(Meter::ModelInputTokens),
        month(Meter::ModelCachedInputTokens),
        month(Meter::ModelOutputTokens),
        minute(Meter::ModelInputTokens),
        minute(Meter::ModelCachedInputTokens),
        minute(Meter::ModelOutputTokens),
        terms.conversation_days.map(|days| Count(days.into()))
    )?;
    let period = Period::containing(now);
    // In the order in which a call locks its meters.
    let sql = db.pick(
        set_limits!("WHERE organization_id = $1 AND period_start = $2 AND environment = 'production'"),
        set_limits!(
            "FROM (SELECT id AS counted FROM usage
                   WHERE organization_id = $1 AND period_start = $2 AND environment = 'production'
                   ORDER BY meter FOR UPDATE) AS locked
             WHERE usage.id = locked.counted"
        ),
    );
    let counted = rows!(
        db,
        (String, Count, Option<Count>),
        sql,
        Id(organization.0),
        Time(period.start),
        month(Meter::Messages),
        month(Meter::Embeddings),
        month(Meter::ConnectorCalls),
        month(Meter::Fuel),
        month(Meter::ModelInputTokens),
        month(Meter::ModelCachedInputTokens),
        month(Meter::ModelOutputTokens)
    )?;
    for (meter, used, limit) in counted {
        // What was used may already be past a threshold of a lower limit.
        let (meter, limit) = (named(meter)?, limit.map(|limit| limit.0));
        let reading = Reading { meter, before: 0, used: used.0, limit };
        thresholds::record(db, organization, reading, period, now).await?;
    }
    Ok(terms)
}
