//! What does a program show that has no certificate of an administrator?
//!
//! A bearer token that is made on the first start and lies in a file of the data directory.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chassis::Secret;
use subtle::ConstantTimeEq;

/// Bytes of randomness in a token.
const RANDOM: usize = 32;
/// A file with less was not made here and may be guessable.
const SHORTEST: usize = 32;

/// The token of the administrator.
#[derive(Debug)]
pub struct AdminToken(Secret);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file.
    #[error("admin token {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its content.
    #[error("{} holds no token of at least {SHORTEST} characters", path.display())]
    TooShort {
        /// Which.
        path: PathBuf,
    },
}

impl AdminToken {
    /// Reads the file; makes it when it does not exist.
    pub fn load_or_create(path: &Path) -> Result<Self, TokenError> {
        let file = |source| TokenError::File { path: path.to_owned(), source };
        if !path.exists() {
            let mut made = fs::OpenOptions::new();
            let made = made.write(true).create_new(true).mode(0o600).open(path);
            let mut made = made.map_err(file)?;
            let token = chassis::random::token(RANDOM);
            made.write_all(token.as_bytes()).and_then(|()| made.sync_all()).map_err(file)?;
        }
        let text = fs::read_to_string(path).map_err(file)?;
        let token = text.trim();
        if token.len() < SHORTEST {
            return Err(TokenError::TooShort { path: path.to_owned() });
        }
        Ok(Self(Secret::new(token)))
    }

    /// Whether this is the token; takes as long wherever the two part.
    pub fn is(&self, token: &[u8]) -> bool {
        token.ct_eq(self.0.expose().as_bytes()).into()
    }
}
