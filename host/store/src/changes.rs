//! Wakes the other hosts after a change, by `NOTIFY` (PostgreSQL's manual, "NOTIFY"). A notification names the host that
//! sent it and nothing else, because every login of the database may listen.
//!
//! It takes a connection of its own to the server: poolers don't pass notifications on. Nothing depends on it: what hosts
//! remember is read anew within a second anyway.

use futures::FutureExt;
use resly_core::{boxed, error::StoreError, id::HostId};
use sqlx::postgres::{PgListener, PgNotification};
use uuid::Uuid;

use crate::{Backend, Store, error::failed};

const CHANNEL: &str = "resly_changes";

/// Hears what [`Store::tell_change`] of other hosts says.
pub struct ChangeListener {
    listener: PgListener,
    own: HostId,
}

/// What a host heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Another host changed something.
    Change,
    /// The connection was lost and is made anew by the next call. What was said meanwhile is unknown.
    Lost,
}

impl Store {
    /// Tells the other hosts that something has changed. It does nothing on SQLite, which has one host.
    #[boxed]
    pub async fn tell_change(&self, own: HostId) -> Result<(), StoreError> {
        let Backend::Postgres { direct, .. } = &self.backend else { return Ok(()) };
        let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(own.to_string());
        notify.persistent(false).execute(direct).await.map(drop).map_err(failed("tell other hosts of a change"))
    }

    /// Begins to listen. `None` on SQLite.
    #[boxed]
    pub async fn listen(&self, own: HostId) -> Result<Option<ChangeListener>, StoreError> {
        let Backend::Postgres { direct, .. } = &self.backend else { return Ok(None) };
        let doing = "listen for changes";
        let mut listener = PgListener::connect_with(direct).await.map_err(failed(doing))?;
        listener.listen(CHANNEL).await.map_err(failed(doing))?;
        Ok(Some(ChangeListener { listener, own }))
    }
}

impl ChangeListener {
    /// Waits for the next change of another host. All that was said by then counts as one change: any login of the
    /// database may say something, and as often as it likes.
    #[boxed]
    pub async fn heard(&mut self) -> Result<Heard, StoreError> {
        loop {
            match self.listener.try_recv().await.map_err(failed("listen for changes"))? {
                Some(notification) if self.is_of_another_host(&notification) => break,
                Some(_) => {}
                None => return Ok(Heard::Lost),
            }
        }
        while let Some(Ok(Some(_))) = self.listener.try_recv().now_or_never() {}
        Ok(Heard::Change)
    }

    fn is_of_another_host(&self, notification: &PgNotification) -> bool {
        notification.payload().parse::<Uuid>().is_ok_and(|host| host != self.own.0)
    }
}
