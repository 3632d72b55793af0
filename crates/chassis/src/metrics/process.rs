//! What does this process take from its machine?
//!
//! Read from `/proc` when somebody scrapes; where there is no `/proc`, these numbers are absent.

use std::fmt::Error;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

// The kernel reports in these units on every platform that Turnpike is built for.
const PAGE_BYTES: i64 = 4096;
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Usage;

impl Collector for Usage {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        if let Some(bytes) = resident_bytes() {
            gauge(
                &mut encoder,
                "process_resident_memory",
                "Memory in use",
                Some(&Unit::Bytes),
                bytes,
            )?;
        }
        if let Some(open) = open_files() {
            gauge(&mut encoder, "process_open_files", "Open files and sockets", None, open)?;
        }
        if let Some(seconds) = cpu_seconds() {
            let spent = ConstCounter::new(seconds);
            let kind = EncodeMetric::metric_type(&spent);
            let (name, help) = ("process_cpu", "Processor time, user and system");
            spent.encode(encoder.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?)?;
        }
        Ok(())
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: i64,
) -> Result<(), Error> {
    let gauge = ConstGauge::new(value);
    let kind = EncodeMetric::metric_type(&gauge);
    gauge.encode(encoder.encode_descriptor(name, help, unit, kind)?)
}

fn resident_bytes() -> Option<i64> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    pages.split_whitespace().nth(1)?.parse::<i64>().ok()?.checked_mul(PAGE_BYTES)
}

fn open_files() -> Option<i64> {
    i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets and may hold spaces.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND)
}
