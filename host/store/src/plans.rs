//! The plans that an operator defines. A change of one reaches the rows of its organizations before it returns: those of
//! the first batch in the transaction of the change, the others in further ones. If a host dies between two, any host
//! goes on, since a row tells the plan's revision that it has.

use resly_core::{
    alert::Event,
    boxed,
    error::StoreError,
    id::OrganizationId,
    meter::Limits,
    plan::{Feature, Features, Overrides, PlanId, Terms},
    time::Timestamp,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    RowScope, Store,
    audit::{Author, Subject, view},
    billing,
    error::{OperationError, failed},
    sql::{Conn, execute, row, rows},
    terms,
    types::{Count, Id, Json, Text, Time},
};

/// Organizations whose rows one transaction changes. Other writes wait for it, so it has to be short.
const BATCH: i64 = 100;

/// A plan that an operator defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanDefinition {
    pub id: PlanId,
    /// For people.
    pub title: String,
    pub terms: Terms,
    /// No further organization gets it from then on.
    pub retired_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// How many organizations have it.
    pub organizations: u64,
}

#[derive(Clone, Debug)]
pub struct NewPlan {
    pub id: PlanId,
    pub title: String,
    pub terms: Terms,
    pub now: Timestamp,
}

/// A change of a plan. What is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct PlanUpdate {
    pub title: Option<String>,
    /// Terms in the place of those that it has; a limit that is `None` becomes unlimited.
    pub terms: Overrides,
    pub features: Option<Features>,
    /// `true` keeps further organizations from it.
    pub retired: Option<bool>,
}

/// Why a plan can't be created or changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PlanDefinitionError {
    #[error("there is no plan `{0}`")]
    Missing(PlanId),
    #[error("there is a plan `{0}` already")]
    Exists(PlanId),
    #[error("the plan `{0}` can't be retired: organizations get it that are made without another one")]
    Needed(PlanId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(sqlx_macros::FromRow)]
struct DefinitionRow {
    id: String,
    title: String,
    limits: Json<Limits>,
    per_minute: Json<Limits>,
    features: Option<Json<Vec<String>>>,
    log_days: Count,
    log_bytes_per_day: Count,
    conversation_days: Option<Count>,
    retired_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
    organizations: Count,
}

impl From<DefinitionRow> for PlanDefinition {
    fn from(row: DefinitionRow) -> Self {
        Self {
            id: PlanId::stored(row.id),
            title: row.title,
            terms: Terms {
                limits: row.limits.0,
                per_minute: row.per_minute.0,
                features: Features::from_names(row.features.map(|names| names.0)),
                log_days: u32::try_from(row.log_days.0).unwrap_or(u32::MAX),
                log_bytes_per_day: row.log_bytes_per_day.0,
                conversation_days: row.conversation_days.map(|days| u32::try_from(days.0).unwrap_or(u32::MAX)),
            },
            retired_at: row.retired_at.map(|at| at.0),
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
            organizations: row.organizations.0,
        }
    }
}

/// A query for plans; `$rest` follows `FROM plans p`.
macro_rules! definitions {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, p.title, p.limits, p.per_minute, p.features, p.log_days, p.log_bytes_per_day, p.conversation_days, p.retired_at,
                    p.created_at, p.updated_at, (SELECT COUNT(*) FROM organizations o WHERE o.plan = p.id) AS organizations
             FROM plans p ",
            $rest
        )
    };
}

async fn find(db: &mut Conn<'_>, id: &PlanId) -> Result<Option<PlanDefinition>, sqlx::Error> {
    Ok(row!(db, DefinitionRow, definitions!("WHERE p.id = $1"), id.as_str())?.map(PlanDefinition::from))
}

async fn update(
    db: &mut Conn<'_>,
    id: &PlanId,
    update: &PlanUpdate,
    now: Timestamp,
) -> Result<(), OperationError<PlanDefinitionError>> {
    if update.retired == Some(true) && *id == PlanId::standard() {
        return Err(OperationError::Refused(PlanDefinitionError::Needed(id.clone())));
    }
    // Takes the plan's lock before it is read.
    execute!(db, "UPDATE plans SET updated_at = $2 WHERE id = $1", id.as_str(), Time(now))?;
    let plan = find(db, id).await?.ok_or_else(|| OperationError::Refused(PlanDefinitionError::Missing(id.clone())))?;
    let mut after = update.terms.over(&plan.terms);
    after.features = update.features.clone().unwrap_or(after.features);
    let changes = after != plan.terms;
    execute!(
        db,
        "UPDATE plans SET title = $2, limits = $3, per_minute = $4, features = $5, log_days = $6, log_bytes_per_day = $7,
             conversation_days = $12,
             revision = revision + CASE WHEN $8 THEN 1 ELSE 0 END,
             retired_at = CASE WHEN NOT $9 THEN retired_at WHEN NOT $10 THEN NULL ELSE COALESCE(retired_at, $11) END
         WHERE id = $1",
        id.as_str(),
        Text(update.title.as_deref().unwrap_or(&plan.title)),
        Json(&after.limits),
        Json(&after.per_minute),
        after.features.names().map(Json),
        Count(after.log_days.into()),
        Count(after.log_bytes_per_day),
        changes,
        update.retired.is_some(),
        update.retired == Some(true),
        Time(now),
        after.conversation_days.map(|days| Count(days.into()))
    )?;
    Ok(())
}

/// Writes the newest terms of a plan to some of the organizations that don't have them. Returns those.
async fn spread(db: &mut Conn<'_>, plan: &PlanId, now: Timestamp) -> Result<Vec<OrganizationId>, sqlx::Error> {
    let Some(of) = terms::of_plan(db, plan).await? else { return Ok(Vec::new()) };
    let sql = db.pick(
        "SELECT id, overrides FROM organizations WHERE plan = $1 AND plan_revision < $2 ORDER BY id LIMIT $3",
        "SELECT id, overrides FROM organizations WHERE plan = $1 AND plan_revision < $2 ORDER BY id LIMIT $3
         FOR NO KEY UPDATE",
    );
    let behind = rows!(db, (Id, Json<Overrides>), sql, plan.as_str(), of.revision, BATCH)?;
    let mut changed = Vec::with_capacity(behind.len());
    for (id, overrides) in behind {
        let organization = OrganizationId(id.0);
        terms::write(db, organization, plan, &of, &overrides.0, now).await?;
        let detail = json!({"from": plan, "to": plan});
        billing::announce(db, organization, Event::PlanChanged, detail, now).await?;
        changed.push(organization);
    }
    Ok(changed)
}

/// What the audit log of the operator's own organization shows of a plan.
#[derive(Serialize)]
struct PlanView<'p> {
    title: &'p str,
    limits: &'p Limits,
    per_minute: &'p Limits,
    features: Option<Vec<&'static str>>,
    log_days: u32,
    log_bytes_per_day: u64,
    conversation_days: Option<u32>,
    retired: bool,
}

impl<'p> PlanView<'p> {
    fn of(title: &'p str, terms: &'p Terms, retired: bool) -> Self {
        Self {
            title,
            limits: &terms.limits,
            per_minute: &terms.per_minute,
            features: terms.features.names(),
            log_days: terms.log_days,
            log_bytes_per_day: terms.log_bytes_per_day,
            conversation_days: terms.conversation_days,
            retired,
        }
    }
}

fn plan_subject(id: &PlanId) -> Subject {
    Subject::new(id.as_str(), id.as_str())
}

impl Store {
    #[boxed]
    pub async fn create_plan(&self, new: NewPlan) -> Result<(), PlanDefinitionError> {
        let by = Author::current();
        self.write(RowScope::Host, "create a plan", move |mut db| {
            Box::pin(async move {
                let created = execute!(
                    db,
                    "INSERT INTO plans (id, title, limits, per_minute, features, log_days, log_bytes_per_day, revision,
                                        created_at, updated_at, conversation_days)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8, $9) ON CONFLICT (id) DO NOTHING",
                    new.id.as_str(),
                    Text(&new.title),
                    Json(&new.terms.limits),
                    Json(&new.terms.per_minute),
                    new.terms.features.names().map(Json),
                    Count(new.terms.log_days.into()),
                    Count(new.terms.log_bytes_per_day),
                    Time(new.now),
                    new.terms.conversation_days.map(|days| Count(days.into()))
                )?;
                if created == 0 {
                    return Err(OperationError::Refused(PlanDefinitionError::Exists(new.id)));
                }
                if let Some(own) = by.organization() {
                    let after = view(&PlanView::of(&new.title, &new.terms, false))?;
                    by.created(&mut db, own, "plan_definition.create", plan_subject(&new.id), after).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// All plans, by their ids. There are a few.
    #[boxed]
    pub async fn plans(&self) -> Result<Vec<PlanDefinition>, StoreError> {
        let doing = "list the plans";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = rows!(db, DefinitionRow, definitions!("ORDER BY p.id LIMIT 1000")).map_err(failed(doing))?;
        Ok(found.into_iter().map(PlanDefinition::from).collect())
    }

    #[boxed]
    pub async fn plan_definition(&self, id: PlanId) -> Result<Option<PlanDefinition>, StoreError> {
        let doing = "read a plan";
        let mut db = self.reader(RowScope::Host, doing).await?;
        find(&mut db.conn(), &id).await.map_err(failed(doing))
    }

    /// The plans that have a feature and can be had, by their ids.
    #[boxed]
    pub async fn plans_with(&self, feature: Feature) -> Result<Vec<PlanDefinition>, StoreError> {
        let mut plans = self.plans().await?;
        plans.retain(|plan| plan.retired_at.is_none() && plan.terms.features.has(feature));
        Ok(plans)
    }

    /// Changes a plan, for its organizations too.
    #[boxed]
    pub async fn update_plan(
        &self,
        id: PlanId,
        what: PlanUpdate,
        now: Timestamp,
    ) -> Result<PlanDefinition, PlanDefinitionError> {
        let (of, by) = (id.clone(), Author::current());
        let first: Vec<OrganizationId> = self
            .write(RowScope::Host, "change a plan", move |mut db| {
                Box::pin(async move {
                    let before = find(&mut db, &of).await?;
                    update(&mut db, &of, &what, now).await?;
                    if let (Some(own), Some(before)) = (by.organization(), before) {
                        let after = find(&mut db, &of).await?.unwrap_or_else(|| before.clone());
                        let shown = |plan: &PlanDefinition| {
                            view(&PlanView::of(&plan.title, &plan.terms, plan.retired_at.is_some()))
                        };
                        let (before, after) = (shown(&before)?, shown(&after)?);
                        by.changed(&mut db, own, "plan_definition.change", plan_subject(&of), before, after).await?;
                    }
                    Ok::<_, OperationError<PlanDefinitionError>>(spread(&mut db, &of, now).await?)
                })
            })
            .await?;
        let more = self.note_spread(&first);
        if more {
            self.spread_plan(id.clone(), now).await?;
        }
        self.plan_definition(id.clone()).await?.ok_or(PlanDefinitionError::Missing(id))
    }

    /// Writes the newest terms of a plan to all organizations that don't have them.
    async fn spread_plan(&self, id: PlanId, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let plan = id.clone();
            let batch: Vec<OrganizationId> = self
                .write(RowScope::Host, "give a plan's new terms to its organizations", move |mut db| {
                    Box::pin(async move { Ok(spread(&mut db, &plan, now).await?) })
                })
                .await?;
            if !self.note_spread(&batch) {
                return Ok(());
            }
        }
    }

    /// Forgets what was remembered of these organizations' logs. Returns whether there may be more organizations.
    fn note_spread(&self, changed: &[OrganizationId]) -> bool {
        changed.iter().for_each(|organization| self.log_budget.forget(*organization));
        changed.len() as u64 >= BATCH.unsigned_abs()
    }

    /// Goes on with changes of plans that dead hosts were making.
    #[boxed]
    pub async fn spread_plans(&self, now: Timestamp) -> Result<(), StoreError> {
        let doing = "look for plans whose organizations don't have the newest terms";
        let behind = {
            let mut db = self.reader(RowScope::Host, doing).await?;
            rows!(
                db,
                (String,),
                "SELECT id FROM plans p WHERE EXISTS (
                     SELECT 1 FROM organizations o WHERE o.plan = p.id AND o.plan_revision < p.revision)"
            )
            .map_err(failed(doing))?
        };
        for (id,) in behind {
            self.spread_plan(PlanId::stored(id), now).await?;
        }
        Ok(())
    }
}
