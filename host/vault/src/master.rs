//! Master keys: parses `id:base64(32 bytes)[,older:…]`, the newest first.

use std::fmt;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use hkdf::Hkdf;
use secrecy::ExposeSecret;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    Key,
    strength::{self, Weakness},
};

/// Why a text isn't a list of master keys. The error never repeats a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseKeyError {
    #[error("it is empty; write `id:base64`, where the base64 is of 32 random bytes")]
    Empty,
    #[error("key {0} is not of the form `id:base64`")]
    Shape(usize),
    #[error("the id of key {0} must be 1 to 32 letters, digits, dashes or underscores")]
    Id(usize),
    #[error("key `{0}` is not base64: make one with `openssl rand -base64 32`")]
    Encoding(String),
    #[error("key `{id}` has {bytes} bytes and needs 32 random ones: make one with `openssl rand -base64 32`")]
    Length { id: String, bytes: usize },
    #[error("two keys are called `{0}`")]
    Twice(String),
}

/// A master key that can be guessed. The error never repeats the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "key `{id}` {weakness}, so it can be guessed: put a new one from `openssl rand -base64 32` before it, and run `resly \
     vault rotate`, if secrets are stored under it already; then leave it out"
)]
pub struct WeakKeyError {
    pub id: String,
    pub weakness: Weakness,
}

/// The keys that wrap organizations' keys. There is at least one.
pub struct MasterKeys {
    newest: (String, Key),
    older: Vec<(String, Key)>,
    pub(super) warning: Option<String>,
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().map(|(id, _)| id)).finish()
    }
}

impl MasterKeys {
    /// Parses `id:base64[,older:base64…]`. White space and line breaks around the parts are allowed.
    pub fn parse(text: &str) -> Result<Self, ParseKeyError> {
        let mut keys: Vec<(String, Key)> = Vec::new();
        let entries = text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
        for (n, entry) in (1..).zip(entries) {
            let (id, encoded) = entry.split_once(':').ok_or(ParseKeyError::Shape(n))?;
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if id.is_empty() || id.len() > 32 || !id.bytes().all(plain) {
                return Err(ParseKeyError::Id(n));
            }
            let encoded = encoded.trim().trim_end_matches('=');
            let decoded = STANDARD_NO_PAD.decode(encoded).or_else(|_| URL_SAFE_NO_PAD.decode(encoded));
            let bytes = decoded.map(Zeroizing::new).map_err(|_| ParseKeyError::Encoding(id.to_owned()))?;
            let bytes: [u8; 32] = bytes
                .as_slice()
                .try_into()
                .map_err(|_| ParseKeyError::Length { id: id.to_owned(), bytes: bytes.len() })?;
            if keys.iter().any(|(known, _)| known == id) {
                return Err(ParseKeyError::Twice(id.to_owned()));
            }
            keys.push((id.to_owned(), Key::new(Box::new(bytes))));
        }
        let mut keys = keys.into_iter();
        let newest = keys.next().ok_or(ParseKeyError::Empty)?;
        Ok(Self { newest, older: keys.collect(), warning: None })
    }

    /// Refuses keys that can be guessed: samples, patterns, texts. With `rotating`, only the newest key is checked.
    pub(super) fn check_strength(&self, rotating: bool) -> Result<(), WeakKeyError> {
        let judged = self.all().take(if rotating { 1 } else { usize::MAX });
        let mut weak = judged.filter_map(|(id, key)| Some((id, strength::weakness(key.expose_secret())?)));
        weak.next().map_or(Ok(()), |(id, weakness)| Err(WeakKeyError { id: id.to_owned(), weakness }))
    }

    /// A warning to the operator about where the keys came from.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Derives a key for another purpose from the newest master key (HKDF-SHA-256, RFC 5869). It changes with a
    /// rotation.
    pub fn derive_newest(&self, purpose: &str) -> [u8; 32] {
        derive(&self.newest.1, purpose)
    }

    /// [`Self::derive_newest`] for every master key, the newest first.
    pub fn derive_all(&self, purpose: &str) -> Vec<[u8; 32]> {
        self.all().map(|(_, key)| derive(key, purpose)).collect()
    }

    pub(super) fn newest(&self) -> (&str, &Key) {
        (&self.newest.0, &self.newest.1)
    }

    /// The ids of the keys that only unwrap.
    pub(super) fn older(&self) -> impl Iterator<Item = &str> {
        self.older.iter().map(|(id, _)| id.as_str())
    }

    pub(super) fn find(&self, id: &str) -> Option<&Key> {
        self.all().find(|(known, _)| *known == id).map(|(_, key)| key)
    }

    fn all(&self) -> impl Iterator<Item = (&str, &Key)> {
        std::iter::once(&self.newest).chain(&self.older).map(|(id, key)| (id.as_str(), key))
    }
}

fn derive(key: &Key, purpose: &str) -> [u8; 32] {
    let mut derived = [0; 32];
    // 32 bytes are far below the limit of HKDF, so this never fails.
    let _ = Hkdf::<Sha256>::new(None, key.expose_secret()).expand(purpose.as_bytes(), &mut derived);
    derived
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(start: u8) -> String {
        let bytes: Vec<u8> = (start..start + 32).collect();
        STANDARD_NO_PAD.encode(bytes)
    }

    #[test]
    fn keys_are_read_newest_first() {
        let keys = MasterKeys::parse(&format!(" k2:{}=, k1:{}\n", encoded(1), encoded(2))).unwrap();
        assert_eq!(keys.newest().0, "k2");
        assert!(keys.find("k1").is_some() && keys.find("k3").is_none());
        assert_eq!(format!("{keys:?}"), r#"["k2", "k1"]"#);
        assert_eq!(keys.derive_all("x").len(), 2);
        assert_eq!(keys.derive_all("x")[0], keys.derive_newest("x"));
        assert_ne!(keys.derive_newest("x"), keys.derive_newest("y"));
    }

    #[test]
    fn mistakes_are_named_and_keys_are_not_repeated() {
        let good = encoded(1);
        for text in ["", "nocolon", ":abc", "k:short!", "k k:x", &format!("k:{good},k:{good}"), "k:!!!"] {
            let error = MasterKeys::parse(text).unwrap_err().to_string();
            assert!(!error.contains(&good) && !error.contains("short"), "{error}");
        }
        let short = MasterKeys::parse(&format!("k:{}", STANDARD_NO_PAD.encode([1; 16]))).unwrap_err();
        assert_eq!(short, ParseKeyError::Length { id: "k".to_owned(), bytes: 16 });
        assert!(short.to_string().contains("16 bytes") && short.to_string().contains("openssl rand"));
    }
}
