//! `/api/admin/vault`: which master keys are in use, and moving everything to the newest. For operators: it is about the
//! whole host, and tells nothing of any organization.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use resly_service::{
    App,
    master_keys::{self, MasterKeysInUse},
};
use resly_vault::VaultError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    guard::Operator,
    problem::Problem,
    query::{NoParameters, Query},
};

/// Master keys by their ids, never themselves.
#[derive(Serialize, ToSchema)]
pub struct VaultKeys {
    /// The key that wraps what is new.
    newest: String,
    /// How many wrapped keys were moved to it just now.
    moved: u64,
    /// How many wrapped keys need each master key.
    in_use: BTreeMap<String, u64>,
    /// Older keys that nothing needs any more: leave them out of this host's settings.
    removable: Vec<String>,
    /// Keys in use that this host was not given.
    missing: Vec<String>,
    /// Wrapped keys that don't open; the host's log names them.
    unreadable: u64,
    /// Whether the newest key is all that is needed.
    done: bool,
}

impl From<MasterKeysInUse> for VaultKeys {
    fn from(keys: MasterKeysInUse) -> Self {
        let MasterKeysInUse { newest, moved, in_use, removable, missing, unreadable, done } = keys;
        Self { newest, moved, in_use, removable, missing, unreadable, done }
    }
}

/// Which master keys are in use.
#[utoipa::path(get, path = "/api/admin/vault", tag = "host", operation_id = "getVault",
    responses((status = 200, description = "The master keys in use", body = VaultKeys)))]
pub async fn get(State(app): State<Arc<App>>, _: Operator, _: Query<NoParameters>) -> Result<Json<VaultKeys>, Problem> {
    Ok(Json(master_keys::status(&app.wrapping).await.map_err(problem)?.into()))
}

/// Wraps every organization's key, and the host's own secrets, under the newest master key, while everything goes on.
/// It can be repeated at will, and when it was cut off it goes on where it was.
#[utoipa::path(post, path = "/api/admin/vault/rotate", tag = "host", operation_id = "rotateVault",
    responses((status = 200, description = "The master keys in use afterwards", body = VaultKeys)))]
pub async fn rotate(State(app): State<Arc<App>>, _: Operator) -> Result<Json<VaultKeys>, Problem> {
    let rotation = master_keys::rotate(&app.wrapping).await.map_err(problem)?;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `resly vault` reads what a running host answers.
    #[test]
    fn the_command_line_reads_what_the_api_answers() {
        let keys = MasterKeysInUse {
            newest: "k2".to_owned(),
            moved: 1,
            in_use: [("k1".to_owned(), 2)].into(),
            removable: vec!["k0".to_owned()],
            missing: vec!["k3".to_owned()],
            unreadable: 3,
            done: false,
        };
        let answer = json!(keys);
        assert_eq!(json!(VaultKeys::from(serde_json::from_value::<MasterKeysInUse>(answer.clone()).unwrap())), answer);
    }
}
