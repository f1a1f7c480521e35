//! Signs packed connectors with Ed25519 (RFC 8032). The signature is in a custom section at the end of the file.
//!
//! The section's name is [`SECTION`]. Its contents are JSON, `{"public_key": …, "signature": …}`, both in Base64 (RFC
//! 4648, section 4). The signed message is [`DOMAIN`], the length of all bytes before the section as 64 bits
//! (little-endian), and their SHA-256. These bytes are the component and its manifest, so neither can be changed and
//! nothing can be added.

use std::{fmt, str::FromStr};

use data_encoding::BASE64;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{digest::Digest, package::append_section};

/// The custom section's name.
pub const SECTION: &str = "resly:signature";
/// Starts each signed message, so that a signature is valid for nothing else.
const DOMAIN: &[u8] = b"resly connector signature v1\n";
/// Starts the text of a signing key.
const KEY_PREFIX: &str = "resly-signing-key-v1:";
/// Messages that are tried to find a weak key. At least one in eight of them reveals such a key. `ring` itself accepts keys
/// of small order. `ed25519-dalek` has a test of the point for them, but would be a second implementation of the curve
/// for this one question.
const WEAKNESS_TRIALS: u8 = 160;

/// Why a signature or a key can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the file carries more than one signature; sign the packed file once")]
    Several,
    #[error("the signature is not at the file's end: something was added after it; sign the whole file anew")]
    NotLast,
    #[error("the signature's section can't be read: {0}")]
    Malformed(String),
    #[error("the signature doesn't fit the file: one of the two was changed, so the file can't be trusted")]
    Wrong,
    #[error("a public key is 32 bytes in Base64, as `resly connector keygen` prints it")]
    NoKey,
    #[error("with this public key anybody could sign; make one with `resly connector keygen`")]
    WeakKey,
    #[error("this is no signing key; `resly connector keygen` makes one")]
    NoSigningKey,
}

/// An Ed25519 public key. As text it is Base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let bytes = BASE64.decode(text.trim().as_bytes()).map_err(|_| SignatureError::NoKey)?;
        bytes.try_into().map(Self).map_err(|_| SignatureError::NoKey)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl PublicKey {
    /// Refuses a public key of small order. Under such a key, a signature made without any secret is valid for many
    /// messages. `verify` itself checks as RFC 8032 says, with the scalar in range.
    pub fn trustworthy(self) -> Result<Self, SignatureError> {
        // R is the neutral point and S is zero. This is valid whenever the hash is a multiple of the key's order.
        let mut forged = [0; 64];
        forged[0] = 1;
        let forgeable = (0..WEAKNESS_TRIALS).any(|message| self.holds(&[message], &forged));
        if forgeable { Err(SignatureError::WeakKey) } else { Ok(self) }
    }

    fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

/// A publisher's secret key.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// From 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SignatureError> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| SignatureError::NoSigningKey)
    }

    /// Parses the text that [`Self::text`] writes.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let encoded = text.trim().strip_prefix(KEY_PREFIX).ok_or(SignatureError::NoSigningKey)?;
        let seed = BASE64.decode(encoded.as_bytes()).map_err(|_| SignatureError::NoSigningKey)?;
        Self::from_seed(&seed.try_into().map_err(|_| SignatureError::NoSigningKey)?)
    }

    /// The text of a seed, for a key file.
    pub fn text(seed: &[u8; 32]) -> String {
        format!("{KEY_PREFIX}{}\n", BASE64.encode(seed))
    }

    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(key)
    }

    /// Signs a packed connector that has no signature yet.
    pub fn sign(&self, packed: &[u8]) -> Vec<u8> {
        let signature = BASE64.encode(self.0.sign(&message(packed)).as_ref());
        let contents = Contents { public_key: self.public(), signature };
        let mut signed = packed.to_vec();
        append_section(&mut signed, SECTION, contents.json().as_bytes());
        signed
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    public_key: PublicKey,
    signature: String,
}

impl Contents {
    fn json(&self) -> String {
        // Base64 needs no escaping in JSON.
        format!(r#"{{"public_key":"{}","signature":"{}"}}"#, self.public_key, self.signature)
    }
}

fn message(signed: &[u8]) -> Vec<u8> {
    [DOMAIN, &(signed.len() as u64).to_le_bytes(), &Digest::of(signed).0].concat()
}

/// Checks the signature at the end of a packed file. Returns the signer's key. `contents` are those of the signature's
/// section.
pub fn verify(packed: &[u8], contents: &[u8]) -> Result<PublicKey, SignatureError> {
    let mut section = Vec::with_capacity(contents.len() + SECTION.len() + 16);
    append_section(&mut section, SECTION, contents);
    let signed = packed.strip_suffix(section.as_slice()).ok_or(SignatureError::NotLast)?;
    let Contents { public_key, signature } =
        serde_json::from_slice(contents).map_err(|error| SignatureError::Malformed(error.to_string()))?;
    let signature = BASE64
        .decode(signature.as_bytes())
        .map_err(|_| SignatureError::Malformed("the signature is not Base64".to_owned()))?;
    if public_key.holds(&message(signed), &signature) { Ok(public_key) } else { Err(SignatureError::Wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_seed(&[n; 32]).unwrap()
    }

    /// What the section of a signed file holds.
    fn contents(packed: &[u8], signed: &[u8]) -> Vec<u8> {
        let section = &signed[packed.len()..];
        section[section.iter().position(|byte| *byte == b'{').unwrap()..].to_vec()
    }

    #[test]
    fn what_was_signed_is_verified_and_nothing_else() {
        let packed = b"\0asm\x0d\0\x01\0 and more".as_slice();
        let signed = key(1).sign(packed);
        let contents = contents(packed, &signed);
        assert_eq!(verify(&signed, &contents), Ok(key(1).public()));
        for at in 0..packed.len() {
            let mut changed = signed.clone();
            changed[at] ^= 1;
            assert_eq!(verify(&changed, &contents), Err(SignatureError::Wrong), "byte {at}");
        }
        assert_eq!(verify(&signed[1..], &contents), Err(SignatureError::Wrong));
        let longer = [signed.as_slice(), b"x"].concat();
        assert_eq!(verify(&longer, &contents), Err(SignatureError::NotLast));
    }

    #[test]
    fn a_signature_names_its_key() {
        let packed = b"packed".as_slice();
        let (mine, theirs) = (key(1), key(2));
        let signature = BASE64.encode(mine.0.sign(&message(packed)).as_ref());
        let claimed = Contents { public_key: theirs.public(), signature }.json();
        let mut file = packed.to_vec();
        append_section(&mut file, SECTION, claimed.as_bytes());
        assert_eq!(verify(&file, claimed.as_bytes()), Err(SignatureError::Wrong));
    }

    #[test]
    fn a_signature_of_the_bytes_alone_is_for_something_else() {
        let packed = b"packed".as_slice();
        let signature = BASE64.encode(key(1).0.sign(packed).as_ref());
        let plain = Contents { public_key: key(1).public(), signature }.json();
        let mut file = packed.to_vec();
        append_section(&mut file, SECTION, plain.as_bytes());
        assert_eq!(verify(&file, plain.as_bytes()), Err(SignatureError::Wrong));
    }

    #[test]
    fn keys_are_texts() {
        let text = SigningKey::text(&[7; 32]);
        assert_eq!(SigningKey::parse(&text).unwrap().public(), key(7).public());
        assert_eq!(key(7).public().to_string().parse(), Ok(key(7).public()));
        assert!(SigningKey::parse(&key(7).public().to_string()).is_err(), "a public key signs nothing");
        assert!("AAAA".parse::<PublicKey>().is_err() && "ä".parse::<PublicKey>().is_err());
    }

    #[test]
    fn a_key_that_anybody_can_sign_with_is_refused() {
        assert_eq!(key(1).public().trustworthy(), Ok(key(1).public()));
        // The points whose order divides 8, in RFC 8032's encoding.
        for weak in [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            // The same points in encodings that aren't canonical: with a coordinate of p or more, or the sign of zero set.
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ] {
            let bytes = data_encoding::HEXLOWER.decode(weak.as_bytes()).unwrap();
            let key = PublicKey(bytes.try_into().unwrap());
            assert_eq!(key.trustworthy(), Err(SignatureError::WeakKey), "{weak}");
        }
    }
}
