//! `resly vault`: shows the master keys in use, or rotates to the newest. It works on the store itself, or asks a
//! running host, because that locks a SQLite folder.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use resly_core::time::Random;
use resly_http::answers::VaultKeys;
use resly_service::random::OsRandom;
use resly_store::OpenError;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    config::Config,
    local_host,
    secrets::{self, SecretsError},
};

/// A rotation of a million organizations takes minutes.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Rotates if that was asked for. Returns the master keys in use.
pub async fn run(config: &Config, rotate: bool) -> anyhow::Result<VaultKeys> {
    match &config.operator_key {
        Some(key) => ask(config.listen, key, rotate).await,
        None => match here(config, rotate).await {
            Err(SecretsError::Open(error @ OpenError::InUse { .. })) => Err(anyhow::Error::from(error).context(
                "a host is running on this folder: have it do this, with RESLY_OPERATOR_KEY set to an API key of the \
                     scope `operator`, or stop it first",
            )),
            done => Ok(done?),
        },
    }
}

/// Works on the store itself.
async fn here(config: &Config, rotate: bool) -> Result<VaultKeys, SecretsError> {
    let random: Arc<dyn Random> = Arc::new(OsRandom);
    let keys = secrets::master_keys(config, rotate)?;
    let store = secrets::open_store(config).await?;
    let wrapping = secrets::wrapping(&keys, &store, &random);
    // A database from before API keys had their own secret gets it now, while the old master key is available.
    secrets::pepper(&wrapping, &keys, &store, &*random).await?;
    let done = if rotate { wrapping.rotate().await } else { wrapping.status().await };
    store.close().await;
    done.map(VaultKeys::from).map_err(SecretsError::Closed)
}

/// Asks the host that listens on this machine.
async fn ask(listen: SocketAddr, key: &SecretString, rotate: bool) -> anyhow::Result<VaultKeys> {
    let base = format!("{}/api/admin/vault", local_host::url(listen));
    let client = local_host::client(PATIENCE)?;
    let request = if rotate { client.post(format!("{base}/rotate")) } else { client.get(&base) };
    let response = request.bearer_auth(key.expose_secret()).send().await.with_context(|| {
        format!("no host answers on {listen}; unset RESLY_OPERATOR_KEY to open the store without one, or set --listen")
    })?;
    let status = response.status();
    let body = response.text().await.context("the host's answer broke off; ask again")?;
    if !status.is_success() {
        bail!("the host on {listen} answered {status}: {body}");
    }
    serde_json::from_str(&body).with_context(|| format!("what answers on {listen} is not a host of this version"))
}

/// The report for a person, with what to do next.
pub fn render_report(keys: &VaultKeys, rotated: bool) -> String {
    let newest = &keys.newest;
    let mut lines = Vec::new();
    if rotated {
        lines.push(format!("moved {} to master key `{newest}`", keys.moved));
    }
    let older = || keys.in_use.iter().filter(|(id, _)| *id != newest);
    for (id, count) in older() {
        lines.push(format!("master key `{id}` is still needed by {count}"));
    }
    if !keys.missing.is_empty() {
        let missing = keys.missing.join("`, `");
        lines.push(format!("this host was not given `{missing}`: add it after the newest key, and rotate again"));
    } else if older().next().is_some() && keys.unreadable == 0 {
        lines.push("run `resly vault rotate`, once every host has the newest key".to_owned());
    }
    if keys.unreadable > 0 {
        lines.push(format!("{} can't be opened: the log names them; keep every master key", keys.unreadable));
    }
    if keys.done {
        lines.push(match keys.removable.as_slice() {
            [] => format!("`{newest}` is the only master key in use"),
            removable => format!(
                "nothing needs `{}` any more: leave it out of the master keys of every host, and start each again",
                removable.join("`, `")
            ),
        });
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(in_use: &[(&str, u64)]) -> VaultKeys {
        let in_use = in_use.iter().map(|(id, count)| ((*id).to_owned(), *count)).collect();
        let newest = "k2".to_owned();
        VaultKeys { newest, moved: 3, in_use, removable: vec![], missing: vec![], unreadable: 0, done: false }
    }

    #[test]
    fn a_person_is_told_what_to_do_next() {
        let removable = vec!["k1".to_owned()];
        let done = VaultKeys { done: true, removable, ..keys(&[("k2", 4)]) };
        assert!(render_report(&done, true).contains("nothing needs `k1` any more"));
        assert!(render_report(&VaultKeys { done: true, ..keys(&[("k2", 4)]) }, false).contains("only master key"));
        let waiting = render_report(&keys(&[("k1", 2), ("k2", 1)]), false);
        assert!(waiting.contains("`k1` is still needed by 2") && waiting.contains("resly vault rotate"), "{waiting}");
        let missing = render_report(&VaultKeys { missing: vec!["k0".to_owned()], ..keys(&[("k0", 1)]) }, true);
        assert!(missing.contains("not given `k0`") && missing.contains("moved 3"), "{missing}");
        assert!(
            render_report(&VaultKeys { unreadable: 1, ..keys(&[("k2", 1)]) }, true).contains("keep every master key")
        );
    }
}
