//! Tokens of sessions, links and invitations: 32 random bytes, of which the store has a hash.

use resly_core::time::Random;
use sha2::{Digest, Sha256};

/// A new token, for a URL or a cookie.
pub(super) fn new(random: &dyn Random) -> String {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    data_encoding::BASE64URL_NOPAD.encode(&bytes)
}

/// Whether a text can be a token. What can't be one, such as a secret that was pasted into the wrong place, is never repeated.
pub(super) fn is_token(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// What the store has of a token. A token has 256 random bits, so no key or salt is needed.
pub(super) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use resly_core::testing::SequenceRandom;

    use super::*;

    #[test]
    fn a_token_is_told_from_other_texts() {
        let token = new(&SequenceRandom::default());
        assert!(is_token(&token), "{token}");
        let long = format!("{token}A");
        for other in ["", "rsk_live_", &token[1..], &long, &token.replace('A', "+")] {
            assert!(!is_token(other), "{other}");
        }
    }
}
