//! How fast does a change reach gateways, what does it cost on the wire, and what do many APIs cost?
//!
//! Real programs: a control plane with its embedded store or on etcd, a gateway, and up to 200 simulated
//! gateways in this process, which hold their stream and acknowledge as real ones do. `ground` is what
//! runs, `simulated` are the many, `scenarios` what is measured, `figures` the verdict.
//! `bench/propagation` builds everything and starts this.

mod figures;
mod ground;
mod scenarios;
mod simulated;

use figures::Report;
use ground::Engine;
use scenarios::{Scale, Scenario};

const USAGE: &str = "usage: propagation [--engine embedded,etcd] [--scenarios NAME,…] [--quick] \
                     [--json FILE] [--programs DIR]";

struct Arguments {
    engines: Vec<Engine>,
    scenarios: Vec<Scenario>,
    scale: Scale,
    json: Option<String>,
}

fn main() {
    let arguments = arguments().unwrap_or_else(|wrong| {
        eprintln!("propagation: {wrong}\n{USAGE}");
        std::process::exit(2);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let mut report = Report::default();
    runtime.expect("a runtime").block_on(Box::pin(async {
        for engine in &arguments.engines {
            for scenario in &arguments.scenarios {
                scenario.run(*engine, arguments.scale, &mut report).await;
            }
        }
    }));
    if let Some(file) = &arguments.json {
        std::fs::write(file, report.json()).expect("the file for figures");
    }
    if !report.all_met() {
        eprintln!("propagation: not every bound is met");
        std::process::exit(1);
    }
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments {
        engines: Engine::ALL.to_vec(),
        scenarios: Scenario::ALL.to_vec(),
        scale: Scale::WHOLE,
        json: None,
    };
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{flag} takes a value"));
        match flag.as_str() {
            // Cargo says this to every program that it runs as a bench.
            "--bench" => {}
            "--quick" => arguments.scale = Scale::QUICK,
            "--engine" => arguments.engines = list(&value()?, Engine::named)?,
            "--scenarios" => arguments.scenarios = list(&value()?, Scenario::named)?,
            "--json" => arguments.json = Some(value()?),
            "--programs" => ground::take_programs_from(&value()?),
            _ => return Err(format!("unknown: {flag}")),
        }
    }
    Ok(arguments)
}

fn list<T>(text: &str, named: fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    text.split(',').map(|name| named(name).ok_or_else(|| format!("unknown: {name}"))).collect()
}
