//! Where is an address?
//!
//! Looked up in an MMDB file with coordinates that the operator brings, read into memory at the
//! start. Without one, or for an address that it does not know, nobody travels.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use maxminddb::{MaxMindDbError, PathElement, Reader};

/// Degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub latitude: f64,
    pub longitude: f64,
}

/// The file, if there is one; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Places(Option<Arc<Reader<Vec<u8>>>>);

impl Places {
    /// An empty path: there is none.
    pub fn open(path: &Path) -> Result<Self, MaxMindDbError> {
        if path.as_os_str().is_empty() {
            return Ok(Self::default());
        }
        Ok(Self(Some(Arc::new(Reader::open_readfile(path)?))))
    }

    pub(super) fn find(&self, address: IpAddr) -> Option<Place> {
        // A database of IPv4 addresses answers an error for the others: they are unknown.
        let found = self.0.as_ref()?.lookup(address.to_canonical()).ok()?;
        let degrees = |name| {
            let path = [PathElement::Key("location"), PathElement::Key(name)];
            found.decode_path::<f64>(&path).ok()?
        };
        Some(Place { latitude: degrees("latitude")?, longitude: degrees("longitude")? })
    }
}
