//! Where do the services of an installation listen?
//!
//! On the default ports, unless `turnpike up` wrote down others in its data folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// URLs without a path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Addresses {
    /// Traffic of the gateway, cleartext.
    pub(crate) http: String,
    /// Traffic of the gateway, TLS.
    pub(crate) https: String,
    /// REST of the control plane.
    pub(crate) rest: String,
    /// gRPC of the control plane.
    pub(crate) control_plane: String,
    /// gRPC of the key manager.
    pub(crate) key_manager: String,
    /// gRPC of the analytics collector.
    pub(crate) analytics: String,
}

/// A file of addresses that makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressesError {
    #[error("{}: cannot be read", file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("{}: is not what `turnpike up` writes; it may be deleted", file.display())]
    Syntax { file: PathBuf, source: serde_json::Error },
}

impl Default for Addresses {
    fn default() -> Self {
        Self {
            http: "http://127.0.0.1:8280".to_owned(),
            https: "https://127.0.0.1:8243".to_owned(),
            rest: "https://127.0.0.1:9443".to_owned(),
            control_plane: "https://127.0.0.1:9444".to_owned(),
            key_manager: "https://127.0.0.1:9454".to_owned(),
            analytics: "https://127.0.0.1:9464".to_owned(),
        }
    }
}

impl Addresses {
    /// Those of the installation in `data`.
    pub(crate) fn of(data: &Path) -> Result<Self, AddressesError> {
        let file = file(data);
        match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| AddressesError::Syntax { file, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(AddressesError::Read { file, source }),
        }
    }

    /// Writes them down for those who come later.
    pub(crate) fn write(&self, data: &Path) -> io::Result<()> {
        let aside = data.join("addresses.json.new");
        fs::write(&aside, serde_json::to_vec_pretty(self)?)?;
        fs::rename(aside, file(data))
    }
}

fn file(data: &Path) -> PathBuf {
    data.join("addresses.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_found_and_default_ports_otherwise() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(Addresses::of(data.path()).unwrap(), Addresses::default());
        let other = Addresses { http: "http://127.0.0.1:9280".to_owned(), ..Addresses::default() };
        other.write(data.path()).unwrap();
        assert_eq!(Addresses::of(data.path()).unwrap(), other);
        fs::write(file(data.path()), "{}").unwrap();
        assert!(Addresses::of(data.path()).is_err());
    }
}
