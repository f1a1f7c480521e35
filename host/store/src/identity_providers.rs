//! How the people of an organization sign in with their company: its provider of OpenID Connect.

use resly_core::{
    boxed,
    error::StoreError,
    id::{IdentityProviderId, OrganizationId},
    member::Role,
    time::Timestamp,
};
use serde::Serialize;

use crate::{
    RowScope, Store,
    audit::{Author, Subject, view},
    columns::select,
    error::{OperationError, failed},
    sql::{Conn, execute, row, rows},
    types::{Id, Json, Text, Time, named},
};

/// An organization's provider. It has one at most.
#[derive(Clone, Debug)]
pub struct IdentityProvider {
    pub id: IdentityProviderId,
    pub organization: OrganizationId,
    pub issuer: String,
    pub client_id: String,
    /// A sealed record, which only the vault opens.
    pub client_secret: Vec<u8>,
    /// Whose e-mails count, in lower case.
    pub domains: Vec<String>,
    /// What somebody new becomes. `None`: only who is invited or a member comes in.
    pub new_role: Option<Role>,
    /// Whether passwords don't open the organization.
    pub required: bool,
    pub created_at: Timestamp,
}

/// A provider as the sign-in page offers it.
#[derive(Clone, Debug)]
pub struct OfferedProvider {
    pub id: IdentityProviderId,
    pub organization_name: String,
    pub issuer: String,
}

/// Why a provider isn't stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IdentityProviderError {
    /// Nobody could mend a mistake in it otherwise.
    #[error("no owner has signed in by this provider yet; save it without that, sign in by it once, then require it")]
    Untried,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(sqlx_macros::FromRow)]
struct ProviderRow {
    id: Id,
    organization_id: Id,
    issuer: String,
    client_id: String,
    client_secret: Vec<u8>,
    domains: Json<Vec<String>>,
    new_role: Option<String>,
    required: bool,
    created_at: Time,
}

impl ProviderRow {
    fn provider(self) -> Result<IdentityProvider, sqlx::Error> {
        Ok(IdentityProvider {
            id: IdentityProviderId(self.id.0),
            organization: OrganizationId(self.organization_id.0),
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret: self.client_secret,
            domains: self.domains.0,
            new_role: self.new_role.map(named).transpose()?,
            required: self.required,
            created_at: self.created_at.0,
        })
    }
}

/// What the audit log shows of a provider.
#[derive(Serialize)]
struct ProviderView<'p> {
    issuer: &'p str,
    client_id: &'p str,
    secret: &'static str,
    domains: &'p [String],
    new_role: Option<Role>,
    required: bool,
}

impl<'p> ProviderView<'p> {
    fn of(provider: &'p IdentityProvider, secret: &'static str) -> Self {
        let IdentityProvider { issuer, client_id, domains, new_role, required, .. } = provider;
        Self { issuer, client_id, secret, domains, new_role: *new_role, required: *required }
    }
}

const FIND: &str = select!(identity_provider, "FROM identity_providers WHERE organization_id = $1");

async fn find(db: &mut Conn<'_>, organization: OrganizationId) -> Result<Option<IdentityProvider>, sqlx::Error> {
    row!(db, ProviderRow, FIND, Id(organization.0))?.map(ProviderRow::provider).transpose()
}

/// The provider of this id.
pub(crate) async fn by_id(db: &mut Conn<'_>, id: IdentityProviderId) -> Result<Option<IdentityProvider>, sqlx::Error> {
    let sql = select!(identity_provider, "FROM identity_providers WHERE id = $1");
    row!(db, ProviderRow, sql, Id(id.0))?.map(ProviderRow::provider).transpose()
}

/// Whether an owner has signed in by the issuer.
async fn is_tried(db: &mut Conn<'_>, organization: OrganizationId, issuer: &str) -> Result<bool, sqlx::Error> {
    let sql = "SELECT 1 FROM members m
               JOIN identities i ON i.organization = m.organization_id AND i.person_id = m.person_id
               WHERE m.organization_id = $1 AND m.role = 'owner' AND i.issuer = $2 LIMIT 1";
    Ok(row!(db, (i32,), sql, Id(organization.0), Text(issuer))?.is_some())
}

/// Ends the sessions that the organization's provider began.
async fn end_sessions(db: &mut Conn<'_>, organization: OrganizationId) -> Result<(), sqlx::Error> {
    let sql = "DELETE FROM sessions WHERE organization = $1 AND method = 'oidc'";
    execute!(db, sql, Id(organization.0)).map(drop)
}

async fn put(
    db: &mut Conn<'_>,
    by: &Author,
    new: &IdentityProvider,
) -> Result<IdentityProvider, OperationError<IdentityProviderError>> {
    let before = find(db, new.organization).await?;
    if new.required && !is_tried(db, new.organization, &new.issuer).await? {
        return Err(OperationError::Refused(IdentityProviderError::Untried));
    }
    execute!(
        db,
        "INSERT INTO identity_providers (id, organization_id, issuer, client_id, client_secret, domains, new_role,
                                         required, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (organization_id) DO UPDATE
         SET issuer = excluded.issuer, client_id = excluded.client_id, client_secret = excluded.client_secret,
             domains = excluded.domains, new_role = excluded.new_role, required = excluded.required",
        Id(new.id.0),
        Id(new.organization.0),
        Text(&new.issuer),
        Text(&new.client_id),
        new.client_secret.as_slice(),
        Json(&new.domains),
        new.new_role.map(Role::name),
        new.required,
        Time(new.created_at)
    )?;
    let kept = find(db, new.organization).await?.unwrap_or_else(|| new.clone());
    let subject = Subject::new(kept.id, &kept.issuer);
    match before {
        None => {
            let after = view(&ProviderView::of(&kept, "set"))?;
            by.created(db, new.organization, "identity_provider.create", subject, after).await?;
        }
        Some(before) => {
            if (&before.issuer, &before.client_id) != (&kept.issuer, &kept.client_id) {
                end_sessions(db, new.organization).await?;
            }
            let secret = if before.client_secret == kept.client_secret { "set" } else { "replaced" };
            let (old, new_view) = (ProviderView::of(&before, "set"), ProviderView::of(&kept, secret));
            let (before, after) = (view(&old)?, view(&new_view)?);
            by.changed(db, new.organization, "identity_provider.change", subject, before, after).await?;
        }
    }
    Ok(kept)
}

impl Store {
    #[boxed]
    pub async fn identity_provider(
        &self,
        organization: OrganizationId,
    ) -> Result<Option<IdentityProvider>, StoreError> {
        let doing = "read how people sign in with their company";
        let mut db = self.reader(organization, doing).await?;
        find(&mut db.conn(), organization).await.map_err(failed(doing))
    }

    /// The provider that somebody who isn't signed in names.
    #[boxed]
    pub async fn identity_provider_by_id(
        &self,
        id: IdentityProviderId,
    ) -> Result<Option<IdentityProvider>, StoreError> {
        let doing = "find a provider of sign-ins";
        let mut db = self.reader(RowScope::Host, doing).await?;
        by_id(&mut db.conn(), id).await.map_err(failed(doing))
    }

    /// At most `most` providers that take e-mails of a domain, which is in lower case.
    #[boxed]
    pub async fn identity_providers_for(&self, domain: &str, most: u32) -> Result<Vec<OfferedProvider>, StoreError> {
        let doing = "find providers of sign-ins by a domain";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let sql = db.pick(
            "SELECT i.id, o.name, i.issuer FROM identity_providers i JOIN organizations o ON o.id = i.organization_id
             WHERE EXISTS (SELECT 1 FROM json_each(i.domains) WHERE value = $1) ORDER BY o.name, i.id LIMIT $2",
            "SELECT i.id, o.name, i.issuer FROM identity_providers i JOIN organizations o ON o.id = i.organization_id
             WHERE i.domains @> to_jsonb($1::text) ORDER BY o.name, i.id LIMIT $2",
        );
        let found = rows!(db, (Id, String, String), sql, Text(domain), i64::from(most)).map_err(failed(doing))?;
        let offered = |(id, organization_name, issuer): (Id, String, String)| OfferedProvider {
            id: IdentityProviderId(id.0),
            organization_name,
            issuer,
        };
        Ok(found.into_iter().map(offered).collect())
    }

    /// Sets the organization's provider: a new one, or other terms of the one that it has, which keeps its id. With another
    /// issuer or client, the sessions that it began end.
    #[boxed]
    pub async fn put_identity_provider(
        &self,
        new: IdentityProvider,
    ) -> Result<IdentityProvider, IdentityProviderError> {
        let by = Author::current();
        self.write(RowScope::Host, "set how people sign in with their company", move |mut db| {
            Box::pin(async move { put(&mut db, &by, &new).await })
        })
        .await
    }

    /// Deletes the organization's provider and ends the sessions that it began. Who its accounts are is kept, so that the
    /// same issuer knows them again. False when there is none.
    #[boxed]
    pub async fn delete_identity_provider(&self, organization: OrganizationId) -> Result<bool, StoreError> {
        let by = Author::current();
        self.write(RowScope::Host, "delete how people sign in with their company", move |mut db| {
            Box::pin(async move {
                let Some(before) = find(&mut db, organization).await? else { return Ok(false) };
                let sql = "DELETE FROM identity_providers WHERE organization_id = $1";
                execute!(db, sql, Id(organization.0))?;
                end_sessions(&mut db, organization).await?;
                let subject = Subject::new(before.id, &before.issuer);
                let before = view(&ProviderView::of(&before, "set"))?;
                by.deleted(&mut db, organization, "identity_provider.delete", subject, before).await?;
                Ok(true)
            })
        })
        .await
    }
}
