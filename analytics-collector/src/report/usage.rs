//! How often was what called, and how did it end?

use std::sync::Arc;

use super::filter::{Filter, Interval, LIMIT, ReportError, bounded};
use crate::store::{Arguments, Reader};

/// Counts of one API version, application and interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// Start of the interval, microseconds since the Unix epoch.
    pub from_us: i64,
    /// Name of the Api.
    pub api: String,
    /// Its version.
    pub api_version: String,
    /// Name of the Application.
    pub application: String,
    /// All calls.
    pub calls: u64,
    /// Those with a status of 400 or more, or none.
    pub errors: u64,
    /// Those refused by a limit.
    pub throttled: u64,
    /// Body bytes from clients.
    pub request_bytes: u64,
    /// Body bytes to clients.
    pub response_bytes: u64,
}

/// Counts calls; ordered by time, then most calls first.
pub async fn usage(
    reader: &Arc<Reader>,
    filter: &Filter,
    interval: Interval,
) -> Result<Vec<UsageRow>, ReportError> {
    let mut arguments = Arguments::default();
    let start = filter.start(interval, &mut arguments);
    let condition = filter.condition("true", &mut arguments);
    let sql = format!(
        "SELECT {start} AS start, api, api_version, application, count(*) AS calls,
            count(*) FILTER (status = 0 OR status >= 400),
            count(*) FILTER (fault_type = 'THROTTLED'),
            least(sum(request_bytes), 18446744073709551615::HUGEINT)::UBIGINT,
            least(sum(response_bytes), 18446744073709551615::HUGEINT)::UBIGINT
        FROM events {condition}
        GROUP BY start, api, api_version, application
        ORDER BY start, calls DESC, api, api_version, application
        LIMIT {LIMIT}"
    );
    let rows = reader.ask(filter.window, sql, arguments, |row| {
        Ok(UsageRow {
            from_us: row.get(0)?,
            api: row.get(1)?,
            api_version: row.get(2)?,
            application: row.get(3)?,
            calls: row.get(4)?,
            errors: row.get(5)?,
            throttled: row.get(6)?,
            request_bytes: row.get(7)?,
            response_bytes: row.get(8)?,
        })
    });
    bounded(rows.await?)
}
