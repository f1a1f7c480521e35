//! The text of an API key: how it is made, parsed, hashed and verified.
//!
//! `rsk_live_<id>_<secret>_<crc>`: the key's id (a UUID as 32 hex digits), 32 random bytes in lower-case base32 (RFC 4648
//! without padding, 52 characters), and the CRC-32 of everything before it as 8 hex digits. The prefix lets secret
//! scanners find a leaked key, the checksum turns a typo away without asking the database, and the id finds the row
//! whose hash is then compared in constant time.

use data_encoding::{Encoding, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use resly_core::{id::KeyId, principal::KeyKind, time::Random};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

const SECRET_LEN: usize = 52;
const ID_LEN: usize = 32;
const CRC_LEN: usize = 8;

/// A new key. Its secret exists in the clear only here.
pub struct NewSecret {
    pub id: KeyId,
    /// Shown once.
    pub text: SecretString,
    /// What is stored.
    pub hash: [u8; 32],
}

/// A well-formed key, which needn't exist.
pub struct ParsedKey<'a> {
    pub id: KeyId,
    pub kind: KeyKind,
    /// The text without the checksum. This is what is hashed.
    signed: &'a str,
}

/// Why a text can't be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedKey {
    #[error("it does not start with rsk_live_ or rpk_live_")]
    Prefix,
    #[error("it is not of the form rsk_live_<id>_<secret>_<checksum>")]
    Shape,
    #[error("its checksum does not match: it was mistyped or cut short")]
    Checksum,
}

/// The secret with which keys are hashed, so that a copy of the database isn't enough to test keys. It is random,
/// wrapped under the master key (`secrets.rs`) and the same on all hosts of a database. It has no `Debug` and is wiped
/// when dropped.
pub struct Pepper(Zeroizing<Vec<[u8; LEN]>>);

/// The length of one pepper, in bytes.
const LEN: usize = 32;

impl Pepper {
    /// Reads one or more peppers of 32 bytes each. The first one hashes new keys, and all of them verify. `None` for
    /// another length.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let (peppers, rest) = bytes.as_chunks();
        (!peppers.is_empty() && rest.is_empty()).then(|| Self(Zeroizing::new(peppers.to_vec())))
    }

    fn hash_with(pepper: &[u8; LEN], signed: &str) -> [u8; 32] {
        // HMAC pads its key with zeros to a block (RFC 2104, section 2); a whole block can't be of the wrong length.
        let mut block = [0; 64];
        block[..32].copy_from_slice(pepper);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
        mac.update(signed.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Whether `stored` is the hash of `key`. Takes the same time whatever the result.
    pub fn verifies(&self, key: &ParsedKey<'_>, stored: &[u8; 32]) -> bool {
        self.0
            .iter()
            .fold(subtle::Choice::from(0), |found, pepper| found | Self::hash_with(pepper, key.signed).ct_eq(stored))
            .into()
    }

    /// Makes a key.
    pub fn mint(&self, id: KeyId, kind: KeyKind, random: &dyn Random) -> NewSecret {
        let mut secret = [0; 32];
        random.fill(&mut secret);
        let mut text = format!("{}{}_{}", prefix(kind), id.0.simple(), base32().encode(&secret));
        zeroize::Zeroize::zeroize(&mut secret);
        let hash = self.0.first().map_or([0; 32], |pepper| Self::hash_with(pepper, &text));
        let crc = crc32fast::hash(text.as_bytes());
        text.push('_');
        text.push_str(&HEXLOWER.encode(&crc.to_be_bytes()));
        NewSecret { id, text: text.into(), hash }
    }
}

impl NewSecret {
    /// The text, to be shown once.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

fn prefix(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Secret => "rsk_live_",
        KeyKind::Publishable => "rpk_live_",
    }
}

fn base32() -> &'static Encoding {
    static ENCODING: std::sync::LazyLock<Encoding> = std::sync::LazyLock::new(|| {
        let mut specification = data_encoding::Specification::new();
        specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
        specification.encoding().unwrap_or(data_encoding::BASE32_NOPAD)
    });
    &ENCODING
}

/// Parses a key. A text that can't be a key is refused without a look-up.
pub fn parse(text: &str) -> Result<ParsedKey<'_>, MalformedKey> {
    let (kind, rest) = [KeyKind::Secret, KeyKind::Publishable]
        .into_iter()
        .find_map(|kind| Some((kind, text.strip_prefix(prefix(kind))?)))
        .ok_or(MalformedKey::Prefix)?;
    if rest.len() != ID_LEN + 1 + SECRET_LEN + 1 + CRC_LEN || !rest.is_ascii() {
        return Err(MalformedKey::Shape);
    }
    let bytes = rest.as_bytes();
    if bytes[ID_LEN] != b'_' || bytes[ID_LEN + 1 + SECRET_LEN] != b'_' {
        return Err(MalformedKey::Shape);
    }
    let signed = &text[..text.len() - CRC_LEN - 1];
    let crc = HEXLOWER.encode(&crc32fast::hash(signed.as_bytes()).to_be_bytes());
    if crc != rest[rest.len() - CRC_LEN..] {
        return Err(MalformedKey::Checksum);
    }
    let id = Uuid::try_parse(&rest[..ID_LEN]).map_err(|_| MalformedKey::Shape)?;
    Ok(ParsedKey { id: KeyId(id), kind, signed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::OsRandom;

    fn minted() -> (Pepper, NewSecret) {
        let pepper = Pepper::new(&[7; 32]).unwrap();
        let key = pepper.mint(KeyId(Uuid::from_u128(0x0123_4567)), KeyKind::Secret, &OsRandom);
        (pepper, key)
    }

    #[test]
    fn a_key_reads_back_and_verifies() {
        let (pepper, key) = minted();
        let parsed = parse(key.expose()).unwrap();
        assert_eq!((parsed.id, parsed.kind), (key.id, KeyKind::Secret));
        assert!(pepper.verifies(&parsed, &key.hash));
        assert!(
            Pepper::new(&[[8; 32], [7; 32]].concat()).unwrap().verifies(&parsed, &key.hash),
            "an older one verifies"
        );
        assert!(!Pepper::new(&[8; 32]).unwrap().verifies(&parsed, &key.hash));
        assert!(!pepper.verifies(&parsed, &[0; 32]));
        assert!(Pepper::new(&[]).is_none() && Pepper::new(&[7; 33]).is_none());
    }

    #[test]
    fn each_mistake_has_its_name() {
        let (_, key) = minted();
        let text = key.expose();
        assert_eq!(parse("sk-123").err(), Some(MalformedKey::Prefix));
        assert_eq!(parse(&text[..text.len() - 3]).err(), Some(MalformedKey::Shape));
        let at = text.len() - 20;
        let swapped = if &text[at..=at] == "a" { "b" } else { "a" };
        let typo = format!("{}{swapped}{}", &text[..at], &text[at + 1..]);
        assert_eq!(parse(&typo).err(), Some(MalformedKey::Checksum));
        assert_eq!(
            parse(&text.replace("rsk_", "rpk_")).err(),
            Some(MalformedKey::Checksum),
            "the kind is part of the key"
        );
        assert!(parse(&"é".repeat(60)).is_err());
        assert!(parse(&format!("rsk_live_{}", "é".repeat(47))).is_err());
    }
}
