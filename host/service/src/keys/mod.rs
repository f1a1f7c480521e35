//! API keys: create, change, rotate and delete them. These functions need only the [`Keyring`], because the command
//! line has a store but no running host; all but [`details`], which a page shows.

mod change;
mod check;
mod create;
mod delete;
mod details;
mod rates;
mod rotate;

use resly_core::{
    error::StoreError,
    id::{KeyId, OrganizationId},
    principal::{Principal, Scope},
};
use resly_store::{KeyChangeError, StoredKey};

pub use self::{
    change::{KeyPatch, change},
    create::{NewKey, create},
    delete::delete,
    details::{KeyDetails, details},
    rates::{RateLimitPatch, RateLimitsPatch},
    rotate::{Overlap, rotate},
};
use crate::{FieldError, keyring::Keyring};

/// Why something can't be done with a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("there is no such key")]
    Missing,
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error("only an operator's key may make, change, rotate or delete a key with the scope `operator`")]
    OperatorOnly,
    #[error(transparent)]
    Refused(#[from] KeyChangeError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who makes and changes keys.
#[derive(Clone, Copy)]
pub enum KeyIssuer<'p> {
    /// An admin's key. It grants no more than it has, in its own organization.
    Key(&'p Principal),
    /// A member of an organization in the console, who grants every scope but `operator`.
    Member(OrganizationId),
    /// A person who has the host's data and its master key, and may grant every scope.
    Host(OrganizationId),
}

impl KeyIssuer<'_> {
    fn organization(self) -> OrganizationId {
        match self {
            Self::Key(principal) => principal.organization,
            Self::Member(organization) | Self::Host(organization) => organization,
        }
    }

    /// Refuses the scope `operator` to an issuer that doesn't have it.
    fn require(self, scopes: &[Scope]) -> Result<(), KeyError> {
        match self {
            Self::Key(principal) if scopes.contains(&Scope::Operator) && !principal.may(Scope::Operator) => {
                Err(KeyError::OperatorOnly)
            }
            Self::Member(_) if scopes.contains(&Scope::Operator) => Err(KeyError::OperatorOnly),
            Self::Key(_) | Self::Member(_) | Self::Host(_) => Ok(()),
        }
    }
}

/// Finds a key that the issuer may change.
async fn find_for_change(keyring: &Keyring, by: KeyIssuer<'_>, id: KeyId) -> Result<StoredKey, KeyError> {
    let found = keyring.stored(id).await?;
    let key = found.filter(|key| key.principal.organization == by.organization()).ok_or(KeyError::Missing)?;
    by.require(&key.principal.scopes)?;
    Ok(key)
}
