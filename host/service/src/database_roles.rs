//! Logins of the database itself, for dashboards: each reads one organization's rows and writes nothing.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac, digest::InvalidLength};
use resly_core::{
    boxed,
    error::StoreError,
    id::OrganizationId,
    time::{Clock, Random},
};
use resly_store::{DatabaseRoleError, DatabaseRoleName, NewDatabaseRole, Store};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// PostgreSQL's own number (its documentation, "SCRAM-SHA-256 Authentication").
const ROUNDS: u32 = 4096;
const SALT: usize = 16;
/// Bytes of a password before they are written as text.
const PASSWORD: usize = 24;

/// A text that can't be the name of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name of lower-case letters, digits and `_` is expected, which begins with a letter or `_`")]
pub struct BadRoleName;

/// Reads the name of a login.
pub fn parse_name(name: &str) -> Result<DatabaseRoleName, BadRoleName> {
    DatabaseRoleName::parse(name).ok_or(BadRoleName)
}

/// Makes a login and returns its password, which is shown once.
#[boxed]
pub async fn grant(
    store: &Store,
    clock: &dyn Clock,
    random: &dyn Random,
    organization: OrganizationId,
    name: DatabaseRoleName,
) -> Result<Zeroizing<String>, DatabaseRoleError> {
    let mut bytes = Zeroizing::new([0; PASSWORD]);
    random.fill(&mut *bytes);
    let password = Zeroizing::new(data_encoding::BASE64URL_NOPAD.encode(&*bytes));
    let mut salt = [0; SALT];
    random.fill(&mut salt);
    let verifier = verifier(&password, &salt)
        .map_err(|error| StoreError::Broken { doing: "make a password's verifier", detail: error.to_string() })?;
    store.grant_database_role(NewDatabaseRole { organization, name, verifier, now: clock.now() }).await?;
    Ok(password)
}

/// What PostgreSQL stores of a password, which doesn't tell it (RFC 5802, section 3; RFC 7677). The password is ASCII, so it
/// needs no preparation.
fn verifier(password: &str, salt: &[u8]) -> Result<String, InvalidLength> {
    let mut block = hmac(password.as_bytes(), &[salt, &1_u32.to_be_bytes()])?;
    let mut salted = block.clone();
    for _ in 1..ROUNDS {
        block = hmac(password.as_bytes(), &[&*block])?;
        salted.iter_mut().zip(&*block).for_each(|(sum, byte)| *sum ^= byte);
    }
    let stored = Sha256::digest(*hmac(&*salted, &[b"Client Key"])?);
    let server = hmac(&*salted, &[b"Server Key"])?;
    let [salt, stored, server] = [salt, &stored, &*server].map(|bytes| STANDARD.encode(bytes));
    Ok(format!("SCRAM-SHA-256${ROUNDS}:{salt}${stored}:{server}"))
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, InvalidLength> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    parts.iter().for_each(|part| mac.update(part));
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3: the server's signature follows from the server's key.
    #[test]
    fn the_verifier_is_that_of_the_specification() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = verifier("pencil", &salt).unwrap();
        let server = STANDARD.decode(verifier.rsplit(':').next().unwrap()).unwrap();
        let auth = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = STANDARD.encode(*hmac(&server, &[auth.as_bytes()]).unwrap());
        assert_eq!(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
