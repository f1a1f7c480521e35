//! An organization's keys while one of them is changed. A change that would remove the last key that may administer the
//! organization is refused.

use resly_core::{
    boxed,
    id::{KeyId, OrganizationId},
    principal::Scope,
    time::Timestamp,
};

use super::{KeyChangeError, KeyRow};
use crate::{
    columns::select,
    error::OperationError,
    sql::{Conn, row, rows},
    types::Id,
};

/// Whether and how long a key may administer its organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Administers {
    No,
    /// Until it expires.
    ForNow,
    Lasting,
}

impl Administers {
    pub fn of(scopes: &[Scope], expires_at: Option<Timestamp>, now: Timestamp) -> Self {
        match expires_at {
            _ if !scopes.iter().any(|scope| matches!(scope, Scope::Admin | Scope::Operator)) => Self::No,
            None => Self::Lasting,
            Some(at) if at > now => Self::ForNow,
            Some(_) => Self::No,
        }
    }
}

/// An organization's keys that aren't deleted, locked until the transaction ends.
pub(super) struct LockedKeys {
    keys: Vec<KeyRow>,
    now: Timestamp,
}

impl LockedKeys {
    #[boxed]
    pub async fn of(db: &mut Conn<'_>, organization: OrganizationId, now: Timestamp) -> Result<Self, sqlx::Error> {
        let lock = db.pick(
            "SELECT id FROM organizations WHERE id = $1",
            "SELECT id FROM organizations WHERE id = $1 FOR NO KEY UPDATE",
        );
        row!(db, (Id,), lock, Id(organization.0))?;
        let keys = rows!(
            db,
            KeyRow,
            select!(key, "FROM api_keys WHERE organization_id = $1 AND deleted_at IS NULL"),
            Id(organization.0)
        )?;
        Ok(Self { keys, now })
    }

    pub fn find(&self, id: KeyId) -> Result<&KeyRow, OperationError<KeyChangeError>> {
        self.keys.iter().find(|key| key.id.0 == id.0).ok_or(OperationError::Refused(KeyChangeError::Missing))
    }

    /// The same for a key that still works.
    pub fn find_working(&self, id: KeyId) -> Result<&KeyRow, OperationError<KeyChangeError>> {
        let key = self.find(id)?;
        if key.expires_at.is_some_and(|at| at.0 <= self.now) {
            return Err(OperationError::Refused(KeyChangeError::Expired));
        }
        Ok(key)
    }

    /// Refuses a change after which `key` administers the organization only as `after` says, when no other key
    /// administers it as long as `key` does now.
    pub fn keeps_an_admin(&self, key: &KeyRow, after: Administers) -> Result<(), OperationError<KeyChangeError>> {
        let worth = |key: &KeyRow| Administers::of(&key.scopes.0, key.expires_at.map(|at| at.0), self.now);
        let before = worth(key);
        let others = self.keys.iter().filter(|other| other.id != key.id).map(worth).max();
        if after >= before || others >= Some(before) {
            return Ok(());
        }
        Err(OperationError::Refused(KeyChangeError::LastAdmin))
    }
}
