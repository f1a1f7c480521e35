//! PKCE with S256 (RFC 7636): binds the end of an authorization to its start.

use data_encoding::BASE64URL_NOPAD;
use resly_core::time::Random;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A new verifier of 43 characters, from 32 random bytes (section 4.1).
pub fn verifier(random: &dyn Random) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 32]);
    random.fill(&mut *bytes);
    Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes))
}

/// The challenge of a verifier (section 4.2).
pub fn challenge(verifier: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(verifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_standards_example() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
