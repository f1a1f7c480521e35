use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::json;

use super::*;

const NOW: i64 = 1_700_000_000;

fn app() -> OidcApp {
    OidcApp {
        issuer: "https://login.example.com".to_owned(),
        client_id: "resly".to_owned(),
        client_secret: "secret".into(),
        redirect_url: "https://help.example/console/sign-in/oidc/1/callback".to_owned(),
    }
}

fn new_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap()
}

fn public(key: &EcdsaKeyPair, kid: &str) -> Value {
    let point = key.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y})
}

fn set(keys: Vec<Value>) -> KeySet {
    KeySet { keys }
}

fn claims() -> Value {
    json!({"iss": "https://login.example.com", "aud": "resly", "sub": "1", "exp": NOW + 60, "iat": NOW, "nonce": "n",
        "email": "ana@example.com", "email_verified": true})
}

fn sign(key: &EcdsaKeyPair, head: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(head), encode(claims));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn verify(keys: &KeySet, token: &str) -> Result<Claims, OidcError> {
    keys.verify(token, &app(), "n", Timestamp::from_micros(NOW * 1_000_000))
}

#[test]
fn a_token_is_verified_by_the_key_that_it_names() {
    let (key, other) = (new_key(), new_key());
    let keys = set(vec![public(&other, "b"), json!({"kty": "oct", "k": "AA"}), json!(7), public(&key, "a")]);
    let token = sign(&key, &json!({"alg": "ES256", "kid": "a"}), &claims());
    let found = verify(&keys, &token).unwrap();
    assert_eq!((found.sub.as_str(), found.email.as_deref()), ("1", Some("ana@example.com")));
    assert!(is_true(found.email_verified.as_ref()));
    assert!(
        verify(&set(vec![public(&key, "a")]), &sign(&key, &json!({"alg": "ES256", "typ": "jwt"}), &claims())).is_ok()
    );
    for (head, keys) in [
        (json!({"alg": "ES256", "kid": "b"}), &keys),
        (json!({"alg": "ES256", "kid": "c"}), &keys),
        (json!({"alg": "ES256"}), &keys),
        (json!({"alg": "RS256", "kid": "a"}), &keys),
        (json!({"alg": "HS256", "kid": "a"}), &keys),
        (json!({"alg": "none", "kid": "a"}), &keys),
        (json!({"alg": "es256", "kid": "a"}), &keys),
        (json!({"alg": "ES256", "kid": "a", "typ": "at+jwt"}), &keys),
        (json!({"alg": "ES256", "kid": "a", "crit": []}), &keys),
        (json!({"alg": "ES256", "kid": "a", "jwk": public(&key, "a")}), &set(vec![public(&other, "a")])),
    ] {
        assert!(matches!(verify(keys, &sign(&key, &head, &claims())), Err(OidcError::Token(_))), "{head}");
    }
    let encrypting = {
        let mut key = public(&key, "a");
        key["use"] = json!("enc");
        set(vec![key])
    };
    assert!(verify(&encrypting, &token).is_err());
    assert!(verify(&set(vec![]), &token).is_err());
}

#[test]
fn no_byte_of_a_token_can_be_another() {
    let key = new_key();
    let keys = set(vec![public(&key, "a")]);
    let token = sign(&key, &json!({"alg": "ES256", "kid": "a"}), &claims());
    assert!(verify(&keys, &token).is_ok());
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        // The last character of a part may have bits that mean nothing; the decoder refuses those that aren't zero.
        assert!(verify(&keys, &changed).is_err(), "{at}");
    }
    for cut in ["", ".", "..", "a.b", "a.b.c.d", &token[..token.len() - 1], &format!("{token}."), &format!("{token}=")]
    {
        assert!(verify(&keys, cut).is_err(), "{cut}");
    }
}

#[test]
fn each_claim_has_to_be_ours_and_of_now() {
    let key = new_key();
    let keys = set(vec![public(&key, "a")]);
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        if claims[name].is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
        verify(&keys, &sign(&key, &json!({"alg": "ES256"}), &claims))
    };
    for (name, value) in [
        ("iss", json!("https://login.example.com/")),
        ("iss", Value::Null),
        ("aud", json!("another")),
        ("aud", json!([])),
        ("aud", json!(["resly", "another"])),
        ("aud", Value::Null),
        ("azp", json!("another")),
        ("exp", json!(NOW)),
        ("exp", json!(NOW.to_string())),
        ("exp", Value::Null),
        ("iat", json!(NOW + 301)),
        ("iat", Value::Null),
        ("nonce", json!("m")),
        ("nonce", Value::Null),
        ("sub", json!("")),
        ("sub", json!("x".repeat(256))),
        ("sub", Value::Null),
    ] {
        assert!(matches!(with(name, value.clone()), Err(OidcError::Token(_))), "{name}: {value}");
    }
    for (name, value) in [
        ("aud", json!(["resly"])),
        ("azp", json!("resly")),
        ("exp", json!(NOW as f64 + 0.5)),
        ("iat", json!(NOW - 9000)),
    ] {
        assert!(with(name, value.clone()).is_ok(), "{name}: {value}");
    }
    for no in [json!(false), json!("false"), json!(1), json!("TRUE"), Value::Null] {
        assert!(!is_true(Some(&no)), "{no}");
    }
}

/// The example of RFC 7515, appendix A.2: its key, and what was signed.
#[test]
fn the_standard_s_rsa_signature_is_verified() {
    let key = Key {
        kty: "RSA".to_owned(),
        kid: None,
        purpose: None,
        alg: None,
        crv: None,
        n: Some(
            "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-\
             pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Ca\
             pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb5\
             4h4FRWyuXpoQ"
                .to_owned(),
        ),
        e: Some("AQAB".to_owned()),
        x: None,
        y: None,
    };
    let signed = b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = URL_SAFE_NO_PAD
        .decode(
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr\
             7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--x\
             i12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_Ioy\
             pGlUPQGe77Rw",
        )
        .unwrap();
    let algorithm = Algorithm::parse("RS256").unwrap();
    assert!(algorithm.fits(&key) && algorithm.verifies(&key, signed, &signature));
    assert!(!algorithm.verifies(&key, &signed[1..], &signature));
    assert!(!Algorithm::parse("PS256").unwrap().verifies(&key, signed, &signature));
}
