//! How long did calls take?
//!
//! Quantiles are read from a histogram whose buckets grow by 1 %: bucket `k` holds the times in
//! `(g^(k-1), g^k]` and stands for the value that is off by at most 0.5 % from any of them. Unlike
//! a digest this keeps its promise for every distribution, and its memory is bounded by the number
//! of buckets.

use std::sync::Arc;

use super::filter::{Filter, Interval, LIMIT, ReportError, bounded};
use crate::store::{Arguments, Reader};

/// Largest relative error of a quantile.
const ERROR: f64 = 0.005;
/// How much wider a bucket is than the one before.
const GROWTH: f64 = (1.0 + ERROR) / (1.0 - ERROR);

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
) -> Result<Vec<LatencyRow>, ReportError> {
    let mut arguments = Arguments::default();
    let start = filter.start(interval, &mut arguments);
    let all = histogram("total_us", &start, &filter.condition("true", &mut arguments));
    let backend =
        histogram("backend_us", &start, &filter.condition("backend_us > 0", &mut arguments));
    let sql = format!(
        "SELECT a.start, a.api, a.api_version, a.calls, a.p50, a.p95, a.p99, a.slowest, b.p50, b.p99
        FROM ({all}) a LEFT JOIN ({backend}) b
            ON a.start = b.start AND a.api = b.api AND a.api_version = b.api_version
        ORDER BY a.start, a.calls DESC, a.api, a.api_version
        LIMIT {LIMIT}"
    );
    let rows = reader.ask(filter.window, sql, arguments, |row| {
        let slowest = row.get(7)?;
        Ok(LatencyRow {
            from_us: row.get(0)?,
            api: row.get(1)?,
            api_version: row.get(2)?,
            calls: row.get(3)?,
            p50_us: value(row.get(4)?).min(slowest),
            p95_us: value(row.get(5)?).min(slowest),
            p99_us: value(row.get(6)?).min(slowest),
            max_us: slowest,
            backend_p50_us: value(row.get(8)?),
            backend_p99_us: value(row.get(9)?),
        })
    });
    bounded(rows.await?)
}

/// Quantile `q` is the bucket of the first time that at least `q` of all are no longer than.
fn histogram(column: &str, start: &str, condition: &str) -> String {
    let scale = GROWTH.ln();
    let quantile = |q: f64| format!("min(bucket) FILTER (upto >= {q} * calls)");
    format!(
        "SELECT start, api, api_version, any_value(calls)::UBIGINT AS calls,
            {} AS p50, {} AS p95, {} AS p99, max(slowest) AS slowest
        FROM (
            SELECT start, api, api_version, bucket, slowest,
                sum(n) OVER (PARTITION BY start, api, api_version ORDER BY bucket)::DOUBLE AS upto,
                sum(n) OVER (PARTITION BY start, api, api_version)::DOUBLE AS calls
            FROM (
                SELECT {start} AS start, api, api_version,
                    CASE WHEN {column} = 0 THEN -1
                        ELSE ceil(ln({column}::DOUBLE) / {scale})::INTEGER END AS bucket,
                    count(*) AS n, max({column}) AS slowest
                FROM events {condition}
                GROUP BY start, api, api_version, bucket))
        GROUP BY start, api, api_version",
        quantile(0.5),
        quantile(0.95),
        quantile(0.99),
    )
}

/// The time that a bucket stands for. No bucket: no calls.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times are below 2^48")]
fn value(bucket: Option<i32>) -> u64 {
    match bucket {
        Some(bucket) if bucket >= 0 => (2.0 * GROWTH.powi(bucket) / (GROWTH + 1.0)).round() as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "small numbers"
    )]
    #[test]
    fn every_time_is_within_one_percent_of_its_bucket() {
        for time in (1..2_000_u64).chain([5_000, 77_777, 1_000_000, 3_600_000_000, 1 << 47]) {
            let bucket = ((time as f64).ln() / GROWTH.ln()).ceil() as i32;
            let off = (value(Some(bucket)) as f64 - time as f64).abs() / time as f64;
            // Half a percent, and rounding to a whole microsecond.
            assert!(off <= 0.01, "{time} is off by {off}");
        }
    }
}
