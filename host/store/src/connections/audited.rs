//! What the audit log shows of connections: never their credentials, only that they were set, replaced or removed.

use std::collections::BTreeMap;

use resly_core::connector::connection::{Connection, ConnectionStatus, Policy};
use serde::Serialize;
use serde_json::Value;

use super::ConnectionChange;
use crate::{
    audit::{self, Author, Subject},
    sql::Conn,
};

#[derive(Serialize)]
struct ConnectionView<'c> {
    name: &'c str,
    connector: &'c str,
    version: &'c str,
    environment: &'static str,
    status: &'static str,
    settings: &'c Value,
    auth: Option<&'static str>,
    owner: &'static str,
    credentials: Option<&'static str>,
    policy: Policy,
    mappings: &'c BTreeMap<String, String>,
}

#[derive(Serialize)]
struct StatusView {
    status: &'static str,
}

/// A connection, after a change if there was one.
pub(super) fn view(connection: &Connection, change: Option<&ConnectionChange>) -> Result<Value, sqlx::Error> {
    let replaced = change.is_some_and(|change| change.credentials.is_some());
    let kept = if replaced { "replaced" } else { "set" };
    audit::view(&ConnectionView {
        name: &connection.name,
        connector: &connection.connector,
        version: &connection.version,
        environment: connection.environment.name(),
        status: connection.status.name(),
        settings: &connection.settings,
        auth: connection.auth.map(resly_manifest::AuthType::name),
        owner: connection.owner.name(),
        credentials: connection.credentials.as_ref().map(|_| kept),
        policy: connection.policy,
        mappings: &connection.mappings,
    })
}

/// Notes that an admin enabled or disabled a connection.
pub(super) async fn status(
    db: &mut Conn<'_>,
    by: &Author,
    before: &Connection,
    after: ConnectionStatus,
) -> Result<(), sqlx::Error> {
    let action = if after == ConnectionStatus::Enabled { "connection.enable" } else { "connection.disable" };
    let of = |status: ConnectionStatus| audit::view(&StatusView { status: status.name() });
    let subject = Subject::new(before.id, &before.name);
    by.changed(db, before.organization, action, subject, of(before.status)?, of(after)?).await
}
