//! Deletes a visitor's data on request: conversations with all that belongs to them, connected accounts, what connectors
//! remember, and the visitor. A record of the request stays, with the visitor's name as a keyed hash.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use resly_core::{
    boxed,
    error::StoreError,
    id::{DeletionId, OrganizationId},
};
use resly_store::{Deletion, DeletionQuery, DueDeletion, NewDeletion};
use resly_vault::VaultError;
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    App,
    accounts::{Revocation, visitor},
};

/// The name of the host's secret with which visitors are hashed.
const SECRET: &str = "visitor deletion records";
/// How long a host may take for one part of the work.
const LEASE: Duration = Duration::from_secs(180);
/// When to look again whether an answer to the visitor has ended.
const AGAIN: Duration = Duration::from_secs(2);
/// Between two parts of the work, so that other writes come first.
const PAUSE: Duration = Duration::from_millis(20);
/// How often SQLite's log is tried to be emptied while readers are using it.
const TRIES: usize = 20;

/// Why a request isn't accepted, or can't be told of.
#[derive(Debug, thiserror::Error)]
pub enum DeletionError {
    #[error("nothing is stored about a visitor of this id")]
    NoVisitor,
    #[error("there is no such request")]
    Missing,
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Accepts a request to delete what is stored about a visitor, whom the text names by the client's id or by ours. The
/// answers that are being written to the visitor are cancelled. `by` is the key, or the person, who asks.
#[boxed]
pub async fn request(
    app: &App,
    organization: OrganizationId,
    by: Uuid,
    name_or_id: String,
) -> Result<Deletion, DeletionError> {
    let visitor = app.store.find_visitor(organization, &name_or_id).await?.unwrap_or(name_or_id);
    let now = app.clock.now();
    let new = NewDeletion {
        id: DeletionId(app.random.uuid(now)),
        organization,
        visitor_hash: hash(app, organization, &visitor).await?,
        visitor,
        requested_by: by,
        now,
    };
    app.store.request_deletion(new).await?.ok_or(DeletionError::NoVisitor)
}

#[boxed]
pub async fn find(app: &App, organization: OrganizationId, id: DeletionId) -> Result<Deletion, DeletionError> {
    app.store.deletion(organization, id).await?.ok_or(DeletionError::Missing)
}

/// The organization's requests, newest first; of one visitor, whom the client's id names.
#[boxed]
pub async fn list(
    app: &App,
    organization: OrganizationId,
    visitor: Option<String>,
    query: DeletionQuery,
) -> Result<Vec<Deletion>, DeletionError> {
    let visitor_hash = match visitor {
        Some(visitor) => Some(hash(app, organization, &visitor).await?),
        None => None,
    };
    Ok(app.store.deletions(organization, DeletionQuery { visitor_hash, ..query }).await?)
}

/// Works on the requests that no host works on.
#[boxed]
pub async fn run_due(app: &App) -> Result<(), StoreError> {
    loop {
        let now = app.clock.now();
        let Some(due) = app.store.take_deletion(now, now.plus(LEASE)).await? else { return Ok(()) };
        let id = due.id;
        match run(app, due).await {
            Ok(true) => tracing::info!(deletion = %id, "deleted a visitor's data"),
            Ok(false) => tracing::debug!(deletion = %id, "an answer to the visitor hasn't ended"),
            // The lease ends, and a host tries again.
            Err(error) => tracing::error!(%error, deletion = %id, "a visitor's data could not be deleted yet"),
        }
    }
}

/// Returns false when an answer to the visitor is still being written.
async fn run(app: &App, due: DueDeletion) -> Result<bool, StoreError> {
    let running = app.store.cancel_answers_to_visitor(due.clone()).await?;
    if !running.is_empty() {
        app.turns.live.cancel(&running);
        app.store.postpone_deletion(due, app.clock.now().plus(AGAIN)).await?;
        return Ok(false);
    }
    for (key, account) in app.store.visitor_accounts(&due).await? {
        // It is revoked first: a host that dies in between revokes it once more, which does no harm.
        let confirmed = visitor::revoke(app, &key, &account).await? == Revocation::Done;
        let lease = app.clock.now().plus(LEASE);
        let deleted = app.store.delete_visitor_account(due.clone(), key.clone(), confirmed, lease).await?;
        if let Some(renewed) = deleted.filter(|deleted| deleted.version != account.version) {
            visitor::revoke(app, &key, &renewed).await?;
        }
    }
    while app.store.delete_visitor_rows(due.clone(), app.clock.now().plus(LEASE)).await? {
        tokio::time::sleep(PAUSE).await;
    }
    app.store.complete_deletion(due, app.clock.now()).await?;
    for _ in 0..TRIES {
        if app.store.empty_write_log().await? {
            return Ok(true);
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::warn!("readers kept SQLite's log of writes from being emptied; later writes replace what it holds");
    Ok(true)
}

/// What tells the visitor's record from others without naming the visitor.
async fn hash(app: &App, organization: OrganizationId, visitor: &str) -> Result<[u8; 32], VaultError> {
    let mut fresh = Zeroizing::new([0; 32]);
    app.random.fill(&mut *fresh);
    let secret = app.wrapping.host_secret(SECRET, &*fresh).await?;
    // HMAC pads its key with zeros to a block (RFC 2104, section 2).
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(secret.iter()).for_each(|(byte, secret)| *byte = *secret);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&(*block).into());
    mac.update(organization.0.as_bytes());
    mac.update(visitor.as_bytes());
    Ok(mac.finalize().into_bytes().into())
}
