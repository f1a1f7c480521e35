//! The origins that publishable keys allow. They decide how a CORS preflight is answered, because it carries no key.

use std::time::Duration;

use moka::future::Cache;
use resly_core::boxed;
use resly_store::Store;

/// A change is in force within a second; the rest of it is for the read itself.
const REMEMBERED: Duration = Duration::from_millis(800);

pub struct Origins {
    store: Store,
    remembered: Cache<String, bool>,
}

impl Origins {
    pub fn new(store: Store) -> Self {
        Self { store, remembered: Cache::builder().max_capacity(10_000).time_to_live(REMEMBERED).build() }
    }

    /// Whether any publishable key allows the origin. False when the store can't be read.
    #[boxed]
    pub async fn allowed(&self, origin: &str) -> bool {
        let look_up = async {
            // `null` is the origin of sandboxed frames and files. No key can allow it.
            if origin == "null" { Ok(false) } else { self.store.origin_allowed(origin).await }
        };
        self.remembered.try_get_with_by_ref(origin, look_up).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the origins of publishable keys could not be read");
            false
        })
    }

    /// Forgets everything, after a key's origins changed.
    pub fn forget(&self) {
        self.remembered.invalidate_all();
    }
}

/// Reads an origin (RFC 6454, section 6.1) as a browser sends it: scheme, host and port, nothing else.
pub fn parse_origin(text: &str) -> Result<String, String> {
    if text.contains('*') || text.to_ascii_lowercase().contains("%2a") {
        return Err(format!(
            "`{text}` has a wildcard, and origins are compared whole: list each of them, such as https://shop.example"
        ));
    }
    let url = url::Url::parse(text)
        .map_err(|error| format!("`{text}` is not an origin such as https://shop.example: {error}"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(format!("`{text}` must start with https:// or http://"));
    }
    if url.path() != "/"
        || url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err(format!("`{text}` must be scheme, host and port only, such as https://shop.example"));
    }
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::parse_origin;

    #[test]
    fn origins_are_as_browsers_write_them() {
        assert_eq!(parse_origin("https://Shop.Example:443/").unwrap(), "https://shop.example");
        assert_eq!(parse_origin("http://localhost:3000").unwrap(), "http://localhost:3000");
        for wrong in [
            "shop.example",
            "https://a.example/x",
            "*",
            "https://*.example",
            "https://*",
            "https://%2a.example",
            "https://*.shop.example:8443",
            "file:///x",
            "https://:p@a.example",
            "https://u@a.example",
        ] {
            assert!(parse_origin(wrong).is_err(), "{wrong}");
        }
    }
}
