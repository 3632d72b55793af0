//! How much memory do a million live keys take, and is one that is used up ever forgotten?
//!
//! `cargo bench -p throttle --bench keys`: a million subjects, each of which has called, with one, two
//! and four limits each; the memory is what the process holds more than before, and a million take at
//! most 200 MB. Then 10,000,000 strangers come to a place with room for 64,000, half of which have used
//! up their quota: each of those is refused before, in between and afterwards. It fails where that is
//! not so.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use throttle::{Cost, Limit, Measure, MeterConfig, Meters, Quota, Rate, Span, Subject};

const KEYS: u64 = 1_000_000;
const MOST_BYTES: u64 = 200_000_000;
const STRANGERS: u64 = 10_000_000;
const ROOM: usize = 64_000;
/// What each of the known has, and uses up.
const QUOTA: u64 = 3;
const NOW_US: u64 = 1_800_000_000_000_000;

fn main() -> ExitCode {
    // As a test it only shows that it runs.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let scale = if is_bench { 1 } else { 100 };
    let mut good = true;
    // Kept to the end: the next ones would take the room of those that are gone.
    let mut kept = Vec::new();
    for (what, limits) in kinds() {
        let before = resident_bytes();
        kept.push(keys(&limits, KEYS / scale));
        let taken = resident_bytes().saturating_sub(before);
        let fits = taken <= MOST_BYTES / scale || !is_bench;
        good &= fits;
        let verdict = if fits { "" } else { ", MORE THAN 200 MB A MILLION" };
        let each = taken * scale / KEYS;
        eprintln!(
            "{what}: {} keys in {} MB, {each} bytes each{verdict}",
            KEYS / scale,
            mega(taken)
        );
    }
    drop(black_box(kept));
    let scale = usize::try_from(scale).unwrap_or(1);
    let forgotten = forgotten_by_strangers(ROOM / scale, STRANGERS / scale as u64);
    eprintln!(
        "{} strangers at {} keys: {forgotten} forgotten",
        STRANGERS / scale as u64,
        ROOM / scale
    );
    if good && forgotten == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

const fn mega(bytes: u64) -> u64 {
    bytes / 1_000_000
}

fn quota(amount: u64, seconds: u64) -> Option<Limit> {
    let span = Span::fixed(Duration::from_secs(seconds)).ok()?;
    Some(Limit::of_calls(Measure::Quota(Quota::new(amount, span).ok()?)))
}

fn kinds() -> Vec<(&'static str, Vec<Limit>)> {
    let burst = Rate::new(50, Duration::from_secs(1)).ok();
    let burst = burst.map(|rate| Limit::of_calls(Measure::Rate(rate)));
    let hour = quota(1_000_000, 3600);
    let all = [hour, burst, quota(10_000_000, 86_400), quota(90_000_000, 30 * 86_400)];
    [("a quota", 1), ("a quota and a burst", 2), ("three quotas and a burst", 4)]
        .map(|(what, count)| (what, all.into_iter().flatten().take(count).collect()))
        .into()
}

/// So many keys, each after a call.
fn keys(limits: &[Limit], count: u64) -> Option<Meters> {
    let config = MeterConfig::new(limits).ok()?;
    let meters = Meters::new(&config, usize::try_from(count).ok()? * 2);
    (0..count).for_each(|number| assert!(calls(&meters, number), "{number}"));
    assert_eq!(u64::try_from(meters.len()), Ok(count));
    Some(meters)
}

/// How many of those who have used up their quota get another call because `strangers` came.
fn forgotten_by_strangers(room: usize, strangers: u64) -> usize {
    let config = quota(QUOTA, 3600).and_then(|limit| MeterConfig::new(&[limit]).ok());
    let Some(config) = config else { return usize::MAX };
    let meters = Meters::new(&config, room);
    let known = room as u64 / 2;
    for number in 0..known {
        assert!((0..QUOTA).all(|_| calls(&meters, number)), "{number}");
    }
    let parts = 10;
    let mut forgotten = 0;
    for part in 0..parts {
        forgotten += (0..known).filter(|number| calls(&meters, *number)).count();
        let first = room as u64 + strangers / parts * part;
        for stranger in first..first + strangers / parts {
            black_box(calls(&meters, stranger));
        }
    }
    forgotten + (0..known).filter(|number| calls(&meters, *number)).count()
}

fn calls(meters: &Meters, number: u64) -> bool {
    let Ok(meter) = meters.meter(subject(number), NOW_US) else { return false };
    meter.hold(NOW_US, &Cost::CALL).map(throttle::Hold::settle).is_ok()
}

/// As a digest would have it: all bits of it differ from one to the next.
fn subject(number: u64) -> Subject {
    let mixed = |number: u64| {
        let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    };
    let high = mixed(number.wrapping_add(0x9e37_79b9_7f4a_7c15));
    Subject(((u128::from(high) << 64) | u128::from(mixed(high))).to_be_bytes())
}

/// What the process holds of the machine's memory.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
