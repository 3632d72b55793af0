//! Where is an address?
//!
//! Looked up in MMDB files that the operator brings: one for both kinds of addresses, or a pair, and
//! if they want another one for networks. Files are read into memory, so one that is replaced or cut
//! under us does no harm, and are read again when they change. No file, or a broken one: unknown.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use maxminddb::{LookupResult, PathElement, Reader};
use serde::Deserialize;

use super::address::is_public;
use crate::event::Position;

/// Characters of a name that are kept.
const LONGEST_NAME: usize = 64;

/// The section `[geo]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The MMDB file; empty: none.
    pub database: PathBuf,
    /// The one for IPv6 addresses; empty: the same.
    pub database_v6: PathBuf,
    /// The one for autonomous systems; empty: the same.
    pub asn_database: PathBuf,
    /// How exactly the place is kept.
    pub detail: Detail,
    /// Whose data it is.
    pub attribution: String,
    /// How often the files are looked at.
    #[serde(with = "chassis::config::duration")]
    pub check: Duration,
}

/// How exactly a place is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// The country, and the autonomous system where a database was named for it.
    Country,
    /// Subdivision, city, autonomous system and, for alerts alone, coordinates too, as far as a database
    /// has them.
    City,
}

/// Where an address is; what is unknown or not kept is empty or 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Two letters; `ZZ`: the address is not public.
    pub country: String,
    /// State, province, canton.
    pub subdivision: String,
    /// City.
    pub city: String,
    /// Number of the autonomous system.
    pub asn: u32,
    /// The point that the database has for it.
    pub position: Option<Position>,
}

/// Says where addresses are.
#[derive(Debug)]
pub struct Geo {
    config: Config,
    v4: Database,
    v6: Option<Database>,
    asn: Option<Database>,
}

impl Geo {
    /// Reads the files.
    pub fn open(config: Config) -> Self {
        let another =
            |path: &PathBuf| (!path.as_os_str().is_empty()).then(|| Database::new(path.clone()));
        let (v6, asn) = (another(&config.database_v6), another(&config.asn_database));
        let geo = Self { v4: Database::new(config.database.clone()), v6, asn, config };
        geo.reload_if_changed();
        geo
    }

    /// Where an address is, as exactly as is kept.
    pub fn place(&self, address: IpAddr) -> Place {
        if !is_public(address) {
            return Place { country: "ZZ".to_owned(), ..Place::default() };
        }
        let database = match (address, &self.v6) {
            (IpAddr::V6(_), Some(v6)) => v6,
            _ => &self.v4,
        };
        let mut place = database.place(address, self.config.detail).unwrap_or_default();
        if let Some(asn) = &self.asn {
            place.asn = asn.asn(address).unwrap_or_default();
        }
        place
    }

    /// Whose data says so; empty when there are none.
    pub fn attribution(&self) -> &str {
        let loaded = self.v4.is_loaded() || self.v6.as_ref().is_some_and(Database::is_loaded);
        if loaded { &self.config.attribution } else { "" }
    }

    /// Reads files again that are new or different. Blocks for the time of reading.
    pub fn reload_if_changed(&self) {
        self.v4.reload_if_changed();
        for other in [&self.v6, &self.asn].into_iter().flatten() {
            other.reload_if_changed();
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

    fn place(&self, address: IpAddr, detail: Detail) -> Option<Place> {
        let loaded = self.loaded.load();
        // A database of IPv4 addresses answers an error for the others: they are unknown.
        let found = loaded.reader.as_ref()?.lookup(address).ok()?;
        let country = country(&found).unwrap_or_default();
        if detail == Detail::Country {
            return Some(Place { country, ..Place::default() });
        }
        let (subdivision, city) = (text(&found, SUBDIVISION), text(&found, CITY));
        let (asn, position) = (asn(&found).unwrap_or_default(), position(&found));
        Some(Place { country, subdivision, city, asn, position })
    }

    fn asn(&self, address: IpAddr) -> Option<u32> {
        let loaded = self.loaded.load();
        asn(&loaded.reader.as_ref()?.lookup(address).ok()?)
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
                tracing::info!(%file, kind = reader.metadata().database_type, "geography database is loaded");
                Some(Arc::new(reader))
            }
            Err(error) => {
                // The last good one goes on; the same broken file is not tried again.
                let kept = loaded.reader.is_some();
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%file, error, kept, "cannot load the geography database");
                loaded.reader.clone()
            }
        };
        self.loaded.store(Arc::new(Loaded { looked: true, stamp, reader }));
    }
}

type Way<'a> = &'a [PathElement<'a>];

/// The flat layout has `country_code`, the nested one `country.iso_code`; some have just `country`.
const COUNTRY: &[Way<'_>] = &[
    &[PathElement::Key("country_code")],
    &[PathElement::Key("country"), PathElement::Key("iso_code")],
    &[PathElement::Key("country")],
];
/// Names in English, or the code of ISO 3166-2 where there is no name.
const SUBDIVISION: &[Way<'_>] = &[
    &[
        PathElement::Key("subdivisions"),
        PathElement::Index(0),
        PathElement::Key("names"),
        PathElement::Key("en"),
    ],
    &[PathElement::Key("subdivisions"), PathElement::Index(0), PathElement::Key("iso_code")],
    &[PathElement::Key("state1")],
    &[PathElement::Key("region")],
];
const CITY: &[Way<'_>] = &[
    &[PathElement::Key("city"), PathElement::Key("names"), PathElement::Key("en")],
    &[PathElement::Key("city")],
];
const ASN: &[Way<'_>] = &[&[PathElement::Key("autonomous_system_number")]];
const LATITUDE: &[Way<'_>] = &[
    &[PathElement::Key("location"), PathElement::Key("latitude")],
    &[PathElement::Key("latitude")],
];
const LONGITUDE: &[Way<'_>] = &[
    &[PathElement::Key("location"), PathElement::Key("longitude")],
    &[PathElement::Key("longitude")],
];
/// The same as text, `AS3303`.
const ASN_TEXT: &[Way<'_>] = &[&[PathElement::Key("asn")]];

fn find<'a, T: Deserialize<'a>>(found: &LookupResult<'a, Vec<u8>>, ways: &[Way<'_>]) -> Option<T> {
    ways.iter().find_map(|way| found.decode_path::<T>(way).ok()?)
}

fn country(found: &LookupResult<'_, Vec<u8>>) -> Option<String> {
    let text = find::<&str>(found, COUNTRY)?;
    let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_code.then(|| text.to_ascii_uppercase())
}

fn text(found: &LookupResult<'_, Vec<u8>>, ways: &[Way<'_>]) -> String {
    let text = find::<&str>(found, ways).unwrap_or_default();
    text.chars().take(LONGEST_NAME).collect()
}

fn asn(found: &LookupResult<'_, Vec<u8>>) -> Option<u32> {
    find::<u32>(found, ASN).or_else(|| {
        let text = find::<&str>(found, ASN_TEXT)?;
        text.strip_prefix("AS").unwrap_or(text).parse().ok()
    })
}

fn position(found: &LookupResult<'_, Vec<u8>>) -> Option<Position> {
    Position::of(degrees(found, LATITUDE)?, degrees(found, LONGITUDE)?)
}

/// Some databases write a number as text.
fn degrees(found: &LookupResult<'_, Vec<u8>>, ways: &[Way<'_>]) -> Option<f64> {
    find::<f64>(found, ways)
        .or_else(|| find::<f32>(found, ways).map(f64::from))
        .or_else(|| find::<&str>(found, ways)?.parse().ok())
}

fn stamp(path: &Path) -> io::Result<(SystemTime, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.modified()?, metadata.len()))
}
