//! Whether the host can answer. The database and the disk are asked at most once a second, however many probes come.

use std::path::PathBuf;

use resly_service::App;
use resly_store::SchemaVersion;
use serde::Serialize;
use tokio::{
    sync::Mutex,
    time::{Duration, Instant, timeout},
};
use utoipa::ToSchema;

use crate::disk;

/// How long the database and the disk may take: probes come every few seconds, and count silence as a failure.
const PATIENCE: Duration = Duration::from_millis(800);
/// How long an outcome is used.
const FRESH: Duration = Duration::from_secs(1);
/// The same for the object store, where each look is a request that may cost money.
const OBJECTS_FRESH: Duration = Duration::from_secs(5);
/// The free bytes that the disk of a SQLite database needs. The next checkpoint could use up less.
pub const ROOM: u64 = 16 << 20;

/// What one check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    Ok,
    Failed,
    /// It can't be told, because another check failed.
    Unknown,
}

impl Check {
    fn of(passed: bool) -> Self {
        if passed { Self::Ok } else { Self::Failed }
    }
}

/// What each check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Checks {
    /// The host isn't stopping.
    pub serving: Check,
    /// The database answers.
    pub database: Check,
    /// The database's tables are those of this version, or of a newer one.
    pub schema: Check,
    /// The disk of a SQLite database has room.
    pub disk: Check,
    /// The bundled connectors are compiled.
    pub connectors: Check,
    /// The object store for uploaded components can be used, where one is configured. A host without it is ready
    /// nevertheless: it runs what it has compiled.
    pub object_store: Check,
}

/// What is asked of the database and of the disk.
#[derive(Clone, Copy)]
struct Storage {
    database: Check,
    schema: Check,
    disk: Check,
}

/// Checks, and remembers for a moment what it found.
#[derive(Default)]
pub struct Readiness {
    storage: Mutex<Option<(Instant, Storage)>>,
    object_store: Mutex<Option<(Instant, Check)>>,
}

impl Readiness {
    /// Runs every check. It takes a second at most.
    pub async fn check(&self, app: &App) -> Checks {
        let storage = fresh(&self.storage, FRESH, ask(app));
        let object_store = fresh(&self.object_store, OBJECTS_FRESH, ask_object_store(app));
        let (Storage { database, schema, disk }, object_store) = tokio::join!(storage, object_store);
        Checks {
            serving: Check::of(!app.is_stopping()),
            database,
            schema,
            disk,
            connectors: Check::of(!app.is_preparing()),
            object_store,
        }
    }
}

/// The last outcome while it is fresh, else a new one. Probes that come meanwhile wait for it.
async fn fresh<T: Copy>(last: &Mutex<Option<(Instant, T)>>, age: Duration, ask: impl Future<Output = T>) -> T {
    let mut last = last.lock().await;
    if let Some((at, outcome)) = *last
        && at.elapsed() < age
    {
        return outcome;
    }
    let outcome = ask.await;
    *last = Some((Instant::now(), outcome));
    outcome
}

async fn ask_object_store(app: &App) -> Check {
    match timeout(PATIENCE, app.components.check()).await {
        Ok(Ok(())) => Check::Ok,
        Ok(Err(error)) => {
            tracing::warn!(%error, "uploaded components can be neither stored nor read");
            Check::Failed
        }
        Err(_) => {
            tracing::warn!(patience_ms = PATIENCE.as_millis(), "the object store doesn't answer");
            Check::Failed
        }
    }
}

async fn ask(app: &App) -> Storage {
    let (answered, free) = tokio::join!(timeout(PATIENCE, app.store.schema()), timeout(PATIENCE, free_bytes(app)));
    let (database, schema) = match answered {
        Ok(Ok(SchemaVersion { found, expected })) => (Check::Ok, Check::of(found >= expected)),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the host isn't ready");
            (Check::Failed, Check::Unknown)
        }
        Err(_) => {
            tracing::warn!(patience_ms = PATIENCE.as_millis(), "the host isn't ready: its database doesn't answer");
            (Check::Failed, Check::Unknown)
        }
    };
    let disk = match free {
        // The system doesn't say, or the disk isn't the database's.
        Ok(None) => Check::Ok,
        Ok(Some(free)) => Check::of(free >= ROOM),
        Err(_) => Check::Failed,
    };
    Storage { database, schema, disk }
}

/// The free bytes on the disk of a SQLite database. A disk that is away can keep the call for minutes, so a thread of its
/// own makes it.
async fn free_bytes(app: &App) -> Option<u64> {
    if app.store.is_shared() {
        return None;
    }
    let folder: PathBuf = app.data.clone();
    tokio::task::spawn_blocking(move || disk::free_bytes(&folder)).await.ok().flatten()
}
