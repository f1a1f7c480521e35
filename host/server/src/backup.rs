//! `resly db backup` and `resly db restore`: the database of a data folder, with its master key where that is wanted.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use resly_store::{POSTGRES_BACKUP, POSTGRES_RESTORE};
use resly_vault::MASTER_KEY_FILE;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::config::Config;

/// What was done.
#[derive(Debug)]
pub struct Outcome {
    /// For standard output: mostly a line of JSON.
    pub text: String,
    /// What a person should know.
    pub advice: String,
    /// What makes the command fail although there is something to print.
    pub result: anyhow::Result<()>,
}

impl Outcome {
    fn new(line: &Value, advice: String) -> Self {
        Self { text: format!("{line}\n"), advice, result: Ok(()) }
    }
}

impl From<Value> for Outcome {
    fn from(line: Value) -> Self {
        Self::new(&line, String::new())
    }
}

/// Backs the database up into a file, while a host serves or not.
pub async fn back_up(config: &Config, to: &Path, with_keys: bool, replace: bool) -> anyhow::Result<Outcome> {
    ensure!(
        config.database_url.is_none(),
        "this host keeps its data in PostgreSQL, which backs up a database by `{POSTGRES_BACKUP}`; keep the master key \
         as well, in another place"
    );
    let own_key = config.data.join(MASTER_KEY_FILE);
    let key = if with_keys {
        let key = key_file(to);
        ensure!(
            own_key.exists(),
            "there is no {}: this host is given its master key by RESLY_MASTER_KEY or RESLY_MASTER_KEY_FILE. Leave \
             --with-keys out and keep that key yourself",
            own_key.display()
        );
        ensure!(replace || !key.exists(), "there is a file {} already; --force replaces it", key.display());
        Some(key)
    } else {
        None
    };
    let backup = resly_store::back_up(&config.data, to, replace).await?;
    let advice = match &key {
        Some(key) => {
            copy_key(&own_key, key, true)?;
            format!("the master key is in {}: whoever has both files can read every stored credential", key.display())
        }
        None => format!(
            "the master key is not in it, and without that key no stored credential and no API key can be used: keep a \
             copy of {} elsewhere, or use --with-keys",
            if own_key.exists() { own_key.display().to_string() } else { "RESLY_MASTER_KEY".to_owned() }
        ),
    };
    let line = json!({"backup": backup.file, "bytes": backup.bytes, "schema": backup.schema, "master_key": key});
    Ok(Outcome::new(&line, advice))
}

/// Puts a backup in the data folder, with the master key beside it if there is one.
pub async fn restore(config: &Config, from: &Path, replace: bool) -> anyhow::Result<Outcome> {
    ensure!(
        config.database_url.is_none(),
        "RESLY_DATABASE_URL is set: this restores SQLite's file only. Stop every host, restore into an empty PostgreSQL \
         database by `{POSTGRES_RESTORE}`, and delete the folder `search` in each host's data folder"
    );
    let (key, own_key) = (key_file(from), config.data.join(MASTER_KEY_FILE));
    let key = key.exists().then_some(key);
    if let Some(key) = &key {
        let differs = own_key.exists() && *read_key(key)? != *read_key(&own_key)?;
        ensure!(
            !differs,
            "{} and {} are different keys, and neither is thrown away: move the one away that you don't want",
            key.display(),
            own_key.display()
        );
    }
    let restored = resly_store::restore(from, &config.data, replace).await?;
    if let Some(key) = &key
        && !own_key.exists()
    {
        copy_key(key, &own_key, false)?;
        resly_store::give_to_owner(&config.data, &[&own_key])?;
    }
    let given = config.master_key.is_some() || config.master_key_file.is_some() || own_key.exists();
    let mut advice = Vec::new();
    if let Some(replaced) = &restored.replaced {
        advice.push(format!(
            "the database that was there is {} now; delete it when you don't need it",
            replaced.display()
        ));
    }
    if !given {
        advice.push(format!(
            "the master key of that time is missing: put it in {}, or set RESLY_MASTER_KEY, before you start the host",
            own_key.display()
        ));
    }
    advice.push("start the host with `resly serve`; what was being written at the time is settled then".to_owned());
    let line = json!({"restored": config.data, "schema": restored.schema, "newest_schema": restored.newest_schema,
        "replaced": restored.replaced, "master_key": given});
    Ok(Outcome::new(&line, advice.join("\n")))
}

/// Where the master key of a backup is.
fn key_file(backup: &Path) -> PathBuf {
    let mut name = backup.as_os_str().to_owned();
    name.push(".master.key");
    name.into()
}

fn read_key(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    fs::read(path).map(Zeroizing::new).with_context(|| format!("{} can't be read", path.display()))
}

/// Copies a key into a file that only its owner can read, completely or not at all.
fn copy_key(from: &Path, to: &Path, replace: bool) -> anyhow::Result<()> {
    let key = read_key(from)?;
    let mut name = to.as_os_str().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = PathBuf::from(name);
    if !replace && to.exists() {
        bail!("there is a file {} already", to.display());
    }
    let write = || -> io::Result<()> {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&partial)?;
        file.write_all(&key)?;
        file.sync_all()?;
        fs::rename(&partial, to)
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written.with_context(|| format!("the master key can't be written to {}", to.display()))
}
