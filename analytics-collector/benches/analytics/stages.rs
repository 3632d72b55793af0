//! Where does the time of an event go, between the wire and the segments?

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use analytics_collector::edge::from_event::{Config, Desk};
use analytics_collector::enrich::{Addresses, Agents, Geo, Keep, geo};
use analytics_collector::store::{Levels, Probe, Settings, Store, append, keep};
use detect::span::DAY_US;
use prost::Message as _;
use turnpike_proto::usage::v1::CollectRequest;

use super::events::{BATCH, Traffic};
use super::figures::{Goal, tell};

/// More events say nothing new.
pub(crate) const ENOUGH: u64 = 500_000;
/// Batches that share an fsync.
const GROUP: u64 = 10;

pub(crate) fn run(traffic: &Traffic) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), traffic.until_us);
    let desk = desk(folder.path());
    let [mut read, mut prepare, mut commit, mut flush] = [Duration::ZERO; 4];
    for group in 0..traffic.events / BATCH / GROUP {
        let wire: Vec<Vec<u8>> = (group * GROUP..(group + 1) * GROUP)
            .map(|at| traffic.batch(at, "gateway-1", at + 1).encode_to_vec())
            .collect();
        let requests: Vec<_> = timed(&mut read, || {
            wire.iter().map(|bytes| CollectRequest::decode(bytes.as_slice()).unwrap()).collect()
        });
        let batches: Vec<_> = timed(&mut prepare, || {
            let prepared = requests.into_iter();
            prepared
                .map(|request| desk.batch_of(request, None, traffic.until_us).unwrap())
                .collect()
        });
        let verdicts =
            timed(&mut commit, || append::append(&store, &batches, traffic.until_us).unwrap());
        assert!(verdicts.iter().all(|verdict| verdict.is_ok_and(|receipt| !receipt.repeated)));
        if keep::has_enough(&store) {
            timed(&mut flush, || keep::flush(&store).unwrap());
        }
    }
    let mut merge = Duration::ZERO;
    timed(&mut merge, || while keep::merge_once(&store, traffic.until_us).unwrap() > 0 {});
    let rows = [
        ("read from the wire", read),
        ("check, enrich, lay out", prepare),
        ("log, with fsync", commit),
        ("flush to segments", flush),
        ("merge segments", merge),
    ];
    for (figure, took) in rows {
        tell(
            "stages",
            figure,
            took.as_secs_f64() / traffic.events as f64 * 1e6,
            "us/event",
            Goal::None,
        );
    }
}

fn timed<T>(sum: &mut Duration, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    *sum += began.elapsed();
    done
}

fn open(folder: &Path, now_us: i64) -> Store {
    let settings = Settings {
        folder: folder.to_owned(),
        levels: Levels::new(30 * DAY_US, [0; 3]),
        flush_after_us: DAY_US,
        flush_rows: keep::FLUSH_ROWS,
        hand_on: None,
    };
    Store::open(settings, Probe::default(), now_us).unwrap()
}

fn desk(folder: &Path) -> Desk {
    Desk {
        geo: geo_of_the_machine(),
        addresses: Addresses::open(Keep::Truncated, &folder.join("address.key")).unwrap(),
        agents: Agents::default(),
        config: Config { oldest: Duration::from_hours(24 * 8), ahead: Duration::from_hours(1) },
    }
}

/// With the database that `deploy/setup.sh` has fetched, where it has.
pub(crate) fn geo_of_the_machine() -> Geo {
    Geo::open(geo::Config {
        database: std::env::var("TURNPIKE_GEO_DATABASE").unwrap_or_default().into(),
        database_v6: PathBuf::new(),
        asn_database: PathBuf::new(),
        detail: geo::Detail::City,
        attribution: "?".to_owned(),
        check: Duration::from_secs(10),
    })
}
