//! Accounts: what authorizing a connection obtained, for the organization itself or for one visitor, and the port that
//! keeps them. What can't be told from outside is sealed; in the clear is only what decides when to renew it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};

/// Credentials as they rest: one AEAD record, opened by the vault alone. There is no way from here to a plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCredentials(pub Vec<u8>);

/// Whose account at the service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountKey {
    pub organization: OrganizationId,
    pub connection: ConnectionId,
    /// What the company's app calls its visitor; `None` for the organization's own account.
    pub visitor: Option<String>,
}

/// What is known of an account in the clear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountTerms {
    /// What was granted, as the service says it (RFC 6749, section 3.3).
    pub scope: Option<String>,
    /// When the access token ends; `None` when it doesn't, or nobody said.
    pub expires_at: Option<Timestamp>,
    /// From when on it is renewed ahead of that.
    pub renew_at: Option<Timestamp>,
    /// Whether the host can renew it without a person.
    pub refreshable: bool,
    /// When even that ends, if the service says so.
    pub refresh_expires_at: Option<Timestamp>,
}

/// An account as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `None` while its first token is on its way.
    pub sealed: Option<SealedCredentials>,
    pub terms: AccountTerms,
    /// Grows whenever what is sealed is replaced.
    pub version: u64,
    /// Until when somebody renews it.
    pub claimed_until: Option<Timestamp>,
    /// Why the last renewal failed; `None` once one succeeds.
    pub failure: Option<RenewalFailure>,
    /// When it was connected: another time is another account.
    pub authorized_at: Timestamp,
}

/// A renewal that failed. It is kept with the account, so that every caller on every host gets this error until
/// `retry_at`, and the service isn't asked again before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalFailure {
    pub kind: RenewalFailureKind,
    /// For admins, without secrets.
    pub message: String,
    /// Failures in a row.
    pub count: u32,
    pub retry_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenewalFailureKind {
    /// The service can't give tokens right now.
    Unavailable,
    /// The service refuses, and an admin has to act.
    Refused,
}

/// What replaces an account's sealed part.
#[derive(Clone, Debug)]
pub struct Renewed {
    pub sealed: SealedCredentials,
    pub terms: AccountTerms,
}

/// The right to renew one version of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// 0 for an account that has no token yet.
    pub version: u64,
    /// Whose claim it is.
    pub id: Uuid,
}

/// Where accounts are kept. A claim is what makes one host of many renew: a service that rotates refresh tokens takes
/// the second use of one for theft, so comparing afterwards would come too late.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    async fn account(&self, key: &AccountKey) -> Result<Option<Account>, StoreError>;
    /// Takes the claim until `until`; false when the version has moved on or another's claim lasts at `now`.
    async fn claim_account(
        &self,
        key: &AccountKey,
        claim: Claim,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Replaces the account under a claim and ends the claim; false when the claim was lost, and then nothing changes.
    async fn renew_account(&self, key: &AccountKey, claim: Claim, renewed: Renewed) -> Result<bool, StoreError>;
    /// Gives a claim back without renewing.
    async fn release_account(&self, key: &AccountKey, claim: Claim) -> Result<(), StoreError>;
    /// Gives a claim back after a failure that later callers share; does nothing when the claim was lost.
    async fn fail_account(&self, key: &AccountKey, claim: Claim, failure: RenewalFailure) -> Result<(), StoreError>;
    /// Forgets an account whose grant is over, under the claim that found out; false when the claim was lost.
    async fn forget_account(&self, key: &AccountKey, claim: Claim) -> Result<bool, StoreError>;
}
