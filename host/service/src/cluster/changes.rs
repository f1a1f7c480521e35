//! Makes what an admin changes on one host known to the others at once.
//!
//! Each host remembers what requests need for less than a second (`keyring`, `origins`, the offered actions, the knowledge's
//! version), and then reads it anew: that alone brings every change to every host within a second. A notification makes
//! the others forget it earlier. A host sends at most one in each [`TICK`], however much has changed, because PostgreSQL
//! takes a lock of the whole server for the commit of each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use resly_core::{boxed, error::StoreError};
use resly_store::{ChangeListener, Heard};
use tokio::time::sleep;

use crate::App;

/// How often a host tells of changes, and forgets what it remembers.
pub const TICK: Duration = Duration::from_millis(250);
/// How long to wait before a lost connection is made anew.
const RETRY: Duration = Duration::from_secs(1);

/// Whether something has changed that other hosts weren't told of.
#[derive(Clone, Default)]
pub struct Changes(Arc<AtomicBool>);

impl Changes {
    /// Notes that something changed that hosts remember.
    pub fn note(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

/// Tells the other hosts if something has changed since this was called last.
#[boxed]
pub async fn tell(app: &App) -> Result<(), StoreError> {
    if app.changes.take()
        && let Err(error) = app.store.tell_change(app.cluster.id).await
    {
        app.changes.note();
        return Err(error);
    }
    Ok(())
}

/// Forgets what this host remembers whenever another one has changed something. It ends on a database without other hosts
/// only.
#[boxed]
pub async fn listen(app: &App) {
    let mut reachable = true;
    loop {
        let heard = async {
            let Some(mut listener) = app.store.listen(app.cluster.id).await? else { return Ok(()) };
            // What changed before is unknown.
            forget(app).await;
            loop {
                hear(app, &mut listener).await?;
                sleep(TICK).await;
            }
        };
        let heard: Result<(), StoreError> = heard.await;
        match heard {
            Ok(()) => return,
            Err(error) if std::mem::replace(&mut reachable, false) => {
                tracing::warn!(%error, "changes of other hosts aren't heard at once: they are in force within a second");
            }
            Err(_) => {}
        }
        sleep(RETRY).await;
    }
}

/// Waits for a change of another host, and forgets what this one remembers.
#[boxed]
pub async fn hear(app: &App, listener: &mut ChangeListener) -> Result<Heard, StoreError> {
    let heard = listener.heard().await?;
    forget(app).await;
    Ok(heard)
}

async fn forget(app: &App) {
    app.keyring.forget_all();
    app.turns.offers.forget_all();
    app.library.forget_all();
}
