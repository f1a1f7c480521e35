//! The two formats of sealed bytes.
//!
//! Bytes wrapped by a master key are `1`, the length of the master key's id, the id, 24 bytes of nonce, then ciphertext
//! and tag. A record is `1`, 24 bytes of nonce, then ciphertext and tag.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use resly_core::time::Random;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::{Key, MasterKeys, SecretOwner, VaultError};

const FORM: u8 = 1;
const NONCE: usize = 24;

/// Wraps `secret` under the newest master key, for `holder` only.
pub fn wrap(
    keys: &MasterKeys,
    holder: &SecretOwner,
    secret: &[u8],
    random: &dyn Random,
) -> Result<Vec<u8>, VaultError> {
    let (id, master) = keys.newest();
    let length = u8::try_from(id.len()).map_err(|_| VaultError::UnknownForm)?;
    let mut wrapped = vec![FORM, length];
    wrapped.extend_from_slice(id.as_bytes());
    encrypt(&mut wrapped, master, &wrapping_data(holder, id), secret, random)?;
    Ok(wrapped)
}

pub fn unwrap(keys: &MasterKeys, holder: &SecretOwner, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let id = wrapped_by(wrapped)?;
    let master = keys.find(id).ok_or_else(|| VaultError::NoMasterKey(id.to_owned()))?;
    decrypt(master, &wrapping_data(holder, id), &wrapped[2 + id.len()..])
}

/// The id of the master key that wrapped these bytes.
pub fn wrapped_by(wrapped: &[u8]) -> Result<&str, VaultError> {
    match wrapped {
        [FORM, length, rest @ ..] => {
            let id = rest.get(..usize::from(*length)).ok_or(VaultError::UnknownForm)?;
            std::str::from_utf8(id).map_err(|_| VaultError::UnknownForm)
        }
        _ => Err(VaultError::UnknownForm),
    }
}

pub fn record(key: &Key, data: &[u8], plain: &[u8], random: &dyn Random) -> Result<Vec<u8>, VaultError> {
    let mut sealed = vec![FORM];
    encrypt(&mut sealed, key, data, plain, random)?;
    Ok(sealed)
}

pub fn open_record(key: &Key, data: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    match sealed {
        [FORM, rest @ ..] => decrypt(key, data, rest),
        _ => Err(VaultError::UnknownForm),
    }
}

/// An organization's id has a fixed width and a host secret's name has no NUL, so no two holders have the same bytes.
fn wrapping_data(holder: &SecretOwner, id: &str) -> Vec<u8> {
    match holder {
        SecretOwner::Organization(organization) => {
            [b"resly organization key v1\0".as_slice(), organization.0.as_bytes(), id.as_bytes()].concat()
        }
        SecretOwner::Host(name) => {
            [b"resly host secret v1\0".as_slice(), name.as_bytes(), b"\0", id.as_bytes()].concat()
        }
    }
}

fn encrypt(out: &mut Vec<u8>, key: &Key, data: &[u8], plain: &[u8], random: &dyn Random) -> Result<(), VaultError> {
    let mut nonce = [0; NONCE];
    random.fill(&mut nonce);
    let cipher = XChaCha20Poly1305::new(key.expose_secret().into());
    let sealed = cipher.encrypt(&nonce.into(), Payload { msg: plain, aad: data });
    out.extend_from_slice(&nonce);
    // Fails only for texts of hundreds of gigabytes.
    out.extend_from_slice(&sealed.map_err(|_| VaultError::UnknownForm)?);
    Ok(())
}

fn decrypt(key: &Key, data: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(VaultError::UnknownForm)?;
    let cipher = XChaCha20Poly1305::new(key.expose_secret().into());
    let opened = cipher.decrypt(nonce.into(), Payload { msg: sealed, aad: data });
    opened.map(Zeroizing::new).map_err(|_| VaultError::DoesNotOpen)
}
