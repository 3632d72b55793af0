//! How do certificates and keys get from and to the disk?
//!
//! Files are written aside and renamed, so that nobody reads half of one; keys are readable by
//! their owner only, from the first byte on.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::error::Error;
use crate::random;

/// The three files that make an identity.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) ca: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// The bytes of the three, to see whether they have changed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) ca: Vec<u8>,
    pub(super) certificate: Vec<u8>,
    pub(super) key: zeroize::Zeroizing<Vec<u8>>,
}

impl Files {
    /// `ca.pem`, `<stem>.pem` and `<stem>.key` in `directory`.
    pub(super) fn of(directory: &Path, stem: &str) -> Self {
        Self {
            ca: directory.join("ca.pem"),
            certificate: directory.join(format!("{stem}.pem")),
            key: directory.join(format!("{stem}.key")),
        }
    }

    pub(super) fn read(&self) -> Result<Contents, Error> {
        Ok(Contents {
            ca: read(&self.ca)?,
            certificate: read(&self.certificate)?,
            key: zeroize::Zeroizing::new(read(&self.key)?),
        })
    }
}

/// Every certificate in `pem`, in its order.
pub(super) fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let refuse = || Error::Pem { path: path.to_owned(), what: "certificate" };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(refuse)
}

pub(super) fn private_key(path: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| Error::Pem { path: path.to_owned(), what: "private key" })
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| file_error(path, "reading", source))
}

/// The file's content, or `None` where there is no file.
pub(super) fn read_if_present(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(file_error(path, "reading", source)),
    }
}

pub(super) fn write_public(path: &Path, text: &str) -> Result<(), Error> {
    write(path, text, 0o644)
}

pub(super) fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    write(path, text, 0o600)
}

/// Makes the directory and holds it for this process until the lock is dropped.
pub(super) fn lock(directory: &Path) -> Result<Flock<File>, Error> {
    fs::create_dir_all(directory)
        .map_err(|source| file_error(directory, "making the folder", source))?;
    let path = directory.join(".lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(|source| file_error(&path, "opening", source))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, error)| file_error(&path, "locking", error.into()))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let aside = path.with_extension(format!("new-{}", random::token(6)));
    let written = (|| {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, path)
    })();
    written.map_err(|source| {
        // The half-written file is of no use to anybody; the error is the one worth telling.
        let _ = fs::remove_file(&aside);
        file_error(path, "writing", source)
    })
}

fn file_error(path: &Path, action: &'static str, source: std::io::Error) -> Error {
    Error::File { path: path.to_owned(), action, source }
}
