//! What does one look cost: at an address, at a point of a series, at a call?

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use analytics_collector::enrich::address;
use detect::span::{HOUR_US, MINUTE_US};
use detect::{
    Addresses, Call, Crossings, Days, Novelty, Renewals, Rules, Spread, Steps, Streak, Sweep, Watch,
};

use super::dice::Dice;
use super::events::Traffic;
use super::figures::{Goal, tell};
use super::processor::processor_ns;
use super::stages::geo_of_the_machine;
use super::traffic::address_of;

/// More events say nothing new.
pub(crate) const ENOUGH: u64 = 1_000_000;
const LOOKUPS: usize = 1_000_000;
/// Series that are watched at the same time, so that none of them stays in the processor's cache.
const SERIES: usize = 200;
/// Two weeks of minutes.
const POINTS: i64 = 14 * 24 * 60;
const PER_POINT: Goal = Goal::AtMost(20.0);

pub(crate) fn run(traffic: &Traffic) {
    places();
    points(
        "seasonal baseline, change, shape, range (Novelty)",
        Novelty::new,
        |series, at, dice| series.see(at * 60, load(at, dice)).score > 0.9,
    );
    points("sweep of identifiers (Sweep)", Sweep::default, |series, at, dice| {
        series.touch(at * MINUTE_US, dice.next() % 500, 50).is_some()
    });
    points(
        "next operation (Steps)",
        || Steps::new(100, HOUR_US),
        |series, at, dice| series.take(at * MINUTE_US, dice.next() % 12).is_some(),
    );
    points(
        "new addresses (Addresses)",
        || Addresses::new(100, 30 * 24 * HOUR_US),
        |series, at, dice| {
            let address = IpAddr::from(Ipv4Addr::from_bits((dice.next() % 40) as u32));
            matches!(series.arrive(at * MINUTE_US, address), detect::Arrival::New)
        },
    );
    points(
        "callers of one key (Spread)",
        || Spread::new(20, HOUR_US),
        |series, at, dice| series.touch(at * MINUTE_US, dice.next() % 30).is_some(),
    );
    points("intervals of tokens (Renewals)", Renewals::default, |series, at, dice| {
        let jitter = i64::try_from(dice.next() % 1_000_000).unwrap();
        !matches!(series.renew(at * MINUTE_US + jitter, 20), detect::Interval::Usual)
    });
    points("use of the last days (Days)", Days::default, |series, at, dice| {
        series.add(at / 1440, dice.next() % 10);
        series.less(at / 1440).is_some()
    });
    points(
        "calls that fail in a row (Streak)",
        || Streak::new(5),
        |series, _, dice| series.happen(dice.next().is_multiple_of(50)),
    );
    points(
        "limits that are hit (Crossings)",
        || Crossings::new(10, HOUR_US),
        |series, at, dice| dice.next().is_multiple_of(20) && series.cross(at * MINUTE_US).is_some(),
    );
    watch(traffic);
}

/// Different addresses, as they lie in events.
fn places() {
    let geo = geo_of_the_machine();
    if geo.attribution().is_empty() {
        tell("engines", "no geography: TURNPIKE_GEO_DATABASE names no file", 0.0, "", Goal::None);
        return;
    }
    let addresses: Vec<IpAddr> = (0..LOOKUPS).map(address_of).collect();
    let began = Instant::now();
    let known = addresses.iter().filter(|address| !geo.place(**address).country.is_empty()).count();
    let took = began.elapsed().as_secs_f64();
    tell("engines", "geography", LOOKUPS as f64 / took, "look-ups/s", Goal::AtLeast(1e6));
    tell(
        "engines",
        "addresses that are known",
        known as f64 / LOOKUPS as f64 * 100.0,
        "%",
        Goal::None,
    );
}

/// The same points for every series, in turns.
fn points<S>(
    figure: &str,
    new: impl Fn() -> S,
    mut see: impl FnMut(&mut S, i64, &mut Dice) -> bool,
) {
    let mut series: Vec<S> = (0..SERIES).map(|_| new()).collect();
    let mut dice = Dice(7);
    let mut told = 0_u64;
    let began_ns = processor_ns();
    for at in 0..POINTS {
        for one in &mut series {
            told += u64::from(black_box(see(one, at, &mut dice)));
        }
    }
    let all = POINTS as f64 * SERIES as f64;
    let took_ns = (processor_ns() - began_ns) as f64;
    tell("engines", figure, took_ns / all / 1e3, "us/point", PER_POINT);
    black_box(told);
}

/// Calls per minute of an API: a day's curve and chance.
fn load(minute: i64, dice: &mut Dice) -> f64 {
    let day = minute.rem_euclid(1440) as f64 / 1440.0;
    let usual = 100.0 - 60.0 * (day * std::f64::consts::TAU).cos();
    usual + (dice.unit() - 0.5) * 20.0
}

/// What all alerts together take for a call, as the collector shows it to them.
fn watch(traffic: &Traffic) {
    let mut watch = Watch::new(Rules::default());
    let (mut told, mut took) = (0, 0.0);
    for at in 0..traffic.events {
        let event = traffic.event(at);
        let operation = format!("{} {}", event.method, event.operation);
        let began = Instant::now();
        told += watch
            .call(&Call {
                at_us: event.at_us,
                api: &event.api,
                api_version: &event.api_version,
                operation: &operation,
                path: &event.path,
                application: &event.application,
                user: &event.user,
                client: &event.consumer_key,
                address: address::parse(&event.client_ip),
                position: None,
                network: 0,
                weight: 1,
                status: event.status,
                fault: event.fault_code,
                total_us: event.total_us,
                backend_us: event.backend_us,
            })
            .len();
        took += began.elapsed().as_secs_f64();
    }
    tell("engines", "all alerts", took / traffic.events as f64 * 1e6, "us/event", Goal::None);
    tell("engines", "alerts of them", told as f64, "", Goal::None);
}
