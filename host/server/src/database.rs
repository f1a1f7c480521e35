//! `resly db grant` and `resly db revoke`: a dashboard's own way into PostgreSQL.

use anyhow::Context;
use resly_core::time::SystemClock;
use resly_service::{database_roles, organizations, random::OsRandom};
use resly_store::Store;
use serde_json::{Value, json};

use crate::{cli::DatabaseSubcommand, config::Config, secrets};

/// Does it, and returns what is to be printed.
pub async fn run(config: &Config, verb: DatabaseSubcommand) -> anyhow::Result<Value> {
    let (DatabaseSubcommand::Grant { role, .. } | DatabaseSubcommand::Revoke { role }) = &verb;
    let name = database_roles::parse_name(role).context("--role")?;
    let store = Store::open_beside(&secrets::store_config(config)).await?;
    let done = match &verb {
        DatabaseSubcommand::Grant { organization, .. } => {
            let (id, called) = organizations::choose(&store, organization).await?;
            let password = database_roles::grant(&store, &SystemClock, &OsRandom, id, name).await?;
            json!({"role": role, "password": password.as_str(), "organization": id, "name": called})
        }
        DatabaseSubcommand::Revoke { .. } => {
            store.revoke_database_role(name).await?;
            json!({"role": role, "revoked": true})
        }
    };
    store.close().await;
    Ok(done)
}
