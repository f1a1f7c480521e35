//! Passwords: what one has to be, and their hashes (Argon2id with the parameters of OWASP's Password Storage Cheat Sheet).
//! A hash takes 19 MiB and some 20 ms of a processor, so two are made at a time, on threads that may block.

use std::{sync::Arc, time::Duration};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier},
};
use resly_core::time::Random;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::FieldError;

/// Characters of a password, at least.
const LEAST: usize = 12;
/// Bytes of a password, at most.
pub(super) const MOST_BYTES: usize = 1024;
const AT_ONCE: usize = 2;
/// How long an attempt waits for others.
const WAIT: Duration = Duration::from_secs(5);
/// Compared with where there is no hash, so that it takes as long. Nobody knows a password that it is of.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$cmVzbHkubm9ib2R5ISEhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password wasn't looked at.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum HashingError {
    #[error("too many people are signing in; try again in a moment")]
    Busy,
    #[error("a password could not be hashed")]
    Failed,
}

/// Hashes passwords, a few at a time.
#[derive(Clone, Debug)]
pub struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Passwords {
    /// The hash of a password, as a PHC string.
    pub(super) async fn hash(&self, password: &str, random: &dyn Random) -> Result<String, HashingError> {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        self.run(password, move |password| {
            // The defaults are Argon2id, 19 MiB, two passes and one lane.
            let hash = Argon2::default().hash_password_with_salt(password, &salt);
            hash.map(|hash| hash.to_string()).map_err(|_| HashingError::Failed)
        })
        .await?
    }

    /// Whether a password is that of the hash. Without a hash it isn't, and that takes as long.
    pub(super) async fn matches(&self, password: &str, hash: Option<String>) -> Result<bool, HashingError> {
        self.run(password, move |password| {
            let compared = hash.as_deref().unwrap_or(NOBODY);
            Argon2::default().verify_password(password, compared).is_ok() && hash.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        password: &str,
        work: impl FnOnce(&[u8]) -> T + Send + 'static,
    ) -> Result<T, HashingError> {
        let waited = tokio::time::timeout(WAIT, Arc::clone(&self.0).acquire_owned()).await;
        let Ok(Ok(permit)) = waited else { return Err(HashingError::Busy) };
        let password = Zeroizing::new(password.as_bytes().to_vec());
        let hashed = tokio::task::spawn_blocking(move || {
            // Whoever hangs up leaves the work running, which still counts.
            let _permit = permit;
            work(&password)
        });
        hashed.await.map_err(|_| HashingError::Failed)
    }
}

/// Checks the member `password` of a request. Length is what makes a password hard to guess.
pub(super) fn check(password: &str) -> Option<FieldError> {
    let fits = password.chars().count() >= LEAST && password.len() <= MOST_BYTES;
    (!fits).then(|| {
        FieldError::new("password", format!("at least {LEAST} characters are expected, and at most {MOST_BYTES} bytes"))
    })
}

#[cfg(test)]
mod tests {
    use resly_core::testing::SequenceRandom;

    use super::*;

    #[tokio::test]
    async fn a_hash_says_how_it_was_made_and_is_of_one_password() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse battery", &SequenceRandom::default()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.matches("correct horse battery", Some(hash.clone())).await.unwrap());
        assert!(!passwords.matches("correct horse batterz", Some(hash)).await.unwrap());
        assert!(!passwords.matches("", None).await.unwrap());
        let parsed = argon2::password_hash::phc::PasswordHash::new(NOBODY).unwrap();
        assert_eq!(parsed.hash.unwrap().len(), 32, "it is compared with as others are");
    }

    #[test]
    fn a_password_is_long() {
        assert!(check("eleven char").is_some() && check("twelve chars").is_none());
        assert!(check("zwölf zeichä").is_none() && check(&"x".repeat(1025)).is_some());
    }
}
