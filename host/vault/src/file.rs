//! Finds the master keys: in a setting, in a file, or in a file that is created on a first start outside production.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::master::{MasterKeys, ParseKeyError, WeakKeyError};

/// The name of the file that is created in the data folder.
pub const MASTER_KEY_FILE: &str = "master.key";
/// The most bytes of a key file.
const LONGEST: u64 = 64 << 10;

/// The operator's settings for master keys.
#[derive(Clone, Debug)]
pub struct MasterKeySource {
    /// `RESLY_MASTER_KEY`.
    pub key: Option<SecretString>,
    /// `RESLY_MASTER_KEY_FILE`.
    pub file: Option<PathBuf>,
    /// Where the file is searched, and created, when neither is set.
    pub data_dir: PathBuf,
    /// In production no file is created, because nobody would have a copy of that key.
    pub production: bool,
    /// For a rotation: only the newest key is checked, because an older one may be weak and is being replaced.
    pub rotating: bool,
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error("RESLY_MASTER_KEY: {0}")]
    Setting(ParseKeyError),
    #[error("the master key file {path}: {error}")]
    File { path: PathBuf, error: ParseKeyError },
    #[error("the master key file {path} can't be read: {error}")]
    Read { path: PathBuf, error: io::Error },
    #[error("the master key file {path} can't be made: {error}")]
    Make { path: PathBuf, error: io::Error },
    #[error("RESLY_MASTER_KEY: {0}")]
    WeakSetting(WeakKeyError),
    #[error("the master key file {path}: {error}")]
    Weak { path: PathBuf, error: WeakKeyError },
    #[error(
        "the master key file {path} can be read or changed by every user of this machine (its mode is {mode:o}): run \
         `chmod 600 {path}`, or mount it with mode 0400 when a container's platform provides it"
    )]
    Open { path: PathBuf, mode: u32 },
    #[error(
        "in production a master key must be given: make one with `echo \"k1:$(openssl rand -base64 32)\"`, keep a copy \
         in a safe place, and set RESLY_MASTER_KEY, or RESLY_MASTER_KEY_FILE to a file that holds it"
    )]
    Missing,
}

impl MasterKeys {
    /// Loads the keys, or creates one. [`MasterKeys::warning`] then has a text for the operator. Production accepts no
    /// key that can be guessed and no file that other users of the machine can read.
    pub fn load(source: &MasterKeySource) -> Result<Self, MasterKeyError> {
        if let Some(key) = &source.key {
            let keys = Self::parse(key.expose_secret()).map_err(MasterKeyError::Setting)?;
            source.check(&keys).map_err(MasterKeyError::WeakSetting)?;
            return Ok(keys);
        }
        if let Some(path) = &source.file {
            return source.read(path);
        }
        let path = source.data_dir.join(MASTER_KEY_FILE);
        match source.read(&path) {
            Err(MasterKeyError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        if source.production {
            return Err(MasterKeyError::Missing);
        }
        match make(&path) {
            Ok(()) => {
                let mut keys = source.read(&path)?;
                keys.warning = Some(format!(
                    "made a master key in {}: back it up, since stored credentials can't be opened without it",
                    path.display()
                ));
                Ok(keys)
            }
            // Another process has created the file first.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => source.read(&path),
            Err(error) => Err(MasterKeyError::Make { path, error }),
        }
    }
}

impl MasterKeySource {
    fn read(&self, path: &Path) -> Result<MasterKeys, MasterKeyError> {
        let unreadable = |error| MasterKeyError::Read { path: path.to_owned(), error };
        let file = fs::File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
        if self.production && mode & 0o007 != 0 {
            return Err(MasterKeyError::Open { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(LONGEST).read_to_string(&mut text).map_err(unreadable)?;
        let mut keys = MasterKeys::parse(text.strip_prefix('\u{feff}').unwrap_or(&text))
            .map_err(|error| MasterKeyError::File { path: path.to_owned(), error })?;
        self.check(&keys).map_err(|error| MasterKeyError::Weak { path: path.to_owned(), error })?;
        if mode & 0o077 != 0 {
            let path = path.display();
            keys.warning = Some(format!("the master key file {path} can be read by others: `chmod 600 {path}`"));
        }
        Ok(keys)
    }

    fn check(&self, keys: &MasterKeys) -> Result<(), WeakKeyError> {
        if self.production { keys.check_strength(self.rotating) } else { Ok(()) }
    }
}

/// Creates the file completely or not at all, and never replaces one: it is written under another name and then linked.
fn make(path: &Path) -> io::Result<()> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(io::Error::other)?;
    let text = Zeroizing::new(format!("k1:{}\n", *Zeroizing::new(STANDARD.encode(*key))));
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let written = write(&beside, text.as_bytes()).and_then(|()| fs::hard_link(&beside, path));
    let removed = fs::remove_file(&beside);
    written.and(removed)?;
    match path.parent() {
        // Syncs the folder, so that the name survives a power failure, too.
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn source(folder: &Path, production: bool) -> MasterKeySource {
        MasterKeySource { key: None, file: None, data_dir: folder.to_owned(), production, rotating: false }
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_with_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let made = MasterKeys::load(&source(folder.path(), false)).unwrap();
        assert!(made.warning().unwrap().contains("back it up"));
        let path = folder.path().join(MASTER_KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let again = MasterKeys::load(&source(folder.path(), true)).unwrap();
        assert_eq!(again.warning(), None);
        assert_eq!(made.derive_newest("x"), again.derive_newest("x"));
        assert_eq!(make(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(MasterKeys::load(&source(folder.path(), false)).unwrap().warning().unwrap().contains("chmod"));
    }

    #[test]
    fn production_makes_none_and_a_named_file_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let missing = MasterKeys::load(&source(folder.path(), true)).unwrap_err();
        assert!(matches!(missing, MasterKeyError::Missing) && missing.to_string().contains("RESLY_MASTER_KEY_FILE"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let file = Some(folder.path().join("gone"));
        let named = MasterKeySource { file, ..source(folder.path(), false) };
        assert!(matches!(MasterKeys::load(&named), Err(MasterKeyError::Read { .. })));
        let set = MasterKeySource { key: Some("bad".into()), ..source(folder.path(), false) };
        assert!(matches!(MasterKeys::load(&set), Err(MasterKeyError::Setting(_))));
    }

    #[test]
    fn production_takes_no_key_that_can_be_guessed_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let sample = "k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
        let set = |production| MasterKeySource { key: Some(sample.into()), ..source(folder.path(), production) };
        assert!(MasterKeys::load(&set(false)).is_ok());
        let refused = MasterKeys::load(&set(true)).unwrap_err();
        assert!(matches!(&refused, MasterKeyError::WeakSetting(_)));
        assert!(refused.to_string().contains("openssl rand") && !refused.to_string().contains("AQID"), "{refused}");

        let path = folder.path().join(MASTER_KEY_FILE);
        write(&path, sample.as_bytes()).unwrap();
        assert!(matches!(MasterKeys::load(&source(folder.path(), true)), Err(MasterKeyError::Weak { .. })));
        assert!(MasterKeys::load(&source(folder.path(), false)).is_ok());

        // A weak key can be left behind: only what rotates takes it, and only after a good one.
        let good = format!("k2:{}", STANDARD.encode(Sha256::digest(b"a key of a test")));
        let with =
            |key: String, rotating| MasterKeySource { key: Some(key.into()), rotating, ..source(folder.path(), true) };
        let refused = MasterKeys::load(&with(format!("{good},{sample}"), false)).unwrap_err();
        assert!(matches!(&refused, MasterKeyError::WeakSetting(WeakKeyError { id, .. }) if id == "k1"));
        assert!(MasterKeys::load(&with(format!("{good},{sample}"), true)).is_ok());
        assert!(MasterKeys::load(&with(format!("{sample},{good}"), true)).is_err());
    }

    #[test]
    fn production_takes_no_file_that_everybody_can_read() {
        let folder = tempfile::tempdir().unwrap();
        MasterKeys::load(&source(folder.path(), false)).unwrap();
        let path = folder.path().join(MASTER_KEY_FILE);
        for (mode, taken) in
            [(0o644, false), (0o604, false), (0o602, false), (0o640, true), (0o400, true), (0o600, true)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match MasterKeys::load(&source(folder.path(), true)) {
                Ok(keys) => assert!(taken && keys.warning().is_some() == (mode & 0o070 != 0), "{mode:o}"),
                Err(error) => assert!(!taken && error.to_string().contains("chmod 600"), "{mode:o}: {error}"),
            }
        }
    }
}
