//! How many events does one collector take, how long do questions over them last, and what does it cost to look
//! at each?
//!
//! `ingest` sends events of a week to a real collector, `questions` asks it the questions of everyday,
//! `stages` shows where the time of an event goes, `engines` what one look costs. `bench/analytics` builds
//! everything, starts this and makes a table of what is said.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "an instrument reads clocks, and talks to people about small numbers"
)]

#[path = "../../../crates/detect/tests/dice/mod.rs"]
mod dice;
mod engines;
mod events;
mod figures;
mod ingest;
#[path = "../../../crates/detect/tests/processor/mod.rs"]
mod processor;
mod questions;
mod stage;
mod stages;
#[path = "../../../crates/detect/tests/traffic/mod.rs"]
mod traffic;

use std::path::PathBuf;
use std::process::Command;

use events::Traffic;
use stage::Stage;
use traffic::Callers;

const USAGE: &str = "usage: analytics --data DIR [--events N] [--rate N] [--callers habits|random] \
                     [--runs N] [--core N] [--collector PROGRAM] [--parts ingest,questions,stages,engines]";
const PARTS: [&str; 4] = ["ingest", "questions", "stages", "engines"];

struct Arguments {
    /// Where the collector keeps its events. Events of an earlier run are asked again.
    data: PathBuf,
    /// The program.
    collector: PathBuf,
    events: u64,
    callers: Callers,
    /// So many a second are sent at most.
    rate: Option<u64>,
    runs: usize,
    /// The core of the collector while it takes events; everything else is on the others.
    core: usize,
    parts: Vec<String>,
}

fn main() {
    let arguments = arguments().unwrap_or_else(|wrong| {
        println!("analytics: {wrong}\n{USAGE}");
        std::process::exit(2);
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    keep_off(arguments.core, cores);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let asked = |part: &str| arguments.parts.iter().any(|asked| asked == part);
    if asked("ingest") || asked("questions") {
        let mut stage = Stage::new(&arguments.collector, &arguments.data);
        let traffic = Traffic::of(&arguments.data, arguments.events, arguments.callers);
        runtime.block_on(async {
            if asked("ingest") {
                ingest::run(&mut stage, &traffic, arguments.core, arguments.rate).await;
            }
            if asked("questions") {
                questions::run(&mut stage, &traffic, arguments.runs).await;
            }
        });
    }
    let traffic = |enough| Traffic::ending_now(arguments.events.min(enough), arguments.callers);
    if asked("stages") {
        stages::run(&traffic(stages::ENOUGH));
    }
    if asked("engines") {
        engines::run(&traffic(engines::ENOUGH));
    }
}

/// What this process does must not take the time of what is measured.
fn keep_off(core: usize, cores: usize) {
    let others: Vec<_> =
        (0..cores).filter(|other| *other != core).map(|core| core.to_string()).collect();
    if !others.is_empty() {
        let own = std::process::id().to_string();
        let pinned = Command::new("taskset").args(["-cp", &others.join(","), &own]).output();
        assert!(pinned.unwrap().status.success(), "taskset does not work");
    }
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments {
        data: PathBuf::new(),
        collector: env!("CARGO_BIN_EXE_analytics-collector").into(),
        events: 10_000_000,
        callers: Callers::Habits,
        rate: None,
        runs: 20,
        core: 0,
        parts: PARTS.map(str::to_owned).to_vec(),
    };
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{flag} takes a value"));
        match flag.as_str() {
            // Cargo says this to every program that it runs as a bench.
            "--bench" => {}
            "--data" => arguments.data = value()?.into(),
            "--collector" => arguments.collector = value()?.into(),
            "--events" => arguments.events = number(&value()?)?,
            "--callers" => {
                let word = value()?;
                let named = Callers::named(&word);
                arguments.callers = named.ok_or_else(|| format!("no kind of callers: {word}"))?;
            }
            "--rate" => arguments.rate = Some(number(&value()?)?),
            "--runs" => arguments.runs = number(&value()?)?,
            "--core" => arguments.core = number(&value()?)?,
            "--parts" => arguments.parts = value()?.split(',').map(str::to_owned).collect(),
            _ => return Err(format!("unknown: {flag}")),
        }
    }
    if arguments.data.as_os_str().is_empty() {
        return Err("--data is missing".to_owned());
    }
    match arguments.parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        Some(part) => Err(format!("unknown: {part}")),
        None => Ok(arguments),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("no number: {text}"))
}
