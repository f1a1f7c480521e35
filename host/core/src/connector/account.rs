//! Accounts at a service, and the port that stores them. Authorizing a connection creates an account, for the
//! organization or for one visitor. The secrets are sealed; only the times and scopes that decide about a renewal are
//! stored in the clear.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};

/// Sealed credentials: one AEAD record that only the vault can open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCredentials(pub Vec<u8>);

/// Identifies an account: the organization's own, or one visitor's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountKey {
    pub organization: OrganizationId,
    pub connection: ConnectionId,
    /// The visitor's id in the company's app. `None` for the organization's own account.
    pub visitor: Option<String>,
}

/// The part of an account that isn't secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountTerms {
    /// The granted scope, as the service states it (RFC 6749, section 3.3).
    pub scope: Option<String>,
    /// When the access token expires. `None` when it doesn't, or when the service didn't say.
    pub expires_at: Option<Timestamp>,
    /// When the host begins to renew the token ahead of its expiry.
    pub renew_at: Option<Timestamp>,
    /// Whether the host can renew it without a person.
    pub refreshable: bool,
    /// When the refresh token expires, if the service says so.
    pub refresh_expires_at: Option<Timestamp>,
}

/// An account as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `None` until its first token has arrived.
    pub sealed: Option<SealedCredentials>,
    pub terms: AccountTerms,
    /// Increases whenever the sealed credentials are replaced.
    pub version: u64,
    /// When the lease of a host that renews it ends.
    pub claimed_until: Option<Timestamp>,
    /// Why the last renewal failed. `None` once one has succeeded.
    pub failure: Option<RenewalFailure>,
    /// When it was connected. Connecting again makes it another account, with another time.
    pub authorized_at: Timestamp,
}

/// A failed renewal. It is stored with the account, so every caller on every host gets this error until `retry_at`, and
/// the service isn't asked again before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalFailure {
    pub kind: RenewalFailureKind,
    /// For admins; without secrets.
    pub message: String,
    /// Number of failures in a row.
    pub count: u32,
    pub retry_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenewalFailureKind {
    /// The service can't issue tokens at present.
    Unavailable,
    /// The service refuses, and an admin has to act.
    Refused,
}

/// New credentials of an account.
#[derive(Clone, Debug)]
pub struct Renewed {
    pub sealed: SealedCredentials,
    pub terms: AccountTerms,
}

/// A host's right to renew one version of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewalLease {
    /// The version to replace; 0 for an account that has no token yet.
    pub version: u64,
    /// Identifies this lease among those of other callers.
    pub id: Uuid,
}

/// The port that stores accounts. A lease lets only one of many hosts renew an account. A service that rotates refresh
/// tokens takes a second use of one for theft, so a conflict must be found before the service is asked.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    async fn account(&self, key: &AccountKey) -> Result<Option<Account>, StoreError>;
    /// Takes the lease until `until`. False when the version has changed, or when another lease is still valid at
    /// `now`.
    async fn lease_account(
        &self,
        key: &AccountKey,
        lease: RenewalLease,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Replaces the account and ends the lease. False when the lease was lost; then nothing changes.
    async fn renew_account(&self, key: &AccountKey, lease: RenewalLease, renewed: Renewed) -> Result<bool, StoreError>;
    /// Gives a lease back without renewing.
    async fn release_account(&self, key: &AccountKey, lease: RenewalLease) -> Result<(), StoreError>;
    /// Stores a failure for later callers and gives the lease back. Does nothing when the lease was lost.
    async fn fail_account(
        &self,
        key: &AccountKey,
        lease: RenewalLease,
        failure: RenewalFailure,
    ) -> Result<(), StoreError>;
    /// Deletes an account whose grant has ended. False when the lease was lost.
    async fn forget_account(&self, key: &AccountKey, lease: RenewalLease) -> Result<bool, StoreError>;
}
