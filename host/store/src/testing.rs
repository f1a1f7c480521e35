//! For the tests of other crates: a store in a folder.

use std::path::Path;

use crate::{OpenError, Store, StoreConfig};

/// SQLite in `dir`, as a host without a database URL has it.
pub async fn sqlite(dir: &Path) -> Result<Store, OpenError> {
    let data_dir = dir.to_owned();
    Store::open(&StoreConfig { database_url: None, direct_url: None, data_dir, read_connections: 2 }).await
}
