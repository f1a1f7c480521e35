//! `RESLY_OAUTH_CLIENTS`: the OAuth apps that an operator shares with all organizations, by the bundled connector they
//! are for: `connector=client_id:client_secret,…`, or a table `[oauth_clients.connector]` in `resly.toml`.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;

/// One app's client. It has no `Debug`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OauthClient {
    pub client_id: String,
    #[serde(deserialize_with = "secret")]
    pub client_secret: SecretString,
}

pub type OauthClients = BTreeMap<String, OauthClient>;

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

/// Parses either form. A mistake names only the place, because any part may be a secret.
pub fn parse(text: &str) -> Result<OauthClients, String> {
    if text.starts_with('{') {
        let table = serde_json::from_str(text);
        return table
            .map_err(|_| "each entry holds `client_id` and `client_secret`, both texts, and no more".to_owned());
    }
    let mut clients = BTreeMap::new();
    for (n, entry) in (1..).zip(text.split(',').map(str::trim).filter(|entry| !entry.is_empty())) {
        let parts = entry.split_once('=').and_then(|(connector, client)| {
            let (id, secret) = client.split_once(':')?;
            Some((connector.trim(), id.trim(), secret.trim()))
        });
        let whole = parts.filter(|(connector, id, secret)| ![connector, id, secret].iter().any(|part| part.is_empty()));
        let Some((connector, id, secret)) = whole else {
            return Err(format!("entry {n} is not of the form `connector=client_id:client_secret`"));
        };
        let client = OauthClient { client_id: id.to_owned(), client_secret: secret.into() };
        if clients.insert(connector.to_owned(), client).is_some() {
            return Err(format!("entry {n}: `{connector}` has a client already"));
        }
    }
    Ok(clients)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn both_forms_are_read_and_mistakes_hold_no_secret() {
        let clients = parse("shopify=id-1:s3cret:x=, gmail=id-2:other").ok().unwrap();
        assert_eq!(clients["shopify"].client_secret.expose_secret(), "s3cret:x=");
        assert_eq!(clients["gmail"].client_id, "id-2");
        let table = parse(r#"{"shopify": {"client_id": "i", "client_secret": "a,b"}}"#).ok().unwrap();
        assert_eq!(table["shopify"].client_secret.expose_secret(), "a,b");
        for bad in ["hunter2", "a=hunter2", "a=b:", "a=b:hunter2,a=c:hunter2", r#"{"a": {"client_secret": "hunter2"}}"#]
        {
            let error = parse(bad).err().unwrap();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
