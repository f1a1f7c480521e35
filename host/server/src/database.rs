//! `resly db`: backups, the move to another store, and what dashboards read.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use resly_core::time::{Clock, Random, SystemClock};
use resly_service::{database_roles, organizations, random::OsRandom};
use resly_store::{DatabaseRoleName, Store};
use serde_json::{Map, Value, json};

use crate::{
    backup::{self, Outcome},
    cli::{ComponentPlace, DatabaseSubcommand},
    compose,
    config::Config,
    secrets, store_copy,
};

/// Does it, and returns what is to be printed.
pub async fn run(config: &Config, verb: DatabaseSubcommand) -> anyhow::Result<Outcome> {
    match verb {
        DatabaseSubcommand::Backup { to, with_keys, force } => backup::back_up(config, &to, with_keys, force).await,
        DatabaseSubcommand::Restore { from, force } => backup::restore(config, &from, force).await,
        DatabaseSubcommand::Grant { organization, role } => grant(config, &organization, &role).await,
        DatabaseSubcommand::Revoke { role } => revoke(config, &role).await,
        DatabaseSubcommand::Snapshot { organization, to, force } => snapshot(config, &organization, &to, force).await,
        DatabaseSubcommand::Copy { from, to } => store_copy::run(&from, &to).await,
        DatabaseSubcommand::Components { to } => move_components(config, to).await,
    }
}

async fn move_components(config: &Config, to: ComponentPlace) -> anyhow::Result<Outcome> {
    let store = Store::open_beside(&secrets::store_config(config)).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(OsRandom);
    let components = compose::component_store(config, &store, &clock, &random)?;
    let bucket = components.location().context("RESLY_COMPONENT_STORE isn't set; it names the bucket")?.to_owned();
    let (moved, to) = match to {
        ComponentPlace::Bucket => (components.move_to_objects().await?, bucket.as_str()),
        ComponentPlace::Database => (components.move_to_database().await?, "database"),
    };
    store.close().await;
    Ok(json!({"moved": moved, "to": to}).into())
}

async fn grant(config: &Config, organization: &str, role: &str) -> anyhow::Result<Outcome> {
    let name = parse(role)?;
    let store = Store::open_beside(&secrets::store_config(config)).await?;
    let (id, called) = organizations::choose(&store, organization).await?;
    let password = database_roles::grant(&store, &SystemClock, &OsRandom, id, name).await?;
    store.close().await;
    Ok(json!({"role": role, "password": password.as_str(), "organization": id, "name": called}).into())
}

async fn revoke(config: &Config, role: &str) -> anyhow::Result<Outcome> {
    let name = parse(role)?;
    let store = Store::open_beside(&secrets::store_config(config)).await?;
    let remains = store.revoke_database_role(name).await?;
    store.close().await;
    let line = json!({"role": role, "revoked": true, "dropped": remains.is_none()});
    let advice = remains.map(|why| {
        format!(
            "{role} can't log in any more and reads nothing, but the server still has the role: {why}. Let an \
             administrator run `DROP OWNED BY {role}` in each database that is named, and then `DROP ROLE {role}`"
        )
    });
    Ok(Outcome { advice: advice.unwrap_or_default(), ..line.into() })
}

async fn snapshot(config: &Config, organization: &str, to: &Path, force: bool) -> anyhow::Result<Outcome> {
    let store = Store::open_beside(&secrets::store_config(config)).await?;
    let (id, called) = organizations::choose(&store, organization).await?;
    let snapshot = store.snapshot_organization(id, to, force).await?;
    store.close().await;
    let rows: Map<String, Value> =
        snapshot.rows.iter().map(|(table, rows)| ((*table).to_owned(), json!(rows))).collect();
    Ok(json!({"file": to, "organization": id, "name": called, "rows": rows}).into())
}

fn parse(role: &str) -> anyhow::Result<DatabaseRoleName> {
    database_roles::parse_name(role).context("--role")
}
