//! OAuth authorizations under way, from the link that an admin gets to the service's answer. Any host can take each step.

use resly_core::{
    boxed,
    connector::account::{AccountKey, SealedCredentials},
    error::StoreError,
    id::{ConnectionId, KeyId, OrganizationId},
    time::Timestamp,
};
use uuid::Uuid;

use crate::{
    RowScope, Store,
    accounts::visitor_of,
    columns::{returning, select},
    error::failed,
    sql::{execute, row},
    types::{Count, Id, Time},
};

/// One authorization under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OauthFlow {
    pub account: AccountKey,
    /// The connection's revision when the authorization began. When the connection has another one at the end, the
    /// authorization fails.
    pub revision: u64,
    /// The API key that started it; `None` for a member in the console.
    pub key: Option<KeyId>,
    /// The PKCE verifier.
    pub verifier: SealedCredentials,
    pub expires_at: Timestamp,
}

#[derive(sqlx_macros::FromRow)]
struct FlowRow {
    organization_id: Id,
    connection_id: Id,
    visitor: String,
    revision: Count,
    key_id: Id,
    verifier: Vec<u8>,
    expires_at: Time,
}

impl FlowRow {
    fn flow(self) -> OauthFlow {
        OauthFlow {
            account: AccountKey {
                organization: OrganizationId(self.organization_id.0),
                connection: ConnectionId(self.connection_id.0),
                visitor: Some(self.visitor).filter(|visitor| !visitor.is_empty()),
            },
            revision: self.revision.0,
            key: Some(KeyId(self.key_id.0)).filter(|key| !key.0.is_nil()),
            verifier: SealedCredentials(self.verifier),
            expires_at: self.expires_at.0,
        }
    }
}

impl Store {
    /// Stores a new authorization under its link's hash. False when there is no such connection.
    #[boxed]
    pub async fn create_oauth_flow(&self, nonce_hash: [u8; 32], new: OauthFlow) -> Result<bool, StoreError> {
        self.write(new.account.organization, "begin an authorization", move |mut db| {
            Box::pin(async move {
                let made = execute!(
                    db,
                    "INSERT INTO oauth_flows (nonce_hash, organization_id, connection_id, visitor, revision, key_id,
                                              verifier, expires_at)
                     SELECT $3, organization_id, id, $4, $5, $6, $7, $8 FROM connections
                     WHERE id = $1 AND organization_id = $2",
                    Id(new.account.connection.0),
                    Id(new.account.organization.0),
                    nonce_hash.as_slice(),
                    visitor_of(&new.account),
                    Count(new.revision),
                    // The column allows no NULL.
                    Id(new.key.map_or(Uuid::nil(), |key| key.0)),
                    new.verifier.0.as_slice(),
                    Time(new.expires_at)
                )?;
                Ok(made > 0)
            })
        })
        .await
    }

    /// The authorization that a link belongs to.
    #[boxed]
    pub async fn oauth_flow(&self, nonce_hash: [u8; 32], now: Timestamp) -> Result<Option<OauthFlow>, StoreError> {
        let doing = "find an authorization";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = row!(
            db,
            FlowRow,
            select!(flow, "FROM oauth_flows WHERE nonce_hash = $1 AND expires_at > $2"),
            nonce_hash.as_slice(),
            Time(now)
        );
        Ok(found.map_err(failed(doing))?.map(FlowRow::flow))
    }

    /// Binds an authorization to the browser that opened the link last. False when there is no such authorization.
    #[boxed]
    pub async fn bind_oauth_flow(
        &self,
        nonce_hash: [u8; 32],
        state_hash: [u8; 32],
        cookie_hash: [u8; 32],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(RowScope::Host, "bind an authorization to its browser", move |mut db| {
            Box::pin(async move {
                let bound = execute!(
                    db,
                    "UPDATE oauth_flows SET state_hash = $2, cookie_hash = $3 WHERE nonce_hash = $1 AND expires_at > $4",
                    nonce_hash.as_slice(),
                    state_hash.as_slice(),
                    cookie_hash.as_slice(),
                    Time(now)
                )?;
                Ok(bound > 0)
            })
        })
        .await
    }

    /// Takes the authorization that a state belongs to, if the bound browser brings the state. It can be taken once.
    /// Another browser doesn't change it.
    #[boxed]
    pub async fn take_oauth_flow(
        &self,
        state_hash: [u8; 32],
        cookie_hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<OauthFlow>, StoreError> {
        self.write(RowScope::Host, "take an authorization", move |mut db| {
            Box::pin(async move {
                let taken = row!(
                    db,
                    FlowRow,
                    returning!(
                        flow,
                        "DELETE FROM oauth_flows WHERE state_hash = $1 AND cookie_hash = $2 AND expires_at > $3"
                    ),
                    state_hash.as_slice(),
                    cookie_hash.as_slice(),
                    Time(now)
                )?;
                Ok(taken.map(FlowRow::flow))
            })
        })
        .await
    }
}
