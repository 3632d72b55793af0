//! In which country is an address?
//!
//! Looked up in MMDB files that the operator brings: one for both kinds of addresses, or a pair.
//! Files are read into memory, so one that is replaced or cut under us does no harm, and are read
//! again when they change. No file, or a broken one: the country is unknown.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use maxminddb::{PathElement, Reader};
use serde::Deserialize;

use super::address::is_public;

/// The section `[geo]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The MMDB file; empty: none.
    pub database: PathBuf,
    /// The one for IPv6 addresses; empty: the same.
    pub database_v6: PathBuf,
    /// Whose data it is.
    pub attribution: String,
    /// How often the files are looked at.
    #[serde(with = "chassis::config::duration")]
    pub check: Duration,
}

/// Says where addresses are.
#[derive(Debug)]
pub struct Geo {
    config: Config,
    v4: Database,
    v6: Option<Database>,
}

impl Geo {
    /// Reads the files.
    pub fn open(config: Config) -> Self {
        let v6 = (!config.database_v6.as_os_str().is_empty())
            .then(|| Database::new(config.database_v6.clone()));
        let geo = Self { v4: Database::new(config.database.clone()), v6, config };
        geo.reload_if_changed();
        geo
    }

    /// Two letters; `ZZ`: the address is not public; empty: unknown.
    pub fn country(&self, address: IpAddr) -> String {
        if !is_public(address) {
            return "ZZ".to_owned();
        }
        let database = match (address, &self.v6) {
            (IpAddr::V6(_), Some(v6)) => v6,
            _ => &self.v4,
        };
        database.country(address).unwrap_or_default()
    }

    /// Whose data says so; empty when there are none.
    pub fn attribution(&self) -> &str {
        let loaded = self.v4.is_loaded() || self.v6.as_ref().is_some_and(Database::is_loaded);
        if loaded { &self.config.attribution } else { "" }
    }

    /// Reads files again that are new or different. Blocks for the time of reading.
    pub fn reload_if_changed(&self) {
        self.v4.reload_if_changed();
        if let Some(v6) = &self.v6 {
            v6.reload_if_changed();
        }
    }
}

/// One file.
#[derive(Debug)]
struct Database {
    path: PathBuf,
    loaded: ArcSwap<Loaded>,
}

#[derive(Debug, Default)]
struct Loaded {
    /// Whether anybody has looked for the file yet.
    looked: bool,
    /// What the file was like then: modified when, how long; nothing: not there.
    stamp: Option<(SystemTime, u64)>,
    reader: Option<Arc<Reader<Vec<u8>>>>,
}

impl Database {
    fn new(path: PathBuf) -> Self {
        Self { path, loaded: ArcSwap::default() }
    }

    fn is_loaded(&self) -> bool {
        self.loaded.load().reader.is_some()
    }

    /// The flat layout has `country_code`, the nested one `country.iso_code`; some have just
    /// `country`.
    fn country(&self, address: IpAddr) -> Option<String> {
        let loaded = self.loaded.load();
        // A database of IPv4 addresses answers an error for the others: they are unknown.
        let found = loaded.reader.as_ref()?.lookup(address).ok()?;
        let paths: [&[PathElement<'_>]; 3] = [
            &[PathElement::Key("country_code")],
            &[PathElement::Key("country"), PathElement::Key("iso_code")],
            &[PathElement::Key("country")],
        ];
        let text = paths.into_iter().find_map(|path| found.decode_path::<&str>(path).ok()?)?;
        let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_code.then(|| text.to_ascii_uppercase())
    }

    fn reload_if_changed(&self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        let stamp = stamp(&self.path).ok();
        let loaded = self.loaded.load();
        if loaded.looked && stamp == loaded.stamp {
            return;
        }
        let file = self.path.display();
        let reader = match Reader::open_readfile(&self.path) {
            Ok(reader) => {
                tracing::info!(%file, kind = reader.metadata().database_type, "country database is loaded");
                Some(Arc::new(reader))
            }
            Err(error) => {
                // The last good one goes on; the same broken file is not tried again.
                let kept = loaded.reader.is_some();
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%file, error, kept, "cannot load the country database");
                loaded.reader.clone()
            }
        };
        self.loaded.store(Arc::new(Loaded { looked: true, stamp, reader }));
    }
}

fn stamp(path: &Path) -> io::Result<(SystemTime, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.modified()?, metadata.len()))
}
