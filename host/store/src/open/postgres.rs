//! Opens the store on PostgreSQL: the way there, the pools, and what bounds a statement.

use std::{io::ErrorKind, str::FromStr, sync::Arc};

use resly_core::conversation::notice::unknown_language;
use resly_rest::limits::TIME as REST_TIME;
use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{ACQUIRE, COPY_PROGRESS, DIRECT_CONNECTIONS, OpenError, REST_CONNECTIONS, StoreConfig, migrated::Migrated};
use crate::{Backend, Store, error::describe, rest::RestPool, row_scope::BoundRole};

/// The least connections of a host's pool. With fewer, turns would wait for each other.
const POSTGRES_AT_LEAST: u32 = 10;
/// Bounds what a connection of the host's pool may take, once for each connection. What the role, the database, the
/// server or the URL sets wins. Notices, such as that a word is too long for a text search, aren't for the host's log.
const BOUNDS: &str = "SET client_min_messages = warning; SELECT set_config(name, CASE name
        WHEN 'lock_timeout' THEN '10s'
        WHEN 'statement_timeout' THEN '60s'
        ELSE '60s' END, false)
    FROM pg_settings
    WHERE name IN ('lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout') AND setting = '0'";

pub(super) async fn open(config: &StoreConfig, url: &str) -> Result<Store, OpenError> {
    // Migrations change what holds for their session. A pooler would break that, because it changes sessions.
    let direct_url = config.direct_url.as_deref().unwrap_or(url);
    let mut migrated = Migrated::run(direct_url).await?;
    let role = BoundRole::prepare(&mut migrated.conn).await.map_err(OpenError::Connect)?;
    let mut conn = migrated.unlock().await?;
    let copying = "SELECT to_regclass($1) IS NOT NULL";
    let copying = sqlx::query_scalar(copying).bind(COPY_PROGRESS).fetch_one(&mut conn).await;
    if copying.map_err(OpenError::Connect)? {
        return Err(OpenError::UnfinishedCopy);
    }
    conn.close().await.map_err(OpenError::Connect)?;

    let own_server = config.direct_url.is_none();
    let mut options = options(url)?;
    if !own_server {
        // Poolers refuse unknown start-up parameters.
        options = options.statement_cache_capacity(0).extra_float_digits(None);
    }
    let mut rest = options.clone();
    let mut pool = pool_options(config.read_connections.max(POSTGRES_AT_LEAST));
    if own_server {
        pool = pool.after_connect(|conn, _| Box::pin(async move { conn.execute(BOUNDS).await.map(drop) }));
    }
    let pool = pool.connect_with(options).await.map_err(|error| connect_error(url, error))?;
    let bound = role.verified(&pool).await.map_err(OpenError::Connect)?;
    if own_server {
        let timeout = format!("{}s", REST_TIME.as_secs());
        rest = rest.options([
            ("statement_timeout", timeout.as_str()),
            ("default_transaction_read_only", "on"),
            ("client_min_messages", "warning"),
        ]);
    }
    let rest = pool_options(REST_CONNECTIONS).connect_lazy_with(rest);
    let direct = PgPoolOptions::new()
        .max_connections(DIRECT_CONNECTIONS)
        .acquire_timeout(ACQUIRE)
        .connect_lazy_with(self::options(direct_url)?);
    Ok(Store {
        backend: Backend::Postgres { pool, direct, own_server, bound },
        rest: RestPool::postgres(rest),
        parts: Arc::default(),
        log_budget: Arc::default(),
        calls: Arc::default(),
        read_only: false,
        language: unknown_language,
        mails: false,
    })
}

/// What begins a transaction finds out whether the connection lives: see `transaction`.
fn pool_options(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE).test_before_acquire(false)
}

fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
    let options = PgConnectOptions::from_str(url).map_err(OpenError::BadUrl)?;
    Ok(options.application_name("resly").disable_statement_logging())
}

/// Which database a URL leads to, without who asks and how.
pub(crate) fn identity(url: &str) -> Result<String, OpenError> {
    let options = options(url)?;
    let place = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_owned(),
    };
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    Ok(format!("{place}:{}/{database}", options.get_port()))
}

/// A connection of its own.
pub(crate) async fn connect_postgres(url: &str) -> Result<PgConnection, OpenError> {
    options(url)?.connect().await.map_err(|error| connect_error(url, error))
}

/// Why there is no connection by this URL. What TLS refuses has its next step.
fn connect_error(url: &str, error: sqlx::Error) -> OpenError {
    let names_files = ["sslrootcert=", "sslcert=", "sslkey="].into_iter().any(|name| url.contains(name));
    if let sqlx::Error::Io(error) = &error
        && names_files
        && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied)
    {
        let advice = "`sslrootcert`, `sslcert` and `sslkey` in the database URL have to name files that can be read";
        return OpenError::Tls { detail: error.to_string(), advice };
    }
    let about_tls = match &error {
        sqlx::Error::Tls(_) => true,
        // How rustls refuses a certificate.
        sqlx::Error::Io(error) => error.kind() == ErrorKind::InvalidData,
        _ => false,
    };
    if !about_tls {
        return OpenError::Connect(error);
    }
    let detail = describe(&error);
    let advice = if detail.contains("NotValidForName") || detail.contains("not valid for name") {
        "the host of the database URL has to be a name or address that the server's certificate has"
    } else if detail.contains("UnknownIssuer") || detail.contains("CaUsedAsEndEntity") {
        "`sslrootcert=FILE` in the database URL has to name the certificate of the CA that signed the server's"
    } else if detail.contains("does not support TLS") {
        "turn on `ssl` in the server's configuration"
    } else {
        "`sslmode` and `sslrootcert` in the database URL say what is trusted"
    };
    OpenError::Tls { detail, advice }
}
