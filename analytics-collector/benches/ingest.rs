//! How many events a second does one collector take, and how long do questions over them last?
//!
//! `cargo bench -p analytics-collector -- 2000000` stores so many events of a week, in batches of
//! 1,000 in groups of 10, flushes and merges them, and asks each question three times.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a benchmark talks to a person about small numbers"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use analytics_collector::edge::from_event::{Config, Desk};
use analytics_collector::enrich::{Addresses, Agents, Geo, Keep, geo};
use analytics_collector::question::Window;
use analytics_collector::report::{Bounds, Filter, Interval, errors, geography, latency, usage};
use analytics_collector::store::{Levels, Limits, Probe, Reader, Settings, Store, append, keep};
use chassis::clock::Clock;
use turnpike_proto::usage::v1::{CollectRequest, Event};

const DAY_US: i64 = 24 * 3600 * 1_000_000;
const BOUNDS: Bounds = Bounds { kept: Duration::from_hours(24 * 400), smallest_group: 0 };
const BATCH: u64 = 1000;
const GROUP: u64 = 10;

fn main() {
    let wanted = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(200_000);
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let (now_us, began) = (clock.unix_us(), clock.instant());
    let store = Arc::new(open(folder.path(), now_us));
    let desk = desk(folder.path());

    let (mut prepare, mut commit, mut flush) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for group in 0..wanted / BATCH / GROUP {
        let requests = (0..GROUP).map(|n| request(group * GROUP + n + 1, wanted, now_us));
        let requests: Vec<_> = requests.collect();
        let (batches, took) = timed(&clock, || {
            let batches = requests.into_iter().map(|request| desk.batch_of(request, None, now_us));
            batches.map(Result::unwrap).collect::<Vec<_>>()
        });
        prepare += took;
        let (verdicts, took) = timed(&clock, || append::append(&store, &batches, now_us).unwrap());
        assert!(verdicts.iter().all(|verdict| verdict.is_ok_and(|receipt| !receipt.repeated)));
        commit += took;
        if keep::is_flush_due(&store, now_us) {
            flush += timed(&clock, || keep::flush(&store).unwrap()).1;
        }
    }
    let rate = |took: Duration| wanted as f64 / took.as_secs_f64() / 1000.0;
    println!("{wanted} events in {:?}, making them included", clock.instant() - began);
    println!("check, enrich, lay out  {prepare:>12.1?}  {:>8.0} k/s", rate(prepare));
    println!("log, with fsync         {commit:>12.1?}  {:>8.0} k/s", rate(commit));
    println!("flush                   {flush:>12.1?}  {:>8.0} k/s", rate(flush));
    let (merged, took) = timed(&clock, || {
        std::iter::from_fn(|| Some(keep::merge_once(&store, now_us).unwrap()))
            .take_while(|merged| *merged > 0)
            .sum::<usize>()
    });
    println!(
        "merge of {merged} segments in {took:.1?}; now rows in memory, segments, rows in them: {:?}",
        store.sizes()
    );
    ask(&store, &clock, now_us);
}

fn ask(store: &Arc<Store>, clock: &Clock, now_us: i64) {
    let timeout = Duration::from_mins(5);
    let limits = Limits { concurrency: 1, threads: 2, memory_mb: 512, timeout };
    let reader = Arc::new(Reader::start(Arc::clone(store), &limits, clock.clone()).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let hour = Interval(Some(DAY_US / 24));
    for days in [1, 7] {
        let window = Window { since_us: now_us - days * DAY_US, until_us: now_us };
        let all = Filter { window, api: None, api_version: None, application: None };
        let one = Filter { api: Some("api1".to_owned()), ..all.clone() };
        for _ in 0..3 {
            let show = |name: &str, rows: usize, took: Duration| {
                println!("{days} days, {name:<28} {rows:>6} rows {took:>10.1?}");
            };
            let (rows, took) =
                timed(clock, || runtime.block_on(usage::usage(&reader, &one, hour, &BOUNDS)));
            show("usage of an API by hour", rows.map_or(0, |rows| rows.len()), took);
            let (rows, took) = timed(clock, || {
                runtime.block_on(latency::latency(&reader, &all, Interval(None), &BOUNDS))
            });
            show("latency", rows.map_or(0, |rows| rows.len()), took);
            let (rows, took) =
                timed(clock, || runtime.block_on(latency::latency(&reader, &one, hour, &BOUNDS)));
            show("latency of an API by hour", rows.map_or(0, |rows| rows.len()), took);
            let (rows, took) =
                timed(clock, || runtime.block_on(errors::errors(&reader, &all, &BOUNDS)));
            show("errors", rows.map_or(0, |rows| rows.len()), took);
            let (rows, took) = timed(clock, || {
                runtime.block_on(geography::geography(&reader, &all, &[], &BOUNDS))
            });
            show("geography", rows.map_or(0, |places| places.rows.len()), took);
        }
    }
}

fn timed<T>(clock: &Clock, work: impl FnOnce() -> T) -> (T, Duration) {
    let began: Instant = clock.instant();
    let done = work();
    (done, clock.instant() - began)
}

fn open(folder: &Path, now_us: i64) -> Store {
    let settings = Settings {
        folder: folder.to_owned(),
        levels: Levels::new(30 * DAY_US, [0; 3]),
        flush_after_us: DAY_US,
        flush_rows: keep::FLUSH_ROWS,
    };
    Store::open(settings, Probe::default(), now_us).unwrap()
}

fn desk(folder: &Path) -> Desk {
    Desk {
        geo: Geo::open(geo::Config {
            database: PathBuf::new(),
            database_v6: PathBuf::new(),
            asn_database: PathBuf::new(),
            detail: geo::Detail::City,
            attribution: String::new(),
            check: Duration::from_secs(10),
        }),
        addresses: Addresses::open(Keep::Truncated, &folder.join("address.key")).unwrap(),
        agents: Agents::default(),
        config: Config { oldest: Duration::from_hours(24 * 8), ahead: Duration::from_hours(1) },
    }
}

/// Events in the order of time, over seven days.
fn request(sequence: u64, wanted: u64, now_us: i64) -> CollectRequest {
    let event = |n: u64| {
        let at = (sequence - 1) * BATCH + n;
        let mixed = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let span = 7 * DAY_US;
        let share = i64::try_from(u128::from(at) * span as u128 / u128::from(wanted)).unwrap();
        let id = u128::from(at).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        Event {
            at_us: now_us - span + share,
            request_id: id.to_le_bytes().to_vec(),
            trace_id: id.swap_bytes().to_le_bytes().to_vec(),
            api: format!("api{}", mixed % 200),
            api_version: "1.0.0".to_owned(),
            api_context: format!("/api{}", mixed % 200),
            operation: format!("/things/{{id}}/{}", mixed % 10),
            method: "GET".to_owned(),
            path: format!("/things/{mixed}/{}", mixed % 10),
            host: "gateway.example.com".to_owned(),
            application: format!("app{}", mixed % 23),
            application_owner: "owner".to_owned(),
            consumer_key: format!("consumer-{}", mixed % 23),
            user: format!("user{}", mixed % 20_000),
            tier: "Gold".to_owned(),
            key_type: "production".to_owned(),
            client_ip: u32::try_from(mixed % 200_000).unwrap().to_be_bytes().to_vec(),
            user_agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36".to_owned(),
            protocol: "HTTP/1.1".to_owned(),
            status: if mixed.is_multiple_of(50) { 503 } else { 200 },
            backend_status: 200,
            backend: "10.0.0.1:8080".to_owned(),
            total_us: 500 + mixed % 100_000,
            backend_us: 400 + mixed % 100_000,
            security_us: 20,
            throttling_us: 3,
            request_bytes: mixed % 2000,
            response_bytes: mixed % 50_000,
            gateway: "gateway-1".to_owned(),
            ..Event::default()
        }
    };
    CollectRequest {
        source: "gateway-1".to_owned(),
        epoch: "bench".to_owned(),
        sequence,
        events: (0..BATCH).map(event).collect(),
        dropped: 0,
    }
}
