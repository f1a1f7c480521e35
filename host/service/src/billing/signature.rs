//! Stripe's scheme for webhooks (`Stripe-Signature`): `t=<seconds>,v1=<hex>`, where `v1` is HMAC-SHA256 over `t`, a dot and
//! the body, by the endpoint's secret. There are several `v1` while a secret is being replaced.

use hmac::{Hmac, KeyInit, Mac};
use resly_core::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// How far the signature's time may be from now, in seconds, as in Stripe's own libraries.
const TOLERANCE_S: u64 = 300;
/// The most signatures of one request that are compared.
const SIGNATURES_MOST: usize = 8;

/// Why a signature isn't accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the header `Stripe-Signature` is missing")]
    Missing,
    #[error("the header `Stripe-Signature` is not of the form `t=<seconds>,v1=<hex>`")]
    Malformed,
    #[error("the signature was made more than {TOLERANCE_S} s ago, or in the future: compare the clocks")]
    Outdated,
    #[error(
        "no signature is right for this body: RESLY_BILLING_WEBHOOK_SECRET has to be the secret of this endpoint, and the \
         body has to arrive as it was sent"
    )]
    Wrong,
}

/// The endpoint's secrets. There are two while one is being replaced.
#[derive(Clone)]
pub struct SigningSecrets(Vec<SecretString>);

impl SigningSecrets {
    /// Reads secrets such as `whsec_…`, with commas between. `None` when there is none, or one is too short to be one.
    pub fn parse(text: &str) -> Option<Self> {
        let secrets: Vec<&str> = text.split(',').map(str::trim).collect();
        let fit = secrets.iter().all(|secret| secret.len() >= 16);
        fit.then(|| Self(secrets.into_iter().map(SecretString::from).collect()))
    }

    /// Checks the signature of a body.
    pub fn verify(&self, header: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), SignatureError> {
        let (time, signatures) = read(header.ok_or(SignatureError::Missing)?).ok_or(SignatureError::Malformed)?;
        let signed = |secret: &SecretString, signature: &[u8]| {
            // A key of any length is allowed.
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return false };
            mac.update(time.as_bytes());
            mac.update(b".");
            mac.update(body);
            mac.verify_slice(signature).is_ok()
        };
        if !self.0.iter().any(|secret| signatures.iter().any(|signature| signed(secret, signature))) {
            return Err(SignatureError::Wrong);
        }
        let at: i64 = time.parse().map_err(|_| SignatureError::Malformed)?;
        if now.seconds().abs_diff(at) > TOLERANCE_S { Err(SignatureError::Outdated) } else { Ok(()) }
    }
}

/// The time, as it was signed, and the signatures of the scheme `v1`. Others are ignored.
fn read(header: &str) -> Option<(&str, Vec<Vec<u8>>)> {
    let (mut time, mut signatures) = (None, Vec::new());
    for part in header.split(',') {
        match part.trim().split_once('=')? {
            ("t", text) => time = Some(text),
            ("v1", text) if signatures.len() < SIGNATURES_MOST => {
                signatures.push(data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?);
            }
            _ => {}
        }
    }
    (!signatures.is_empty()).then_some((time?, signatures))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id": "evt_1"}"#;
    const SECRET: &str = "whsec_test_secret_of_the_endpoint";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn sign(secret: &str, time: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{time}.").as_bytes());
        mac.update(body);
        data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
    }

    fn check(header: &str, body: &[u8], now: i64) -> Result<(), SignatureError> {
        SigningSecrets::parse(SECRET).unwrap().verify(Some(header), body, at(now))
    }

    #[test]
    fn a_signature_is_of_this_body_this_secret_and_this_time() {
        let right = format!("t=1000,v1={}", sign(SECRET, 1000, BODY));
        assert_eq!(check(&right, BODY, 1000), Ok(()));
        assert_eq!(check(&right, BODY, 1300), Ok(()));
        assert_eq!(check(&right, BODY, 1301), Err(SignatureError::Outdated));
        assert_eq!(check(&right, BODY, 699), Err(SignatureError::Outdated));
        assert_eq!(check(&right, b"{}", 1000), Err(SignatureError::Wrong));
        let other_time = format!("t=1001,v1={}", sign(SECRET, 1000, BODY));
        assert_eq!(check(&other_time, BODY, 1000), Err(SignatureError::Wrong));
        let foreign = format!("t=1000,v1={}", sign("whsec_of_somebody_else", 1000, BODY));
        assert_eq!(check(&foreign, BODY, 1000), Err(SignatureError::Wrong));
    }

    #[test]
    fn any_of_several_signatures_and_secrets_may_be_the_right_one() {
        let right = sign(SECRET, 1000, BODY);
        let both = format!("t=1000,v1={},v1={right},v0=00ff", sign("whsec_of_somebody_else", 1000, BODY));
        assert_eq!(check(&both, BODY, 1000), Ok(()));
        let replacing = SigningSecrets::parse(&format!("whsec_the_new_one_of_two, {SECRET}")).unwrap();
        assert_eq!(replacing.verify(Some(&format!("t=1000,v1={right}")), BODY, at(1000)), Ok(()));
        // Another scheme's signature isn't this one's.
        assert_eq!(check(&format!("t=1000,v0={right}"), BODY, 1000), Err(SignatureError::Malformed));
    }

    #[test]
    fn headers_that_are_none_are_refused() {
        let secrets = SigningSecrets::parse(SECRET).unwrap();
        assert_eq!(secrets.verify(None, BODY, at(0)), Err(SignatureError::Missing));
        for header in ["", "t=1", "v1=00", "t=1,v1=xyz", "1000,00", "t=1,v1="] {
            let refused = check(header, BODY, 1).unwrap_err();
            assert!(matches!(refused, SignatureError::Malformed | SignatureError::Wrong), "{header}");
        }
        assert!(SigningSecrets::parse("short").is_none() && SigningSecrets::parse("").is_none());
    }
}
