//! What does one call cost the alerts, and each kind of them?
//!
//! `cargo bench -p detect --bench watch`: a million calls of a week, of 20,000 callers of 2,000 applications at
//! 2,000 operations of 200 APIs (`traffic`): twice as many callers as are known, and far more pairs of a caller and an
//! operation. First with all kinds in force, of callers with habits and of such that call at random; then, with habits,
//! with each kind alone and with none, where nothing is to be known and nothing is looked for. `-- habits` or `-- random`
//! is one of the first two alone. Figures are processor time, and say nothing of how busy the machine is. As a test it
//! only shows that it runs.

#[path = "../tests/dice/mod.rs"]
mod dice;
#[path = "../tests/processor/mod.rs"]
mod processor;
#[path = "../tests/traffic/mod.rs"]
mod traffic;

use std::net::IpAddr;
use std::time::Duration;

use detect::{Alarm, Call, Rules, Setting, Watch};

use processor::processor_ns;
use traffic::{
    APIS, CONSUMERS, CONSUMERS_OF_AN_APPLICATION, Callers, OPERATIONS, Picked, address_of,
};

const CALLS: u64 = 1_000_000;
const WEEK_US: i64 = 7 * 24 * 3_600_000_000;
/// Calls whose texts are made before the time runs. The kernel counts processor time in parts of some milliseconds.
const BATCH: usize = 20_000;

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let calls = if is_bench { CALLS } else { CALLS / 200 };
    let names = Names::new();
    let alone = std::env::args().find_map(|argument| Callers::named(&argument));
    for callers in [Callers::Habits, Callers::Random] {
        if alone.is_none_or(|alone| alone == callers) {
            let (all, told) = measure(&names, callers, calls, |_| true);
            eprintln!("all kinds, {}: {all} ns a call, {told} findings", callers.name());
        }
    }
    if alone.is_some() {
        return;
    }
    let (none, _) = measure(&names, Callers::Habits, calls, |_| false);
    for alone in Alarm::ALL {
        let (cost, told) = measure(&names, Callers::Habits, calls, |alarm| alarm == alone);
        eprintln!("{}: {} ns a call, {told} findings", alone.name(), cost.saturating_sub(none));
    }
    eprintln!("no kind: {none} ns a call");
}

/// Processor time of a call in nanoseconds with the kinds that are wanted, and how many findings there are.
fn measure(
    names: &Names,
    callers: Callers,
    calls: u64,
    is_wanted: impl Fn(Alarm) -> bool,
) -> (u64, usize) {
    let mut rules = Rules::default();
    for alarm in Alarm::ALL.into_iter().filter(|alarm| !is_wanted(*alarm)) {
        let off = Setting::<Duration> { enabled: Some(false), ..Setting::default() };
        assert!(rules.set(alarm, &off).is_ok());
    }
    let (mut watch, mut took_ns, mut told) = (Watch::new(rules), 0, 0);
    let mut at = 0..calls;
    loop {
        let batch: Vec<Shown> =
            at.by_ref().take(BATCH).map(|at| Shown::new(callers, at, calls)).collect();
        if batch.is_empty() {
            return (took_ns / calls, told);
        }
        let calls_of_batch: Vec<Call<'_>> = batch.iter().map(|shown| shown.call(names)).collect();
        let began_ns = processor_ns();
        watch.calls(&calls_of_batch, |_, _| told += 1);
        took_ns += processor_ns().saturating_sub(began_ns);
    }
}

/// Of everything that is called and calls.
struct Names {
    apis: Vec<String>,
    operations: Vec<String>,
    applications: Vec<String>,
    clients: Vec<String>,
    users: Vec<String>,
}

impl Names {
    fn new() -> Self {
        let named = |what: &str, many: usize| (0..many).map(|n| format!("{what}{n}")).collect();
        Self {
            apis: named("api", APIS),
            operations: named("GET /things/{id}/part", OPERATIONS),
            applications: named("application", CONSUMERS / CONSUMERS_OF_AN_APPLICATION),
            clients: named("consumer-", CONSUMERS),
            users: named("user", CONSUMERS),
        }
    }
}

/// A call with its texts.
struct Shown {
    at_us: i64,
    picked: Picked,
    path: String,
    address: IpAddr,
}

impl Shown {
    fn new(callers: Callers, at: u64, calls: u64) -> Self {
        let picked = callers.pick(at);
        let path = match picked.called {
            Some((_, operation)) => format!("/things/{}/part{operation}", picked.thing),
            None => format!("/{}.php", picked.thing),
        };
        let at_us = i128::from(WEEK_US) * i128::from(at) / i128::from(calls);
        let (at_us, address) = (i64::try_from(at_us).unwrap_or(0), address_of(picked.address));
        Self { at_us, picked, path, address }
    }

    fn call<'c>(&'c self, names: &'c Names) -> Call<'c> {
        let name = |of: &'c [String], at: usize| of.get(at).map_or("", String::as_str);
        let Picked { consumer, called, status, backend_us, .. } = self.picked;
        let mut call = Call {
            at_us: self.at_us,
            path: &self.path,
            address: Some(self.address),
            status,
            total_us: backend_us + 120,
            backend_us,
            ..Call::default()
        };
        if let Some((api, operation)) = called {
            call.api = name(&names.apis, api);
            call.api_version = "1.0.0";
            call.operation = name(&names.operations, operation);
        }
        if let Some(consumer) = consumer {
            call.application = name(&names.applications, consumer / CONSUMERS_OF_AN_APPLICATION);
            call.user = name(&names.users, consumer);
            call.client = name(&names.clients, consumer);
        }
        call
    }
}
