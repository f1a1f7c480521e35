//! Randomness from the operating system.

use resly_core::time::Random;

/// The kernel's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            // Ids and secrets that could be guessed are worse than no service.
            tracing::error!(%error, "the operating system gives no random bytes");
            std::process::abort();
        }
    }
}
