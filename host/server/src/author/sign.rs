//! `resly connector keygen` and `sign`: makes a signing key, and signs a packed connector.

use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use resly_core::time::Random;
use resly_manifest::signature::{PublicKey, SigningKey};
use zeroize::Zeroizing;

use super::WASM;

/// Makes a key and writes it to a new file that only its owner can read. Returns the public key.
pub fn keygen(file: &Path, random: &dyn Random) -> anyhow::Result<PublicKey> {
    let mut seed = Zeroizing::new([0; 32]);
    random.fill(seed.as_mut_slice());
    let key = SigningKey::from_seed(&seed)?;
    let text = Zeroizing::new(SigningKey::text(&seed));
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .with_context(|| format!("the key's file {} can't be written; it never replaces another", file.display()))?;
    Ok(key.public())
}

/// Signs a packed connector with the key in a file.
pub fn sign(packed: &[u8], key: &Path) -> anyhow::Result<Vec<u8>> {
    let text = std::fs::read_to_string(key).map(Zeroizing::new);
    let text = text.with_context(|| format!("the key's file {} can't be read", key.display()))?;
    let key = SigningKey::parse(&text)?;
    resly_sandbox::read_manifest(packed)?;
    let signer = resly_sandbox::read_signature(packed)?;
    ensure!(signer.is_none(), "the file is signed already; pack the component anew to sign it with another key");
    Ok(key.sign(packed))
}

/// Signs a file, in place unless another file is named. Returns the signed file's path.
pub fn sign_file(file: &Path, key: &Path, out: Option<&Path>) -> anyhow::Result<PathBuf> {
    let packed = std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))?;
    ensure!(
        packed.starts_with(WASM),
        "{} is no packed connector: a signature is a part of a packed component, which `resly connector build` or `pack` \
         makes. A definition (.toml, .json) is not signed: an admin reads it whole and posts it with a key of their own",
        file.display()
    );
    let signed = sign(&packed, key)?;
    let out = out.unwrap_or(file);
    std::fs::write(out, signed).with_context(|| format!("{} can't be written", out.display()))?;
    Ok(out.to_owned())
}
