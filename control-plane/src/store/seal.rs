//! How are secrets kept unreadable for whoever can read the store?
//!
//! AES-256-GCM under a key that lies in the data directory and never in the store. The resource
//! key is authenticated with the text, so a sealed value cannot be moved to another name. Control
//! planes that share a store share the key file.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest;
use zeroize::Zeroizing;

const KEY_LEN: usize = 32;

/// The key that secrets are sealed with.
pub struct MasterKey {
    key: RandomizedNonceKey,
    /// Tells keys apart in logs without giving them away.
    id: u64,
}

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
    #[error("`{name}` does not open with this master key")]
    Closed {
        /// Which secret.
        name: String,
    },
}

impl MasterKey {
    /// Reads the key; makes one when the file does not exist.
    pub fn load_or_create(path: &Path) -> Result<Self, SealError> {
        let file = |source| SealError::File { path: path.to_owned(), source };
        let not_a_key = || SealError::NotAKey { path: path.to_owned() };
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path).map_err(file)?,
            Err(error) => return Err(file(error)),
            // A key that others can read protects nothing.
            Ok(found) if found.permissions().mode() & 0o077 != 0 => return Err(not_a_key()),
            Ok(_) => {}
        }
        let bytes = Zeroizing::new(fs::read(path).map_err(file)?);
        if bytes.len() != KEY_LEN {
            return Err(not_a_key());
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| not_a_key())?;
        let id = digest::digest(&digest::SHA256, &bytes);
        let id = id.as_ref().first_chunk().copied().map_or(0, u64::from_be_bytes);
        Ok(Self { key, id })
    }

    /// Nonce and sealed text.
    pub(super) fn seal(&self, name: &str, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let closed = |_| SealError::Closed { name: name.to_owned() };
        let mut sealed = text.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut sealed)
            .map_err(closed)?;
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut sealed);
        Ok(whole)
    }

    /// The text.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let closed = || SealError::Closed { name: name.to_owned() };
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or_else(closed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| closed())?;
        let mut text = text.to_vec();
        let length = self
            .key
            .open_in_place(nonce, Aad::from(name.as_bytes()), &mut text)
            .map_err(|_| closed())?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey")
            .field("id", &format_args!("{:016x}", self.id))
            .finish_non_exhaustive()
    }
}

fn create(path: &Path) -> io::Result<()> {
    let key = Zeroizing::new(chassis::random::bytes::<KEY_LEN>());
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.as_slice())?;
    file.sync_all()?;
    // The name must survive a power failure as well, or sealed values outlive their key.
    path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}
