//! Compiled components on disk, each under a MAC.
//!
//! A file is the magic number, the engine's compatibility hash, the component's digest, an HMAC-SHA256 over those and
//! the machine code, and the machine code. A file is read whole, checked, and used from memory. A file that fails a check
//! is treated as missing.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use hmac::{Hmac, KeyInit, Mac};
use resly_core::time::Random;
use resly_manifest::Digest;
use sha2::Sha256;

use crate::{error::SandboxError, native_code::PrecompiledComponent};

/// The format's version is its last two characters.
const MAGIC: &[u8; 8] = b"RESLYC01";
const HASH: usize = 32;
const HEADER: usize = MAGIC.len() + 3 * HASH;
/// The most bytes of a file.
const MOST: u64 = 512 << 20;

pub struct Cache {
    folder: PathBuf,
    key: [u8; 32],
    compatibility: [u8; HASH],
    random: Arc<dyn Random>,
}

impl Cache {
    /// Opens the folder, or creates it.
    pub fn open(
        folder: &Path,
        key: [u8; 32],
        compatibility: [u8; HASH],
        random: Arc<dyn Random>,
    ) -> Result<Self, SandboxError> {
        let failed = |error| SandboxError::Cache { path: folder.display().to_string(), error };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        Ok(Self { folder: folder.to_owned(), key, compatibility, random })
    }

    /// Reads the machine code that this host wrote for this component and this engine. It blocks on the disk.
    pub fn load(&self, digest: Digest) -> Option<PrecompiledComponent> {
        let mut file = Vec::new();
        fs::File::open(self.path(digest)).ok()?.take(MOST).read_to_end(&mut file).ok()?;
        let Some((header, _)) = file.split_at_checked(HEADER) else {
            tracing::warn!(%digest, "a compiled component in the cache is cut off; it is compiled anew");
            return None;
        };
        if header[..HEADER - HASH] != *self.bound(digest) {
            tracing::info!(%digest, "a compiled component in the cache is of another version or configuration; it is compiled anew");
            return None;
        }
        if !self.verify(digest, &file) {
            tracing::warn!(%digest, "a compiled component in the cache was not written by this host; it is compiled anew");
            return None;
        }
        file.drain(..HEADER);
        Some(PrecompiledComponent::vouched_for(file))
    }

    fn verify(&self, digest: Digest, file: &[u8]) -> bool {
        let Some((header, code)) = file.split_at_checked(HEADER) else { return false };
        let (bound, mac) = header.split_at(HEADER - HASH);
        bound == self.bound(digest) && self.mac(bound, code).is_some_and(|right| right.verify_slice(mac).is_ok())
    }

    /// Writes a file whole or not at all. It blocks on the disk.
    pub fn store(&self, digest: Digest, precompiled: &PrecompiledComponent) -> io::Result<()> {
        let bound = self.bound(digest);
        let mac = self.mac(&bound, precompiled.bytes()).ok_or(io::ErrorKind::InvalidInput)?.finalize().into_bytes();
        let mut suffix = [0; 8];
        self.random.fill(&mut suffix);
        let temporary = self.folder.join(format!("{digest}.{}", data_encoding::HEXLOWER.encode(&suffix)));
        let write = || {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(&bound)?;
            file.write_all(&mac)?;
            file.write_all(precompiled.bytes())?;
            fs::rename(&temporary, self.path(digest))
        };
        let written = write();
        if written.is_err() {
            drop(fs::remove_file(&temporary));
        }
        written
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{digest}.code"))
    }

    /// The part of a file before its MAC, which the MAC covers beside the code.
    fn bound(&self, digest: Digest) -> Vec<u8> {
        [MAGIC.as_slice(), &self.compatibility, &digest.0].concat()
    }

    fn mac(&self, bound: &[u8], code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(bound);
        mac.update(code);
        Some(mac)
    }
}
