//! Are countries found in every kind of file, and does a bad file do no harm?

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::geo::{Config, Detail, Geo};
use crate::event::Position;

/// A value of an MMDB file.
pub(crate) enum Value {
    Text(&'static str),
    Map(Vec<(&'static str, Value)>),
    List(Vec<Value>),
    U16(u16),
    U32(u32),
    U64(u64),
    F64(f64),
}

impl Value {
    /// The encoding of MMDB format 2.0, for short values.
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                out.push(2 << 5 | u8::try_from(text.len()).unwrap());
                out.extend(text.as_bytes());
            }
            Self::Map(entries) => {
                out.push(7 << 5 | u8::try_from(entries.len()).unwrap());
                for (key, value) in entries {
                    let key: &str = key;
                    out.push(2 << 5 | u8::try_from(key.len()).unwrap());
                    out.extend(key.as_bytes());
                    value.encode(out);
                }
            }
            Self::U16(number) => {
                out.push(5 << 5 | 2);
                out.extend(number.to_be_bytes());
            }
            Self::U32(number) => {
                out.push(6 << 5 | 4);
                out.extend(number.to_be_bytes());
            }
            Self::F64(number) => {
                out.push(3 << 5 | 8);
                out.extend(number.to_be_bytes());
            }
            // An extended type: its number, less 7, stands behind the control byte.
            Self::List(values) => {
                out.extend([u8::try_from(values.len()).unwrap(), 4]);
                for value in values {
                    value.encode(out);
                }
            }
            Self::U64(number) => {
                out.extend([8, 2]);
                out.extend(number.to_be_bytes());
            }
        }
    }
}

/// Writes a tree of networks: IPv4 networks lie under `::/96` when `version` is 6.
pub(crate) fn write(path: &Path, version: u16, networks: &[(&str, Value)]) {
    let mut nodes: Vec<[Option<Result<usize, usize>>; 2]> = vec![[None; 2]];
    let mut data = Vec::new();
    for (network, value) in networks {
        let (address, length) = network.split_once('/').unwrap();
        let mut length: usize = length.parse().unwrap();
        let bits: Vec<u8> = match (address.parse().unwrap(), version) {
            (IpAddr::V4(v4), 4) => v4.octets().to_vec(),
            (IpAddr::V4(v4), _) => {
                length += 96;
                [vec![0; 12], v4.octets().to_vec()].concat()
            }
            (IpAddr::V6(v6), _) => v6.octets().to_vec(),
        };
        let offset = data.len();
        value.encode(&mut data);
        let mut node = 0;
        for n in 0..length {
            let bit = usize::from(bits[n / 8] >> (7 - n % 8) & 1);
            if n + 1 == length {
                nodes[node][bit] = Some(Err(offset));
            } else if let Some(Ok(next)) = nodes[node][bit] {
                node = next;
            } else {
                nodes.push([None; 2]);
                let next = nodes.len() - 1;
                nodes[node][bit] = Some(Ok(next));
                node = next;
            }
        }
    }
    let mut file = Vec::new();
    for record in nodes.iter().flatten() {
        let number = match record {
            None => nodes.len(),
            Some(Ok(node)) => *node,
            Some(Err(offset)) => nodes.len() + 16 + offset,
        };
        file.extend(&u32::try_from(number).unwrap().to_be_bytes()[1..]);
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = Value::Map(vec![
        ("node_count", Value::U32(u32::try_from(nodes.len()).unwrap())),
        ("record_size", Value::U16(24)),
        ("ip_version", Value::U16(version)),
        ("database_type", Value::Text("Test-Country")),
        ("languages", Value::List(vec![])),
        ("binary_format_major_version", Value::U16(2)),
        ("binary_format_minor_version", Value::U16(0)),
        ("build_epoch", Value::U64(1)),
        ("description", Value::Map(vec![])),
    ]);
    metadata.encode(&mut file);
    fs::write(path, file).unwrap();
}

pub(crate) fn flat(country: &'static str) -> Value {
    Value::Map(vec![("country_code", Value::Text(country))])
}

fn nested(country: &'static str) -> Value {
    Value::Map(vec![("country", Value::Map(vec![("iso_code", Value::Text(country))]))])
}

/// Only this file, for everything that it has.
pub(crate) fn config(database: &Path) -> Config {
    Config {
        database: database.to_owned(),
        database_v6: PathBuf::new(),
        asn_database: PathBuf::new(),
        detail: Detail::City,
        attribution: "by somebody".to_owned(),
        check: Duration::from_secs(1),
    }
}

fn open(v4: &Path, v6: &Path) -> Geo {
    Geo::open(Config { database_v6: v6.to_owned(), ..config(v4) })
}

/// `asked` is "address=country …".
#[track_caller]
fn check(geo: &Geo, asked: &str) {
    let said: BTreeMap<_, _> = asked
        .split(' ')
        .map(|word| {
            let address = word.split_once('=').unwrap().0;
            (address, geo.place(address.parse().unwrap()).country)
        })
        .collect();
    let expected: BTreeMap<_, _> = asked
        .split(' ')
        .map(|word| word.split_once('=').unwrap())
        .map(|(address, country)| (address, country.to_owned()))
        .collect();
    assert_eq!(said, expected);
}

#[test]
fn one_file_may_hold_both_kinds_of_addresses_and_both_layouts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.mmdb");
    let networks = [
        ("81.0.0.0/8", flat("DE")),
        ("82.1.0.0/16", nested("FR")),
        ("2a00::/16", nested("se")),
        ("83.0.0.0/8", Value::Map(vec![("country", Value::Text("IT"))])),
        ("84.0.0.0/8", flat("not a country")),
        ("10.0.0.0/8", flat("XX")),
    ];
    write(&path, 6, &networks);
    let geo = open(&path, &PathBuf::new());
    check(&geo, "81.2.3.4=DE 82.1.2.3=FR 2a00::1=SE 83.1.1.1=IT");
    check(&geo, "85.1.1.1= 84.1.1.1= 2b00::1=");
    check(&geo, "10.1.2.3=ZZ 127.0.0.1=ZZ 100.64.1.1=ZZ fe80::1=ZZ");
    assert_eq!(geo.attribution(), "by somebody");
}

#[test]
fn a_pair_of_files_is_asked_by_kind_of_address() {
    let folder = tempfile::tempdir().unwrap();
    let (v4, v6) = (folder.path().join("4.mmdb"), folder.path().join("6.mmdb"));
    write(&v4, 4, &[("81.0.0.0/8", flat("DE"))]);
    write(&v6, 6, &[("2a00::/16", flat("SE"))]);
    check(&open(&v4, &v6), "81.2.3.4=DE 2a00::1=SE");
    check(&open(&v4, &PathBuf::new()), "81.2.3.4=DE 2a00::1=");
}

/// One client of a city in the nested, and one in the flat layout, each with its network.
fn cities() -> Vec<(&'static str, Value)> {
    let names = |name| ("names", Value::Map(vec![("en", Value::Text(name))]));
    let code = |code| ("iso_code", Value::Text(code));
    let nested = Value::Map(vec![
        ("country", Value::Map(vec![code("CH")])),
        ("subdivisions", Value::List(vec![Value::Map(vec![code("BE"), names("Canton of Bern")])])),
        ("city", Value::Map(vec![names("Bern")])),
        (
            "location",
            Value::Map(vec![("latitude", Value::F64(46.95)), ("longitude", Value::F64(7.45))]),
        ),
        ("autonomous_system_number", Value::U32(3303)),
    ]);
    let flat = Value::Map(vec![
        ("country_code", Value::Text("AU")),
        ("state1", Value::Text("Queensland")),
        ("city", Value::Text("Cairns")),
        ("latitude", Value::Text("-16.92")),
        ("longitude", Value::Text("145.77")),
        ("asn", Value::Text("AS1221")),
    ]);
    let unnamed = Value::Map(vec![
        ("country", Value::Map(vec![code("US")])),
        ("subdivisions", Value::List(vec![Value::Map(vec![code("CA")])])),
        ("latitude", Value::F64(91.0)),
        ("longitude", Value::F64(0.0)),
    ]);
    vec![("81.0.0.0/8", nested), ("82.0.0.0/8", flat), ("83.0.0.0/8", unnamed)]
}

/// What is kept of four addresses, the last of which no file knows, where there is another file for
/// networks or none.
#[track_caller]
fn check_detail(detail: Detail, networks: bool, places: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let (path, asn) = (folder.path().join("city.mmdb"), folder.path().join("asn.mmdb"));
    write(&path, 4, &cities());
    let system = |number| Value::Map(vec![("autonomous_system_number", Value::U32(number))]);
    write(&asn, 6, &[("81.0.0.0/8", system(64_500)), ("84.0.0.0/8", system(64_501))]);
    let asn_database = if networks { asn } else { PathBuf::new() };
    let geo = Geo::open(Config { asn_database, detail, ..config(&path) });
    let said: Vec<_> = ["81.1.1.1", "82.1.1.1", "83.1.1.1", "84.1.1.1"]
        .into_iter()
        .map(|address| geo.place(address.parse().unwrap()))
        .map(|place| {
            format!("{},{},{},{}", place.country, place.subdivision, place.city, place.asn)
        })
        .collect();
    assert_eq!(said, places);
}

#[test]
fn subdivisions_cities_and_networks_are_found_in_both_layouts() {
    let places = ["CH,Canton of Bern,Bern,3303", "AU,Queensland,Cairns,1221", "US,CA,,0", ",,,0"];
    check_detail(Detail::City, false, &places);
}

#[test]
fn a_file_of_networks_says_the_network_alone() {
    let places = ["CH,Canton of Bern,Bern,64500", "AU,Queensland,Cairns,0", "US,CA,,0", ",,,64501"];
    check_detail(Detail::City, true, &places);
}

#[test]
fn nothing_finer_than_the_country_is_kept_on_demand() {
    check_detail(Detail::Country, false, &["CH,,,0", "AU,,,0", "US,,,0", ",,,0"]);
    check_detail(Detail::Country, true, &["CH,,,64500", "AU,,,0", "US,,,0", ",,,64501"]);
}

#[test]
fn coordinates_are_found_in_both_layouts_and_only_where_places_are_exact() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("city.mmdb");
    write(&path, 4, &cities());
    let said = |detail| {
        let geo = Geo::open(Config { detail, ..config(&path) });
        // The last of them is not on the globe, or in no file.
        ["81.1.1.1", "82.1.1.1", "83.1.1.1", "84.1.1.1"]
            .map(|address| geo.place(address.parse().unwrap()).position.map(Position::degrees))
    };
    let places = [Some((46.95, 7.45)), Some((-16.92, 145.77)), None, None];
    assert_eq!(said(Detail::City), places);
    assert_eq!(said(Detail::Country), [None; 4]);
}

#[test]
fn without_a_file_public_addresses_are_unknown() {
    let geo = open(&PathBuf::new(), &PathBuf::new());
    check(&geo, "81.2.3.4= 10.0.0.1=ZZ");
    assert_eq!(geo.attribution(), "");
}

#[test]
fn a_file_that_comes_changes_or_breaks_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("late.mmdb");
    let geo = open(&path, &PathBuf::new());
    check(&geo, "81.2.3.4=");
    write(&path, 4, &[("81.0.0.0/8", flat("DE"))]);
    geo.reload_if_changed();
    check(&geo, "81.2.3.4=DE");
    write(&path, 4, &[("81.0.0.0/8", flat("FR")), ("82.0.0.0/8", flat("FR"))]);
    geo.reload_if_changed();
    check(&geo, "81.2.3.4=FR");
    fs::write(&path, "no database").unwrap();
    geo.reload_if_changed();
    check(&geo, "81.2.3.4=FR");
    fs::remove_file(&path).unwrap();
    geo.reload_if_changed();
    check(&geo, "81.2.3.4=FR");
}

/// The database that the installation fetches, where somebody has fetched it already.
#[test]
fn the_free_database_knows_well_known_addresses() {
    #[expect(clippy::disallowed_methods, reason = "a file that is not part of the checkout")]
    let home = std::env::var("HOME").unwrap_or_default();
    let path = Path::new(&home).join(".cache/turnpike/geo/geo-whois-asn-country.mmdb");
    if !path.is_file() {
        return;
    }
    let geo = open(&path, &PathBuf::new());
    check(&geo, "193.0.6.139=NL 2001:67c:2e8:22::c100:68b=NL 8.8.8.8=US 192.168.0.1=ZZ");
}
