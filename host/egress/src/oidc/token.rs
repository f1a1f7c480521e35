//! ID tokens: a JWS in its compact form (RFC 7515), verified with a key of the provider's (RFC 7517), and its claims
//! (OpenID Connect Core 1.0, section 3.1.3.7). The algorithm is one of a list, and has to fit the key; what the token itself
//! says of keys and algorithms only chooses among these.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use resly_core::time::Timestamp;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{OidcApp, OidcError};

/// How far a provider's clock may be ahead, in seconds.
const SKEW: f64 = 300.0;
/// Characters of a subject (OpenID Connect Core 1.0, section 2).
const SUBJECT: usize = 255;
/// The most keys that are looked at.
const KEYS: usize = 100;

/// A provider's keys. One that can't be read is left out: it may be for something else.
#[derive(Deserialize)]
pub(super) struct KeySet {
    keys: Vec<Value>,
}

/// A public key.
#[derive(Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// A token's head.
#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

/// One audience or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// What a verified token says.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nonce: Option<String>,
    pub email: Option<String>,
    pub email_verified: Option<Value>,
    pub name: Option<String>,
}

/// A signature that only the provider can make. Those with a shared secret aren't among them.
enum Algorithm {
    Rsa(&'static RsaParameters),
    Ecdsa { curve: &'static str, bytes: usize, by: &'static EcdsaVerificationAlgorithm },
}

impl Algorithm {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            "RS384" => Self::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            "RS512" => Self::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            "PS256" => Self::Rsa(&RSA_PSS_2048_8192_SHA256),
            "PS384" => Self::Rsa(&RSA_PSS_2048_8192_SHA384),
            "PS512" => Self::Rsa(&RSA_PSS_2048_8192_SHA512),
            "ES256" => Self::Ecdsa { curve: "P-256", bytes: 32, by: &ECDSA_P256_SHA256_FIXED },
            "ES384" => Self::Ecdsa { curve: "P-384", bytes: 48, by: &ECDSA_P384_SHA384_FIXED },
            _ => return None,
        })
    }

    fn fits(&self, key: &Key) -> bool {
        match self {
            Self::Rsa(_) => key.kty == "RSA",
            Self::Ecdsa { curve, .. } => key.kty == "EC" && key.crv.as_deref() == Some(*curve),
        }
    }

    /// Whether the key made the signature.
    fn verifies(&self, key: &Key, signed: &[u8], signature: &[u8]) -> bool {
        let number = |text: &Option<String>| -> Option<Vec<u8>> {
            let bytes = URL_SAFE_NO_PAD.decode(text.as_deref()?.trim_end_matches('=')).ok()?;
            let first = bytes.iter().position(|byte| *byte != 0)?;
            Some(bytes[first..].to_vec())
        };
        match self {
            Self::Rsa(parameters) => {
                let (Some(n), Some(e)) = (number(&key.n), number(&key.e)) else { return false };
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
            }
            Self::Ecdsa { bytes, by, .. } => {
                let (Some(x), Some(y)) = (number(&key.x), number(&key.y)) else { return false };
                let mut point = vec![4];
                for part in [x, y] {
                    let Some(zeros) = bytes.checked_sub(part.len()) else { return false };
                    point.resize(point.len() + zeros, 0);
                    point.extend(part);
                }
                UnparsedPublicKey::new(*by, point).verify(signed, signature).is_ok()
            }
        }
    }
}

fn wrong(why: &str) -> OidcError {
    OidcError::Token(why.to_owned())
}

/// A part of a token as JSON.
fn part<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, OidcError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong("it is not in Base64"))?;
    serde_json::from_slice(&bytes).map_err(|_| OidcError::Token(format!("{what} can't be read")))
}

impl KeySet {
    /// The claims of a token that one of these keys signed, for this client, with this nonce, and not too long ago.
    pub fn verify(&self, token: &str, app: &OidcApp, nonce: &str, now: Timestamp) -> Result<Claims, OidcError> {
        let mut parts = token.split('.');
        let (Some(head), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong("it is no signed token"));
        };
        let signed = &token.as_bytes()[..head.len() + 1 + claims.len()];
        let head: Head = part(head, "its head")?;
        if head.crit.is_some() || head.typ.as_ref().is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err(wrong("it is another kind of token"));
        }
        let algorithm = Algorithm::parse(&head.alg).ok_or_else(|| {
            wrong("its algorithm isn't taken; RS256, RS384, RS512, PS256, PS384, PS512, ES256 and ES384 are")
        })?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| wrong("its signature is not in Base64"))?;
        if !algorithm.verifies(&self.find(&head, &algorithm)?, signed, &signature) {
            return Err(wrong("its signature is not the provider's"));
        }
        let claims: Claims = part(claims, "what it says")?;
        claims.check(app, nonce, now)?;
        Ok(claims)
    }

    /// The one key that may have signed.
    fn find(&self, head: &Head, algorithm: &Algorithm) -> Result<Key, OidcError> {
        let keys = self.keys.iter().take(KEYS).filter_map(|key| Key::deserialize(key).ok());
        let mut fitting = keys.filter(|key| {
            algorithm.fits(key)
                && key.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
                && key.alg.as_ref().is_none_or(|alg| *alg == head.alg)
                && (head.kid.is_none() || key.kid == head.kid)
        });
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (None, _) => Err(wrong("the provider has no key for it")),
            (Some(_), Some(_)) => Err(wrong("the provider has several keys for it")),
        }
    }
}

impl Claims {
    fn check(&self, app: &OidcApp, nonce: &str, now: Timestamp) -> Result<(), OidcError> {
        if self.iss != app.issuer {
            return Err(wrong("it is of another issuer"));
        }
        let ours = match &self.aud {
            Audience::One(audience) => *audience == app.client_id,
            // One that names others too could have come to us by them.
            Audience::Several(audiences) => {
                !audiences.is_empty() && audiences.iter().all(|audience| *audience == app.client_id)
            }
        };
        if !ours || self.azp.as_ref().is_some_and(|party| *party != app.client_id) {
            return Err(wrong("it is for another client"));
        }
        let now = now.seconds() as f64;
        if self.exp <= now {
            return Err(wrong("it has expired"));
        }
        if self.iat > now + SKEW {
            return Err(wrong("it was issued in the future; check the provider's clock"));
        }
        if self.nonce.as_deref() != Some(nonce) {
            return Err(wrong("its nonce is another one"));
        }
        if self.sub.is_empty() || self.sub.chars().count() > SUBJECT {
            return Err(wrong("its subject is empty or too long"));
        }
        Ok(())
    }
}

/// Whether a claim says yes. Some providers send a text.
pub(super) fn is_true(claim: Option<&Value>) -> bool {
    match claim {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
