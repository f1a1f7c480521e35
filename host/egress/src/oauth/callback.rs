//! Checks whether the service made the answer that a browser brings back, for services that sign it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use url::form_urlencoded;

/// Whether a callback's query has a valid signature of Shopify ("Implement authorization code grant manually"). `hmac`
/// is the hex HMAC-SHA256, under the app's secret, of all other parameters sorted by name. In the signed text, `%` and
/// `&` are encoded, and `=` in names, so two different queries can't have the same signed text.
pub fn is_signed(query: &str, secret: &str) -> bool {
    let (mut signatures, mut signed) = (Vec::new(), Vec::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name == "hmac" {
            signatures.push(value);
        } else {
            signed.push((name, value));
        }
    }
    let [signature] = signatures.as_slice() else { return false };
    let Ok(signature) = data_encoding::HEXLOWER_PERMISSIVE.decode(signature.as_bytes()) else { return false };
    signed.sort();
    let encode = |text: &str| text.replace('%', "%25").replace('&', "%26");
    let pairs = signed.iter().map(|(name, value)| format!("{}={}", encode(name).replace('=', "%3D"), encode(value)));
    let text = pairs.collect::<Vec<_>>().join("&");
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(text.as_bytes());
    mac.verify_slice(&signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &str = "state=s-1&shop=acme-demo.myshopify.com&timestamp=1337178173&note=a%26b%25%3Dc&code=0907a61c0c8d55e99db179b68161bc00";
    /// Computed with Python's `hmac`, with the secret `hush`.
    const HMAC: &str = "7da9ef0cf128a9738105a731f8bc14f3138f5942c2425fba5843752bb22563c7";

    #[test]
    fn a_signature_covers_every_parameter_whatever_their_order() {
        let with = |query: &str, hmac: &str| is_signed(&format!("{query}&hmac={hmac}"), "hush");
        assert!(with(QUERY, HMAC) && with(QUERY, &HMAC.to_uppercase()));
        assert!(is_signed(&format!("hmac={HMAC}&{QUERY}"), "hush"));
        assert!(!is_signed(&format!("{QUERY}&hmac={HMAC}"), "another"));
        assert!(!is_signed(QUERY, "hush") && !with(QUERY, "") && !with(QUERY, "00") && !with(QUERY, "no hex"));
        assert!(!with(&QUERY.replace("s-1", "s-2"), HMAC) && !with(&format!("{QUERY}&more=1"), HMAC));
        assert!(!with(&format!("{QUERY}&hmac={HMAC}"), HMAC), "there is one signature");
        // Nothing moves from one parameter into another.
        assert!(!with(&QUERY.replace("&code=", "%26code%3D"), HMAC));
    }
}
