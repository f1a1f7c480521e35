//! Tokens of sessions, links and invitations: 32 random bytes, of which the store has a hash.

use resly_core::time::Random;
use sha2::{Digest, Sha256};

/// A new token, for a URL or a cookie.
pub(super) fn new(random: &dyn Random) -> String {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    data_encoding::BASE64URL_NOPAD.encode(&bytes)
}

/// What the store has of a token. A token has 256 random bits, so no key or salt is needed.
pub(super) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
