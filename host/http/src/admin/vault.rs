//! `/api/admin/vault`: which master keys are in use, and moving everything to the newest. For operators: it is about the
//! whole host, and tells nothing of any organization.

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
// `resly vault` reads it from a running host, and makes it of the store itself.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct VaultKeys {
    /// The key that wraps what is new.
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

/// Wraps every organization's key, and the host's own secrets, under the newest master key, while everything goes on.
/// It can be repeated at will, and when it was cut off it goes on where it was.
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
