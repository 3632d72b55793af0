//! How long did calls take?

use std::sync::Arc;

use super::ask::{Bounds, ReportError, ask_all, numbers, texts};
use super::filter::{Filter, Interval};
use crate::question::{Amount, Dimension, Group, Measure};
use crate::store::Reader;

/// Times of one API version and interval, microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyRow {
    /// Start of the interval, microseconds since the Unix epoch.
    pub from_us: i64,
    /// Name of the Api.
    pub api: String,
    /// Its version.
    pub api_version: String,
    /// All calls.
    pub calls: u64,
    /// Median.
    pub p50_us: u64,
    /// 95 % were at least as fast.
    pub p95_us: u64,
    /// 99 % were at least as fast.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
    /// Median of the backend's part.
    pub backend_p50_us: u64,
    /// 99 % of the backend's part.
    pub backend_p99_us: u64,
}

/// Measures calls; ordered by time, then most calls first.
pub async fn latency(
    reader: &Arc<Reader>,
    filter: &Filter,
    interval: Interval,
    bounds: &Bounds,
) -> Result<Vec<LatencyRow>, ReportError> {
    let question = filter.question(
        interval,
        &[Dimension::Api, Dimension::ApiVersion],
        &[
            Measure::Calls,
            Measure::Quantile(Amount::Total, 500),
            Measure::Quantile(Amount::Total, 950),
            Measure::Quantile(Amount::Total, 990),
            Measure::Max(Amount::Total),
            Measure::Quantile(Amount::Backend, 500),
            Measure::Quantile(Amount::Backend, 990),
        ],
    );
    let answer = ask_all(reader, question, bounds).await?;
    Ok(answer.groups.iter().map(row).collect())
}

fn row(group: &Group) -> LatencyRow {
    let [api, api_version] = texts(group);
    let [calls, p50_us, p95_us, p99_us, max_us, backend_p50_us, backend_p99_us] =
        numbers(&group.measures);
    LatencyRow {
        from_us: group.from_us,
        api,
        api_version,
        calls,
        p50_us,
        p95_us,
        p99_us,
        max_us,
        backend_p50_us,
        backend_p99_us,
    }
}
