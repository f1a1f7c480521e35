//! The authenticated caller and what it may do. Permissions come from here, never from what a model writes.

use serde::{Deserialize, Serialize};

use crate::id::{KeyId, OrganizationId};

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// `/api/chat` and the conversations that it creates.
    Chat,
    /// `/api/search`.
    Search,
    /// `/api/admin`: everything of one organization.
    Admin,
    /// Plans, limits, and other things that an organization must not decide itself.
    Operator,
    /// `/rest/v1`: reads the organization's tables.
    #[serde(rename = "data:read")]
    DataRead,
    /// `/rest/v1`: reads and writes them.
    #[serde(rename = "data:write")]
    DataWrite,
}

/// Where a key may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// `rsk_live_…`: on servers only.
    Secret,
    /// `rpk_live_…`: in a browser, limited to its allowed origins.
    Publishable,
}

/// An authenticated caller.
#[derive(Clone, Debug)]
pub struct Principal {
    pub organization: OrganizationId,
    pub key: KeyId,
    pub kind: KeyKind,
    pub scopes: Vec<Scope>,
    /// Origins (RFC 6454, such as `https://shop.example`) from which a publishable key may be used.
    pub origins: Vec<String>,
    /// The key's own limit on messages in a period, below the organization's plan.
    pub message_cap: Option<u64>,
    /// The key's limit on messages of each visitor in a day.
    pub visitor_message_cap: Option<u64>,
}

impl Principal {
    /// An operator may do what an admin may, and who writes data may read it.
    pub fn may(&self, scope: Scope) -> bool {
        let implied_by = match scope {
            Scope::Admin => Some(Scope::Operator),
            Scope::DataRead => Some(Scope::DataWrite),
            _ => None,
        };
        self.scopes.contains(&scope) || implied_by.is_some_and(|wider| self.scopes.contains(&wider))
    }
}
