//! `/api/admin/vault`: the master keys in use, and the rotation to the newest. Only operators may use it, because it
//! concerns the whole host. It tells nothing about organizations.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use resly_service::App;
use resly_vault::{Rotation, VaultError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    guard::Operator,
    problem::Problem,
    query::{NoParameters, Query},
};

/// Master keys by their ids, never themselves.
// `resly vault` reads this from a running host, or makes it from the store.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct VaultKeys {
    /// The key that wraps new secrets.
    pub newest: String,
    /// How many wrapped keys were moved to it just now.
    pub moved: u64,
    /// How many wrapped keys need each master key.
    pub in_use: BTreeMap<String, u64>,
    /// Older keys that nothing needs any more: leave them out of this host's settings.
    pub removable: Vec<String>,
    /// Keys in use that this host was not given.
    pub missing: Vec<String>,
    /// Wrapped keys that don't open; the host's log names them.
    pub unreadable: u64,
    /// Whether the newest key is all that is needed.
    pub done: bool,
}

impl From<Rotation> for VaultKeys {
    fn from(rotation: Rotation) -> Self {
        let done = rotation.is_done();
        let Rotation { newest, moved, in_use, removable, missing, unreadable } = rotation;
        Self { newest, moved, in_use, removable, missing, unreadable, done }
    }
}

/// Which master keys are in use.
#[utoipa::path(get, path = "/api/admin/vault", tag = "host", operation_id = "getVault",
    responses((status = 200, description = "The master keys in use", body = VaultKeys)))]
pub async fn get(State(app): State<Arc<App>>, _: Operator, _: Query<NoParameters>) -> Result<Json<VaultKeys>, Problem> {
    Ok(Json(app.wrapping.status().await.map_err(problem)?.into()))
}

/// Wraps every organization's key and the host's own secrets under the newest master key, while the host goes on
/// working. It can be repeated at any time. After an interruption it continues.
#[utoipa::path(post, path = "/api/admin/vault/rotate", tag = "host", operation_id = "rotateVault",
    responses((status = 200, description = "The master keys in use afterwards", body = VaultKeys)))]
pub async fn rotate(State(app): State<Arc<App>>, _: Operator) -> Result<Json<VaultKeys>, Problem> {
    let rotation = app.wrapping.rotate().await.map_err(problem)?;
    tracing::info!(
        newest = rotation.newest,
        moved = rotation.moved,
        in_use = rotation.in_use.keys().cloned().collect::<Vec<_>>().join(", "),
        "master keys rotated"
    );
    Ok(Json(rotation.into()))
}

fn problem(error: VaultError) -> Problem {
    match error {
        VaultError::Store(error) => error.into(),
        error => Problem::internal(&error),
    }
}
