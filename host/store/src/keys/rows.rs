//! The rows of keys.

use resly_core::{
    id::{KeyId, OrganizationId},
    plan::Features,
    principal::{Principal, Scope},
    rate::RateLimits,
    time::Timestamp,
};

use serde::Serialize;

use super::{KeySummary, NewKey, StoredKey};
use crate::types::{Count, Id, Json, Time, named};

#[derive(sqlx_macros::FromRow)]
pub(super) struct KeyRow {
    pub id: Id,
    pub organization_id: Id,
    pub lineage: Id,
    pub name: String,
    pub kind: String,
    pub scopes: Json<Vec<Scope>>,
    pub origins: Json<Vec<String>>,
    pub message_cap: Option<Count>,
    pub visitor_message_cap: Option<Count>,
    pub rate_limits: Option<Json<RateLimits>>,
    pub secret_hash: Vec<u8>,
    pub created_at: Time,
    pub expires_at: Option<Time>,
    pub last_used_at: Option<Time>,
}

/// A key with what authentication needs of its organization.
#[derive(sqlx_macros::FromRow)]
pub(super) struct IdentityRow {
    #[sqlx(flatten)]
    pub key: KeyRow,
    pub features: Option<Json<Vec<String>>>,
}

impl KeyRow {
    pub fn stored(self, features: Features) -> Result<StoredKey, sqlx::Error> {
        let secret_hash = self.secret_hash.try_into();
        Ok(StoredKey {
            principal: Principal {
                organization: OrganizationId(self.organization_id.0),
                key: KeyId(self.id.0),
                kind: named(self.kind)?,
                scopes: self.scopes.0,
                origins: self.origins.0,
                message_cap: self.message_cap.map(|cap| cap.0),
                visitor_message_cap: self.visitor_message_cap.map(|cap| cap.0),
            },
            name: self.name,
            lineage: KeyId(self.lineage.0),
            rate_limits: self.rate_limits.map(|limits| limits.0),
            features,
            secret_hash: secret_hash.map_err(|_| sqlx::Error::Decode("a key's hash has not 32 bytes".into()))?,
            expires_at: self.expires_at.map(|at| at.0),
        })
    }

    pub fn summary(self) -> Result<KeySummary, sqlx::Error> {
        Ok(KeySummary {
            id: KeyId(self.id.0),
            lineage: KeyId(self.lineage.0),
            name: self.name,
            kind: named(self.kind)?,
            scopes: self.scopes.0,
            origins: self.origins.0,
            message_cap: self.message_cap.map(|cap| cap.0),
            visitor_message_cap: self.visitor_message_cap.map(|cap| cap.0),
            rate_limits: self.rate_limits.map(|limits| limits.0),
            created_at: self.created_at.0,
            expires_at: self.expires_at.map(|at| at.0),
            last_used_at: self.last_used_at.map(|at| at.0),
        })
    }
}

/// What the audit log shows of a key.
#[derive(Serialize)]
pub(super) struct KeyView<'k> {
    name: &'k str,
    scopes: &'k [Scope],
    origins: &'k [String],
    message_cap: Option<u64>,
    visitor_message_cap: Option<u64>,
    rate_limits: Option<RateLimits>,
    expires_at: Option<Timestamp>,
}

impl<'k> KeyView<'k> {
    pub fn of(key: &'k KeyRow) -> Self {
        Self {
            name: &key.name,
            scopes: &key.scopes.0,
            origins: &key.origins.0,
            message_cap: key.message_cap.map(|cap| cap.0),
            visitor_message_cap: key.visitor_message_cap.map(|cap| cap.0),
            rate_limits: key.rate_limits.as_ref().map(|limits| limits.0),
            expires_at: key.expires_at.map(|at| at.0),
        }
    }

    pub fn of_new(key: &'k NewKey) -> Self {
        Self {
            name: &key.name,
            scopes: &key.scopes,
            origins: &key.origins,
            message_cap: key.message_cap,
            visitor_message_cap: key.visitor_message_cap,
            rate_limits: key.rate_limits,
            expires_at: key.expires_at,
        }
    }
}

/// What a rotation changes of the old key.
#[derive(Serialize)]
pub(super) struct RotationView {
    pub expires_at: Option<Timestamp>,
    pub replaced_by: Option<KeyId>,
}
