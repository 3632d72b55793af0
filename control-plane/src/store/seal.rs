//! How is a text sealed, and where is the key that all others are wrapped with?
//!
//! AES-256-GCM. The name under which a text lies is authenticated with it, so a sealed value cannot be
//! moved to another name. The master key lies in a file beside the store and never in it; control
//! planes that share a store share that file.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest;
use zeroize::Zeroizing;

pub(super) const KEY_LEN: usize = 32;

/// The key that data keys are wrapped with.
pub struct MasterKey {
    sealing: SealingKey,
    bytes: Zeroizing<[u8; KEY_LEN]>,
    /// Tells keys apart without giving them away.
    id: String,
}

/// A key that texts are sealed with.
pub(super) struct SealingKey(RandomizedNonceKey);

/// Why a secret could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key file.
    #[error("master key {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not a key.
    #[error("{} is not a master key: it must be {KEY_LEN} bytes that only its owner can read", path.display())]
    NotAKey {
        /// Which.
        path: PathBuf,
    },
    /// Another key, another name, or a changed text.
    #[error("`{name}` does not open with the keys of this store")]
    Closed {
        /// Which secret.
        name: String,
    },
}

impl MasterKey {
    /// Reads the key; none: the file does not exist.
    pub fn load(path: &Path) -> Result<Option<Self>, SealError> {
        let file = |source| SealError::File { path: path.to_owned(), source };
        let not_a_key = || SealError::NotAKey { path: path.to_owned() };
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file(error)),
            // A key that others can read protects nothing.
            Ok(found) if found.permissions().mode() & 0o077 != 0 => return Err(not_a_key()),
            Ok(_) => {}
        }
        let read = Zeroizing::new(fs::read(path).map_err(file)?);
        let bytes: [u8; KEY_LEN] = read.as_slice().try_into().map_err(|_| not_a_key())?;
        let bytes = Zeroizing::new(bytes);
        let sealing = SealingKey::of(bytes.as_slice()).ok_or_else(not_a_key)?;
        let digest = digest::digest(&digest::SHA256, bytes.as_slice());
        let id = digest.as_ref().first_chunk().copied().map_or(0, u64::from_be_bytes);
        Ok(Some(Self { sealing, bytes, id: format!("{id:016x}") }))
    }

    /// Makes a key where there is none, and reads it.
    pub fn load_or_create(path: &Path) -> Result<Self, SealError> {
        let file = |source| SealError::File { path: path.to_owned(), source };
        if let Some(key) = Self::load(path)? {
            return Ok(key);
        }
        create(path).map_err(file)?;
        Self::load(path)?.ok_or_else(|| file(io::ErrorKind::NotFound.into()))
    }

    /// Names the key without telling anything about it.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn sealing(&self) -> &SealingKey {
        &self.sealing
    }

    /// The key itself, to be wrapped: it once sealed values directly.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }
}

impl SealingKey {
    /// None: not as many bytes as a key has.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        RandomizedNonceKey::new(&AES_256_GCM, bytes).ok().map(Self)
    }

    /// Nonce and sealed text; it opens under the same name alone.
    pub(super) fn seal(&self, name: &str, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let closed = |_| SealError::Closed { name: name.to_owned() };
        // With room for all of it: a buffer that grows leaves the text behind.
        let mut sealed = Vec::with_capacity(text.len().saturating_add(AES_256_GCM.tag_len()));
        sealed.extend_from_slice(text);
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut sealed)
            .map_err(closed)?;
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut sealed);
        Ok(whole)
    }

    /// The text that `seal` made this of under the same name, which is overwritten when it goes.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let closed = || SealError::Closed { name: name.to_owned() };
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or_else(closed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| closed())?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self
            .0
            .open_in_place(nonce, Aad::from(name.as_bytes()), &mut text)
            .map_err(|_| closed())?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

/// Where the master key lies that is to replace that in `path`.
pub(super) fn next_of(path: &Path) -> PathBuf {
    beside(path, "next")
}

/// `path` with `.what` behind it.
pub(super) fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}

fn create(path: &Path) -> io::Result<()> {
    let key = Zeroizing::new(chassis::random::bytes::<KEY_LEN>());
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.as_slice())?;
    file.sync_all()?;
    // The name must survive a power failure as well, or sealed values outlive their key.
    path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}
