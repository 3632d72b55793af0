//! What is known of providers when the control plane and they are away at the start?
//!
//! Two files: the providers as they were said, sealed because of the secrets among them, and their
//! public keys. Whoever loses them waits for the control plane instead.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use prost::Message as _;
use turnpike_proto::config::v1::ProviderSet;
use turnpike_proto::identity::v1::{KeySet, ProviderKeySet, ProviderKeys};

use super::circle::KnownKeys;
use crate::vault::Sealer;

const PURPOSE: &str = "providers";

/// The folder, and what opens the sealed file.
#[derive(Debug)]
pub struct Disk {
    providers: PathBuf,
    keys: PathBuf,
    sealer: Sealer,
}

impl Disk {
    pub fn new(data: &Path, sealer: Sealer) -> Self {
        Self { providers: data.join("providers.sealed"), keys: data.join("providers.keys"), sealer }
    }

    /// The providers of the last run, if they can be read.
    pub fn providers(&self) -> Option<ProviderSet> {
        let sealed = fs::read_to_string(&self.providers).ok()?;
        let opened = self.sealer.open(PURPOSE, sealed.trim()).ok()?;
        ProviderSet::decode(opened.as_slice()).ok()
    }

    /// Their keys, as far as they can be read.
    pub fn keys(&self) -> Vec<KnownKeys> {
        let read = || ProviderKeys::decode(fs::read(&self.keys).ok()?.as_slice()).ok();
        let known = |one: ProviderKeySet| {
            let keys = one.keys?;
            let read_at = one.read_at?.seconds;
            Some(KnownKeys {
                provider: one.key_manager,
                issuer: keys.issuer,
                jwks: keys.jwks,
                read_at,
            })
        };
        read().unwrap_or_default().providers.into_iter().filter_map(known).collect()
    }

    pub fn put_providers(&self, set: &ProviderSet) -> io::Result<()> {
        let sealed = self.sealer.seal(PURPOSE, &set.encode_to_vec()).map_err(io::Error::other)?;
        replace(&self.providers, sealed.as_bytes())
    }

    pub fn put_keys(&self, keys: &[KnownKeys]) -> io::Result<()> {
        let one = |known: &KnownKeys| ProviderKeySet {
            key_manager: known.provider.clone(),
            keys: Some(KeySet { issuer: known.issuer.clone(), jwks: known.jwks.clone() }),
            read_at: Some(prost_types::Timestamp { seconds: known.read_at, nanos: 0 }),
        };
        let keys = ProviderKeys { providers: keys.iter().map(one).collect() };
        replace(&self.keys, &keys.encode_to_vec())
    }
}

/// Whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)
}
