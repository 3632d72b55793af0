//! How often was what called, and how did it end?

use std::sync::Arc;

use super::ask::{Bounds, ReportError, ask_all, numbers, texts};
use super::filter::{Filter, Interval};
use crate::question::{Amount, Dimension, Group, Measure};
use crate::store::Reader;

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
    bounds: &Bounds,
) -> Result<Vec<UsageRow>, ReportError> {
    let question = filter.question(
        interval,
        &[Dimension::Api, Dimension::ApiVersion, Dimension::Application],
        &[
            Measure::Calls,
            Measure::Errors,
            Measure::Throttled,
            Measure::Sum(Amount::RequestBytes),
            Measure::Sum(Amount::ResponseBytes),
        ],
    );
    let answer = ask_all(reader, question, bounds).await?;
    Ok(answer.groups.iter().map(row).collect())
}

fn row(group: &Group) -> UsageRow {
    let [api, api_version, application] = texts(group);
    let [calls, errors, throttled, request_bytes, response_bytes] = numbers(&group.measures);
    UsageRow {
        from_us: group.from_us,
        api,
        api_version,
        application,
        calls,
        errors,
        throttled,
        request_bytes,
        response_bytes,
    }
}
