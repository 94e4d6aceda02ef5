//! Keys that sign tokens: Ed25519, each with a name of its own (`kid`), in a directory.
//!
//! | file | holds | mode |
//! |---|---|---|
//! | `KID.pem` | the secret key, PKCS #8 in PEM; only who issues tokens needs it | 0600 |
//! | `KID.pub.pem` | the public key, SPKI in PEM; all that a service needs | 0644 |
//!
//! A key is taken out of use by removing its public file. The name is the first half of the public key in hexadecimal, so
//! two keys never share one.

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ed25519_dalek::{SigningKey, VerifyingKey};
use jsonwebtoken::EncodingKey;
use rand::TryRngCore;
use rand::rngs::OsRng;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Most keys of one directory (O1).
pub const MAX_KEYS: usize = 64;

const PUBLIC_SUFFIX: &str = ".pub.pem";
const SECRET_SUFFIX: &str = ".pem";
const KID_BYTES: usize = 16;

/// Why keys cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{path}: {cause}")]
    Io { path: PathBuf, cause: io::Error },
    #[error("{path} holds no Ed25519 key in PEM")]
    NoKey { path: PathBuf },
    #[error("{path} holds more than {MAX_KEYS} keys")]
    TooMany { path: PathBuf },
    #[error("{path} can be read by others than its owner; a secret key must have mode 0600")]
    Exposed { path: PathBuf },
    #[error("{path} holds no secret key; make one with `dancu keys new`")]
    NoSecret { path: PathBuf },
}

/// The public keys of a directory, by name.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    keys: BTreeMap<String, VerifyingKey>,
}

impl KeyRing {
    /// Reads every public key of the directory.
    pub fn read(directory: &Path) -> Result<Self, KeyError> {
        let mut keys = BTreeMap::new();
        for path in files_with(directory, PUBLIC_SUFFIX)? {
            let text = fs::read_to_string(&path).map_err(at(&path))?;
            let key = VerifyingKey::from_public_key_pem(&text)
                .map_err(|_| KeyError::NoKey { path: path.clone() })?;
            keys.insert(kid_of(&key), key);
            if keys.len() > MAX_KEYS {
                return Err(KeyError::TooMany { path: directory.to_owned() });
            }
        }
        Ok(Self { keys })
    }

    /// The key with this name.
    pub fn get(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.get(kid)
    }

    /// Names of all keys, in order.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }
}

/// A secret key and its name.
pub struct SecretKey {
    pub kid: String,
    pub(crate) encoding: EncodingKey,
}

impl SecretKey {
    /// Makes a key in the directory; its name.
    pub fn create(directory: &Path) -> Result<String, KeyError> {
        fs::create_dir_all(directory).map_err(at(directory))?;
        let mut secret = [0; 32];
        OsRng.try_fill_bytes(&mut secret).map_err(|error| KeyError::Io {
            path: directory.to_owned(),
            cause: io::Error::other(format!("the system gives no random numbers: {error}")),
        })?;
        let key = SigningKey::from_bytes(&secret);
        let public = key.verifying_key();
        let kid = kid_of(&public);
        let secret_pem = key.to_pkcs8_pem(LineEnding::LF).expect("32 bytes fit a PEM document");
        let public_pem = public.to_public_key_pem(LineEnding::LF).expect("32 bytes fit a PEM document");
        write_new(&directory.join(format!("{kid}{SECRET_SUFFIX}")), secret_pem.as_bytes(), 0o600)?;
        write_new(&directory.join(format!("{kid}{PUBLIC_SUFFIX}")), public_pem.as_bytes(), 0o644)?;
        Ok(kid)
    }

    /// The secret key with this name; without a name, the newest whose public key is in use.
    pub fn read(directory: &Path, kid: Option<&str>) -> Result<Self, KeyError> {
        let no_secret = || KeyError::NoSecret { path: directory.to_owned() };
        let path = match kid {
            Some(kid) if kid.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                directory.join(format!("{kid}{SECRET_SUFFIX}"))
            }
            Some(_) => return Err(no_secret()),
            None => newest_in_use(directory)?.ok_or_else(no_secret)?,
        };
        let mode = fs::metadata(&path).map_err(at(&path))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path });
        }
        let pem = fs::read(&path).map_err(at(&path))?;
        let encoding = EncodingKey::from_ed_pem(&pem).map_err(|_| KeyError::NoKey { path: path.clone() })?;
        let kid = stem(&path, SECRET_SUFFIX).ok_or_else(no_secret)?;
        Ok(Self { kid, encoding })
    }
}

/// Writes a file that must not exist yet, durably.
fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), KeyError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(at(path))?;
    file.write_all(content).map_err(at(path))?;
    file.sync_all().map_err(at(path))
}

fn newest_in_use(directory: &Path) -> Result<Option<PathBuf>, KeyError> {
    let ring = KeyRing::read(directory)?;
    let mut newest = None;
    for path in files_with(directory, SECRET_SUFFIX)? {
        let Some(kid) = stem(&path, SECRET_SUFFIX) else { continue };
        if ring.get(&kid).is_none() {
            continue;
        }
        let made_at = fs::metadata(&path).and_then(|data| data.modified()).map_err(at(&path))?;
        newest = newest.max(Some((made_at, path)));
    }
    Ok(newest.map(|(_, path)| path))
}

/// Files whose name is a key's name and the suffix.
fn files_with(directory: &Path, suffix: &str) -> Result<Vec<PathBuf>, KeyError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(at(directory))? {
        let path = entry.map_err(at(directory))?.path();
        if stem(&path, suffix).is_some() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn stem(path: &Path, suffix: &str) -> Option<String> {
    let stem = path.file_name()?.to_str()?.strip_suffix(suffix)?;
    (!stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| stem.to_owned())
}

fn kid_of(key: &VerifyingKey) -> String {
    key.as_bytes()[..KID_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> KeyError {
    let path = path.to_owned();
    move |cause| KeyError::Io { path, cause }
}
