//! What of the calls is scraped by Prometheus?
//!
//! A few series for each API version, and no more of them than configured: the first API versions
//! that are seen have their own, the calls of all others are `other` together.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::event::Row;
use crate::guard::lock;

/// Upper bounds of the times of calls, seconds.
const BOUNDS: [f64; 12] =
    [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// What API versions without series of their own are called.
const OTHER: &str = "other";

/// Whose calls.
#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
pub struct Version {
    /// Name of the Api; empty: no API was found; `other`.
    pub api: String,
    /// Its version; empty with `other`.
    pub version: String,
}

/// The series.
#[derive(Debug)]
pub struct Series {
    most: usize,
    known: Mutex<BTreeSet<Version>>,
    calls: Family<Version, Counter>,
    errors: Family<Version, Counter>,
    seconds: Family<Version, Histogram, fn() -> Histogram>,
}

/// Calls of one API version.
#[derive(Debug, Default)]
struct Counts {
    calls: u64,
    errors: u64,
    /// The time of each call that was sent.
    seconds: Vec<f64>,
}

impl Counts {
    fn add(&mut self, row: &Row) {
        self.calls = self.calls.saturating_add(row.calls());
        if row.status == 0 || row.status >= 400 {
            self.errors = self.errors.saturating_add(row.calls());
        }
        #[expect(clippy::cast_precision_loss, reason = "times are below 2^48")]
        self.seconds.push(row.total_us as f64 / 1e6);
    }
}

impl Series {
    /// For so many API versions.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            known: Mutex::default(),
            calls: Family::default(),
            errors: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
        }
    }

    /// Counts calls that were stored just now. Times are those of the calls that were sent,
    /// whatever number each stands for.
    pub fn count(&self, rows: &[Row]) {
        // Series are looked up once for each API version, and not for each call.
        let mut places: HashMap<(&str, &str), usize> = HashMap::new();
        let mut versions: Vec<(&Row, Counts)> = Vec::new();
        for row in rows.iter().filter(|row| row.is_call()) {
            let place = *places.entry((&row.api, &row.api_version)).or_insert(versions.len());
            if place == versions.len() {
                versions.push((row, Counts::default()));
            }
            if let Some((_, counts)) = versions.get_mut(place) {
                counts.add(row);
            }
        }
        for (first, counts) in versions {
            let version = self.series_of(&first.api, &first.api_version);
            self.calls.get_or_create(&version).inc_by(counts.calls);
            if counts.errors > 0 {
                self.errors.get_or_create(&version).inc_by(counts.errors);
            }
            let series = self.seconds.get_or_create(&version).clone();
            counts.seconds.into_iter().for_each(|seconds| series.observe(seconds));
        }
    }

    fn series_of(&self, api: &str, version: &str) -> Version {
        let version = Version { api: api.to_owned(), version: version.to_owned() };
        let mut known = lock(&self.known);
        if known.contains(&version) {
            return version;
        }
        if known.len() < self.most {
            known.insert(version.clone());
            return version;
        }
        Version { api: OTHER.to_owned(), version: String::new() }
    }

    /// Puts the series where they are scraped.
    pub fn register(&self, registry: &mut Registry) {
        let all = registry.sub_registry_with_prefix("api");
        all.register("calls", "Calls of an API version", self.calls.clone());
        all.register(
            "errors",
            "Calls of an API version with a status of 400 or more, or none",
            self.errors.clone(),
        );
        all.register_with_unit(
            "call",
            "Time of the calls of an API version",
            Unit::Seconds,
            self.seconds.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;

    use super::*;

    fn row(api: &str, status: u32, weight: u32) -> Row {
        let (api, api_version) = (api.to_owned(), "1".to_owned());
        Row { api, api_version, status, weight, total_us: 3000, ..Row::default() }
    }

    #[test]
    fn api_versions_beyond_the_bound_are_counted_together() {
        let series = Series::new(2);
        series.count(&[row("a", 200, 0), row("b", 500, 10), row("c", 0, 1), row("d", 200, 1)]);
        series.count(&[row("a", 404, 1)]);
        let mut registry = Registry::default();
        series.register(&mut registry);
        let mut scraped = String::new();
        text::encode(&mut scraped, &registry).unwrap();
        let mut said: Vec<_> = scraped
            .lines()
            .filter(|line| line.contains("_total{") || line.contains("_count{"))
            .collect();
        said.sort_unstable();
        assert_eq!(
            said,
            [
                "api_call_seconds_count{api=\"a\",version=\"1\"} 2",
                "api_call_seconds_count{api=\"b\",version=\"1\"} 1",
                "api_call_seconds_count{api=\"other\",version=\"\"} 2",
                "api_calls_total{api=\"a\",version=\"1\"} 2",
                "api_calls_total{api=\"b\",version=\"1\"} 10",
                "api_calls_total{api=\"other\",version=\"\"} 2",
                "api_errors_total{api=\"a\",version=\"1\"} 1",
                "api_errors_total{api=\"b\",version=\"1\"} 10",
                "api_errors_total{api=\"other\",version=\"\"} 1",
            ]
        );
    }
}
