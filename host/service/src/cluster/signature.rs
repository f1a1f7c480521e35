//! Signatures of requests between hosts: HMAC-SHA256 (RFC 2104) over the method, the path, the time and a nonce, with a key
//! that all hosts of a database share.
//!
//! As a header: `Authorization: Resly-Host <milliseconds since the epoch>.<nonce>.<mac>`, the last two in hex.

use std::{fmt, str::FromStr, time::Duration};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use moka::sync::Cache;
use resly_core::time::{Random, Timestamp};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// How far the clocks of two hosts may be apart.
const SKEW: Duration = Duration::from_secs(60);
/// How long a nonce is remembered. A request is valid for twice the skew, and this is longer.
const NONCE_KEPT: Duration = Duration::from_secs(180);
/// Nonces that are remembered. Only hosts of the database can add one.
const NONCES: u64 = 1_000_000;
const SCHEME: &str = "Resly-Host ";
/// What is signed begins with this, so that the key's signatures mean nothing elsewhere.
const LABEL: &str = "resly host request v1";

/// The key that all hosts of a database share. It has no `Debug` and is wiped when dropped.
pub struct HostKey(Zeroizing<[u8; 32]>);

impl HostKey {
    /// `None` unless there are 32 bytes.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    fn mac(&self, method: &str, path: &str, at_ms: i64, nonce: &[u8; 16]) -> [u8; 32] {
        // HMAC pads its key with zeros to a block (RFC 2104, section 2); a whole block can't be of the wrong length.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(&*self.0);
        let mut mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
        // No part holds a line break.
        mac.update(format!("{LABEL}\n{method}\n{path}\n{at_ms}\n").as_bytes());
        mac.update(nonce);
        mac.finalize().into_bytes().into()
    }

    /// Signs a request.
    pub fn sign(&self, method: &str, path: &str, now: Timestamp, random: &dyn Random) -> Signature {
        let mut nonce = [0; 16];
        random.fill(&mut nonce);
        let at_ms = now.micros() / 1000;
        Signature { at_ms, nonce, mac: self.mac(method, path, at_ms, &nonce) }
    }
}

/// The signature of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    at_ms: i64,
    nonce: [u8; 16],
    mac: [u8; 32],
}

/// The value of the `Authorization` header.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}.{}.{}", self.at_ms, HEXLOWER.encode(&self.nonce), HEXLOWER.encode(&self.mac))
    }
}

/// The text is no signature.
#[derive(Debug, thiserror::Error)]
#[error("it is no signature of a host")]
pub struct NoSignature;

impl FromStr for Signature {
    type Err = NoSignature;

    fn from_str(header: &str) -> Result<Self, NoSignature> {
        fn bytes<const N: usize>(text: &str) -> Result<[u8; N], NoSignature> {
            let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| NoSignature)?;
            bytes.try_into().map_err(|_| NoSignature)
        }
        let mut parts = header.strip_prefix(SCHEME).ok_or(NoSignature)?.split('.');
        let mut next = || parts.next().ok_or(NoSignature);
        let at_ms = next()?.parse().map_err(|_| NoSignature)?;
        let signature = Self { at_ms, nonce: bytes(next()?)?, mac: bytes(next()?)? };
        if parts.next().is_none() { Ok(signature) } else { Err(NoSignature) }
    }
}

/// Verifies signatures, each of them once.
pub struct SignatureVerifier {
    key: HostKey,
    nonces: Cache<[u8; 16], ()>,
}

impl SignatureVerifier {
    pub fn new(key: HostKey) -> Self {
        Self { key, nonces: Cache::builder().max_capacity(NONCES).time_to_live(NONCE_KEPT).build() }
    }

    pub fn key(&self) -> &HostKey {
        &self.key
    }

    /// Whether a host of this database signed this request, less than a minute ago, and nobody has sent it before. The
    /// signature is compared in constant time.
    pub fn verify(&self, signature: &Signature, method: &str, path: &str, now: Timestamp) -> bool {
        let expected = self.key.mac(method, path, signature.at_ms, &signature.nonce);
        let skew_ms = (now.micros() / 1000).abs_diff(signature.at_ms);
        let in_time = u128::from(skew_ms) <= SKEW.as_millis();
        let signed: bool = expected.ct_eq(&signature.mac).into();
        // Last, so that only what a host signed is remembered.
        signed && in_time && self.nonces.entry(signature.nonce).or_insert(()).is_fresh()
    }
}

#[cfg(test)]
mod tests {
    use resly_core::testing::SequenceRandom;

    use super::*;

    fn verifier(byte: u8) -> SignatureVerifier {
        SignatureVerifier::new(HostKey::new(&[byte; 32]).unwrap())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_request_is_accepted_once_from_who_has_the_key() {
        let (host, random) = (verifier(1), SequenceRandom::default());
        let sign = || host.key().sign("GET", "/a", at(1000), &random);
        let signature = sign();
        let sent: Signature = signature.to_string().parse().unwrap();
        assert_eq!(sent, signature);
        assert!(!verifier(2).verify(&sent, "GET", "/a", at(1000)), "another key");
        assert!(!host.verify(&sent, "DELETE", "/a", at(1000)), "another method");
        assert!(!host.verify(&sent, "GET", "/b", at(1000)), "another path");
        for late in [at(1061), at(939), at(-1000)] {
            assert!(!host.verify(&sent, "GET", "/a", late), "{late}");
        }
        assert!(host.verify(&sent, "GET", "/a", at(1060)));
        assert!(!host.verify(&sent, "GET", "/a", at(1000)), "it was sent before");
        assert!(host.verify(&sign(), "GET", "/a", at(940)), "another nonce");

        let other_time = Signature { at_ms: 1_001_000, ..sign() };
        assert!(!host.verify(&other_time, "GET", "/a", at(1000)));
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        let good = verifier(1).key().sign("GET", "/a", at(1), &SequenceRandom::default()).to_string();
        for wrong in ["", "Bearer x", SCHEME, &format!("{good}.00"), &good[..good.len() - 2], &good.to_uppercase()] {
            assert!(wrong.parse::<Signature>().is_err(), "{wrong}");
        }
    }
}
