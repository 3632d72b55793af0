//! What was applied last, where the control plane cannot be asked?
//!
//! One file for nobody else's eyes, as it holds the secrets of channels, and replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use prost::Message as _;
use turnpike_proto::config::v1::AlertingSet;

/// The file.
#[derive(Clone, Debug)]
pub struct Disk(PathBuf);

impl Disk {
    /// In this folder.
    pub fn new(folder: &Path) -> Self {
        Self(folder.join("alerting.known"))
    }

    /// The last set, if it can be read.
    pub(super) fn read(&self) -> Option<AlertingSet> {
        let bytes = match fs::read(&self.0) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the last rules and channels cannot be read");
                return None;
            }
        };
        let read = AlertingSet::decode(bytes.as_slice()).ok();
        if read.is_none() {
            tracing::warn!("the file of the last rules and channels is damaged and left out");
        }
        read
    }

    /// Keeps a set, whole or not at all. Blocks.
    pub(super) fn put(&self, set: &AlertingSet) -> io::Result<()> {
        let aside = self.0.with_extension("tmp");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(&set.encode_to_vec())?;
        file.sync_all()?;
        fs::rename(&aside, &self.0)?;
        File::open(self.0.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}
