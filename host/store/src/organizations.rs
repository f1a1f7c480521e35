//! Organizations: create them, find them, list them. Their plans are in `subscriptions.rs`.

use resly_core::{
    boxed,
    error::StoreError,
    id::OrganizationId,
    meter::Limits,
    plan::{Overrides, PlanId, Subscription},
    time::Timestamp,
};
use serde::Serialize;

use crate::{
    RowScope, Store,
    audit::{Author, Subject, view},
    columns::select,
    error::{OperationError, failed},
    page::Cursor,
    query::Query,
    sql::{Conn, execute, row, rows},
    subscriptions::{self, Plan, PlanRow, SubscribeError},
    terms,
    types::{Id, Text, Time},
};

/// An organization with the standard plan.
#[derive(Clone, Debug)]
pub struct NewOrganization {
    pub id: OrganizationId,
    pub name: String,
    /// Limits of its own, in the place of the plan's.
    pub limits: Limits,
    pub now: Timestamp,
}

/// An organization as an operator sees it.
#[derive(Clone, Debug)]
pub struct Organization {
    pub id: OrganizationId,
    pub name: String,
    pub plan: Plan,
    pub created_at: Timestamp,
}

/// Which organizations to list, newest first. What is `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct OrganizationQuery {
    pub plan: Option<PlanId>,
    pub before: Option<Cursor>,
    pub limit: u32,
}

#[derive(sqlx_macros::FromRow)]
struct OrganizationRow {
    id: Id,
    name: String,
    created_at: Time,
    #[sqlx(flatten)]
    plan: PlanRow,
}

impl OrganizationRow {
    fn organization(self) -> Result<Organization, sqlx::Error> {
        let Self { id, name, created_at, plan } = self;
        Ok(Organization { id: OrganizationId(id.0), name, plan: plan.plan()?, created_at: created_at.0 })
    }
}

/// What the audit log shows of an organization.
#[derive(Serialize)]
struct NameView<'n> {
    name: &'n str,
}

async fn create(
    db: &mut Conn<'_>,
    new: &NewOrganization,
    plan: &PlanId,
    subscription: &Subscription,
) -> Result<(), OperationError<SubscribeError>> {
    let of = terms::of_plan(db, plan).await?;
    let of = subscriptions::assignable(plan, of).map_err(OperationError::Refused)?;
    execute!(
        db,
        "INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3)",
        Id(new.id.0),
        Text(&new.name),
        Time(new.now)
    )?;
    let limits = new.limits.iter().map(|(meter, limit)| (*meter, Some(*limit))).collect();
    let overrides = Overrides { limits, ..Overrides::default() };
    terms::write(db, new.id, plan, &of, &overrides, new.now).await?;
    Ok(subscriptions::write_state(db, new.id, subscription).await?)
}

impl Store {
    /// Makes an organization with the standard plan.
    #[boxed]
    pub async fn create_organization(&self, new: NewOrganization) -> Result<(), StoreError> {
        self.subscribe_organization(new, PlanId::standard(), Subscription::default()).await.map_err(|error| match error
        {
            SubscribeError::Store(error) => error,
            other => StoreError::Broken { doing: "create an organization", detail: other.to_string() },
        })
    }

    /// Makes an organization with a plan.
    #[boxed]
    pub async fn subscribe_organization(
        &self,
        new: NewOrganization,
        plan: PlanId,
        subscription: Subscription,
    ) -> Result<(), SubscribeError> {
        self.write(RowScope::Host, "create an organization", move |mut db| {
            Box::pin(async move { create(&mut db, &new, &plan, &subscription).await })
        })
        .await
    }

    /// The first organization of that name.
    #[boxed]
    pub async fn organization_named(&self, name: &str) -> Result<Option<OrganizationId>, StoreError> {
        let doing = "find an organization by its name";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found =
            row!(db, (Id,), "SELECT id FROM organizations WHERE name = $1 ORDER BY created_at, id LIMIT 1", Text(name));
        Ok(found.map_err(failed(doing))?.map(|(id,)| OrganizationId(id.0)))
    }

    /// Whether there is any organization.
    #[boxed]
    pub async fn has_organizations(&self) -> Result<bool, StoreError> {
        let doing = "see whether there are organizations";
        let mut db = self.reader(RowScope::Host, doing).await?;
        row!(db, (i32,), "SELECT 1 FROM organizations LIMIT 1").map(|found| found.is_some()).map_err(failed(doing))
    }

    /// The names of the first organizations, oldest first.
    #[boxed]
    pub async fn first_organization_names(&self, most: u16) -> Result<Vec<String>, StoreError> {
        let doing = "list organizations";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found =
            rows!(db, (String,), "SELECT name FROM organizations ORDER BY created_at, id LIMIT $1", i64::from(most));
        Ok(found.map_err(failed(doing))?.into_iter().map(|(name,)| name).collect())
    }

    /// The organizations with this name or id: their ids and names, oldest first.
    #[boxed]
    pub async fn organizations_called(&self, name_or_id: &str) -> Result<Vec<(OrganizationId, String)>, StoreError> {
        let doing = "find organizations";
        let id = uuid::Uuid::try_parse(name_or_id).unwrap_or_default();
        let mut db = self.reader(RowScope::Host, doing).await?;
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
    pub async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        let doing = "read an organization";
        let mut db = self.reader(id, doing).await?;
        let found = row!(db, OrganizationRow, select!(organization, "FROM organizations WHERE id = $1"), Id(id.0))
            .map_err(failed(doing))?;
        found.map(OrganizationRow::organization).transpose().map_err(failed(doing))
    }

    /// The organizations, newest first.
    #[boxed]
    pub async fn organizations(&self, query: OrganizationQuery) -> Result<Vec<Organization>, StoreError> {
        let doing = "list the organizations";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let mut list = Query::new(&db.conn(), select!(organization, "FROM organizations WHERE TRUE"));
        list.filter(" AND plan = ", query.plan.as_ref().map(PlanId::as_str))
            .older(" AND (created_at, id)", query.before)
            .push(" ORDER BY created_at DESC, id DESC LIMIT ")
            .bind(i64::from(query.limit));
        let found: Vec<OrganizationRow> = list.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        found.into_iter().map(OrganizationRow::organization).collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// Renames an organization. False when there is no such organization.
    #[boxed]
    pub async fn rename_organization(&self, id: OrganizationId, name: String) -> Result<bool, StoreError> {
        let by = Author::current();
        self.write(id, "rename an organization", move |mut db| {
            Box::pin(async move {
                let before = row!(db, (String,), "SELECT name FROM organizations WHERE id = $1", Id(id.0))?;
                let renamed = execute!(db, "UPDATE organizations SET name = $2 WHERE id = $1", Id(id.0), Text(&name))?;
                if let Some((before,)) = before {
                    let (old, new) = (view(&NameView { name: &before })?, view(&NameView { name: &name })?);
                    by.changed(&mut db, id, "organization.rename", Subject::new(id, &before), old, new).await?;
                }
                Ok(renamed > 0)
            })
        })
        .await
    }
}
