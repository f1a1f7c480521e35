//! `resly members link`: a sign-in link for a person who has the host but can't sign in. It works beside a running host.

use resly_core::time::SystemClock;
use resly_service::{members::links, organizations, random::OsRandom};
use resly_store::Store;
use serde_json::{Value, json};

use crate::{cli::LinkOptions, config::Config, secrets, serve};

/// Makes the link. Returns what is to be printed.
pub async fn run(config: &Config, options: LinkOptions) -> anyhow::Result<Value> {
    let LinkOptions { organization, email } = options;
    let store = Store::open_beside(&secrets::store_config(config)).await?;
    let (id, name) = organizations::choose(&store, &organization).await?;
    let token = links::create_beside(&store, &SystemClock, &OsRandom, id, email.as_deref()).await?;
    let url = links::url(&serve::url(config.public_url.as_ref(), config.listen), &token);
    store.close().await;
    Ok(json!({"organization": id, "name": name, "email": email, "url": url}))
}
