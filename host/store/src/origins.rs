//! The origins of publishable keys, over all organizations: what a CORS preflight, which carries no key, is answered by.

use resly_core::{boxed, error::StoreError};

use crate::{RowScope, Store, error::failed, sql::row, types::Text};

/// Each is answered by an index. SQLite can't index the members of a list, so triggers keep them in a table of their own.
pub(crate) const ALLOWED: (&str, &str) = (
    "SELECT 1 FROM key_origins WHERE origin = $1 LIMIT 1",
    "SELECT 1 FROM api_keys WHERE kind = 'publishable' AND deleted_at IS NULL
         AND origins @> to_jsonb(ARRAY[$1::text]) LIMIT 1",
);

impl Store {
    /// Whether some publishable key that isn't deleted may be used from this origin.
    #[boxed]
    pub async fn origin_allowed(&self, origin: &str) -> Result<bool, StoreError> {
        let doing = "look up an origin";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = row!(db, (i32,), db.pick(ALLOWED.0, ALLOWED.1), Text(origin)).map_err(failed(doing))?;
        Ok(found.is_some())
    }
}
