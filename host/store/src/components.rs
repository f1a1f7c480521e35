//! The code of uploads, by its digest. The same code is stored once. It is written in parts, so that no other write waits
//! for the whole. [`objects`] has the rows of code that is in an object store.

pub(crate) mod objects;

use bytes::{Bytes, BytesMut};
use resly_core::{boxed, error::StoreError, time::Timestamp};
use resly_manifest::Digest;
use tokio::time::{Instant, sleep};

use crate::{
    RowScope, Store,
    error::failed,
    sql::{Conn, execute, row, rows},
    types::{Count, Time},
};

/// Bytes that one transaction writes, in about a millisecond.
const PART: usize = 128 << 10;

/// How long an upload may take from its first part, or from the row of its object, to its version. Real ones take far less,
/// and whatever writes an object gives up within minutes.
const UNFINISHED_MICROS: i64 = 3600 * 1_000_000;

/// A digest as it is stored.
pub(crate) fn digest(bytes: Vec<u8>) -> Result<Digest, sqlx::Error> {
    bytes.try_into().map(Digest).map_err(|_| sqlx::Error::Decode("a digest doesn't have 32 bytes".into()))
}

/// Stores a part. A part that is there gets the new time, so that the clean-up doesn't delete it under another upload
/// of the same file.
async fn put_part(
    db: &mut Conn<'_>,
    digest: Digest,
    part: usize,
    bytes: &[u8],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "INSERT INTO component_parts (digest, part, bytes, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (digest, part) DO UPDATE SET created_at = excluded.created_at",
        digest.0.as_slice(),
        Count(part as u64),
        bytes,
        Time(now)
    )
    .map(drop)
}

/// Stores the component's row. Parts that another deletion removed meanwhile are written again.
pub(crate) async fn keep(db: &mut Conn<'_>, digest: Digest, wasm: &Bytes, now: Timestamp) -> Result<(), sqlx::Error> {
    // The update locks an existing row, so that deleting another version with this code waits.
    execute!(
        db,
        "INSERT INTO components (digest, wasm, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (digest) DO UPDATE SET created_at = components.created_at",
        digest.0.as_slice(),
        b"".as_slice(),
        Time(now)
    )?;
    let there = "SELECT count(*) FROM component_parts WHERE digest = $1";
    let there = row!(db, (Count,), there, digest.0.as_slice())?.map_or(0, |(Count(there),)| there);
    if there < wasm.len().div_ceil(PART) as u64 {
        for (part, bytes) in wasm.chunks(PART).enumerate() {
            put_part(db, digest, part, bytes, now).await?;
        }
    }
    Ok(())
}

/// Deletes a component that no version needs here: none has it, or each organization with such a version has it as an
/// object.
pub(crate) async fn forget(db: &mut Conn<'_>, digest: &[u8]) -> Result<(), sqlx::Error> {
    // With the lock first, the next statement sees a version with the same code that another transaction stores, or that
    // transaction waits.
    let lock = db.pick(
        "SELECT digest FROM components WHERE digest = $1",
        "SELECT digest FROM components WHERE digest = $1 FOR UPDATE",
    );
    row!(db, (Vec<u8>,), lock, digest)?;
    execute!(
        db,
        "DELETE FROM components WHERE digest = $1
           AND NOT EXISTS (SELECT 1 FROM connector_versions v WHERE v.component = $1 AND v.state <> 'deleted'
                           AND NOT EXISTS (SELECT 1 FROM component_objects o
                                           WHERE o.organization_id = v.organization_id AND o.digest = $1
                                             AND o.state = 'stored'))",
        digest
    )?;
    execute!(
        db,
        "DELETE FROM component_parts WHERE digest = $1 AND NOT EXISTS (SELECT 1 FROM components WHERE digest = $1)",
        digest
    )
    .map(drop)
}

/// Deletes the parts of a component without a row that are older than `before`. Returns 1 when there were some.
async fn forget_unfinished(db: &mut Conn<'_>, digest: &[u8], before: Timestamp) -> Result<u64, sqlx::Error> {
    let deleted = execute!(
        db,
        "DELETE FROM component_parts WHERE digest = $1 AND created_at < $2
           AND NOT EXISTS (SELECT 1 FROM components WHERE digest = $1)",
        digest,
        Time(before)
    )?;
    Ok(deleted.min(1))
}

impl Store {
    /// Writes a component's parts, each in a transaction of its own. Uploads take turns, and pause after each part for as
    /// long as it took. So another write waits for one part at most, and other writes have at least half of the disk's
    /// time.
    pub(crate) async fn put_parts(&self, digest: Digest, wasm: &Bytes, now: Timestamp) -> Result<(), StoreError> {
        for part in 0..wasm.len().div_ceil(PART) {
            let _turn = self.parts.lock().await;
            let begun = Instant::now();
            let bytes = wasm.slice(part * PART..wasm.len().min((part + 1) * PART));
            self.write(RowScope::Host, "keep a part of a component", move |mut db| {
                Box::pin(async move { Ok(put_part(&mut db, digest, part, &bytes, now).await?) })
            })
            .await?;
            sleep(begun.elapsed()).await;
        }
        Ok(())
    }

    /// Deletes the parts of uploads that were cut off before their row was written. Returns the number of such uploads.
    /// Uploads in progress, on any host, have younger parts.
    #[boxed]
    pub async fn forget_unfinished_uploads(&self, now: Timestamp) -> Result<u64, StoreError> {
        let doing = "look for unfinished uploads";
        let mut reader = self.reader(RowScope::Host, doing).await?;
        // The query reads only indexes, because the parts are long.
        let unowned =
            rows!(reader, (Vec<u8>,), "SELECT digest FROM component_parts EXCEPT SELECT digest FROM components");
        let unowned = unowned.map_err(failed(doing))?;
        drop(reader);
        let before = Timestamp::from_micros(now.micros().saturating_sub(UNFINISHED_MICROS));
        let mut forgotten = 0;
        for (digest,) in unowned {
            forgotten += self
                .write(RowScope::Host, "forget an unfinished upload", move |mut db| {
                    Box::pin(async move { Ok(forget_unfinished(&mut db, &digest, before).await?) })
                })
                .await?;
        }
        Ok(forgotten)
    }

    /// The bytes of an uploaded component that the database has.
    #[boxed]
    pub async fn wasm(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        let doing = "read a component";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let whole = row!(db, (Vec<u8>,), "SELECT wasm FROM components WHERE digest = $1", digest.0.as_slice());
        let Some((whole,)) = whole.map_err(failed(doing))? else { return Ok(None) };
        if !whole.is_empty() {
            return Ok(Some(whole.into()));
        }
        let parts = rows!(
            db,
            (Vec<u8>,),
            "SELECT bytes FROM component_parts WHERE digest = $1 ORDER BY part",
            digest.0.as_slice()
        );
        let mut wasm = BytesMut::new();
        parts.map_err(failed(doing))?.iter().for_each(|(bytes,)| wasm.extend_from_slice(bytes));
        Ok(Some(wasm.freeze()))
    }
}
