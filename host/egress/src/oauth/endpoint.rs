//! The URLs of an authorization server, with a connection's settings filled in.

use resly_manifest::OAuth;
use serde_json::Value;
use url::Url;

use super::OAuthError;
use crate::policy::{grant, target::Target};

/// Parses a URL. One whole label of its host may name a setting.
pub fn resolve(address: &str, settings: &Value) -> Result<Target, OAuthError> {
    let bad = |message: String| OAuthError::Address(message);
    let (scheme, rest) =
        address.split_once("://").ok_or_else(|| bad("an address begins with `https://`".to_owned()))?;
    let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
    let authority = match authority.contains("{{") {
        true => grant::fill(authority, authority, settings).map_err(|error| bad(error.to_string()))?,
        false => authority.to_owned(),
    };
    Target::parse(&format!("{scheme}://{authority}{path}")).map_err(|error| bad(error.to_string()))
}

/// The URLs that get a connection's tokens or return them. Two equal results mean the same places.
pub fn endpoints(oauth: &OAuth, settings: &Value) -> Result<Vec<Url>, OAuthError> {
    let all = [oauth.authorize_url.as_deref(), Some(oauth.token_url.as_str()), oauth.revoke_url.as_deref()];
    all.into_iter().flatten().map(|address| Ok(resolve(address, settings)?.url().clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_setting_is_one_label_of_an_address() {
        let shop = "https://{{ settings.shop }}.myshopify.com/admin/oauth/access_token";
        let resolved = resolve(shop, &json!({"shop": "Acme"})).unwrap();
        assert_eq!(resolved.url().as_str(), "https://acme.myshopify.com/admin/oauth/access_token");
        for bad in [json!("evil.example/"), json!("a@b"), json!(""), json!(7), json!(null)] {
            assert!(matches!(resolve(shop, &json!({ "shop": bad })), Err(OAuthError::Address(_))), "{bad}");
        }
        for bad in ["https://u:p@a.example/", "a.example/token", "ftp://a.example/", "https://a.example\\x/"] {
            assert!(resolve(bad, &json!({})).is_err(), "{bad}");
        }
    }
}
