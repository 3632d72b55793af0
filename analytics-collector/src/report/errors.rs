//! What went wrong?

use std::sync::Arc;

use super::ask::{Bounds, ReportError, ask, numbers, texts};
use super::filter::{Filter, Interval};
use crate::question::{Dimension, Group, Measure};
use crate::store::Reader;

/// Errors of one kind at one API version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorRow {
    /// Name of the Api.
    pub api: String,
    /// Its version.
    pub api_version: String,
    /// Status that the client got; 0: it left before.
    pub status: u32,
    /// Code of the gateway's fault; 0: the backend's answer.
    pub fault_code: u32,
    /// Class of the fault.
    pub fault_type: String,
    /// How many.
    pub calls: u64,
    /// The last one, microseconds since the Unix epoch.
    pub last_us: i64,
}

/// Counts errors; most first.
pub async fn errors(
    reader: &Arc<Reader>,
    filter: &Filter,
    bounds: &Bounds,
) -> Result<Vec<ErrorRow>, ReportError> {
    let question = filter.question(
        Interval(None),
        &[
            Dimension::Api,
            Dimension::ApiVersion,
            Dimension::Status,
            Dimension::FaultCode,
            Dimension::FaultType,
        ],
        &[Measure::Errors, Measure::Last],
    );
    let answer = ask(reader, question, bounds).await?;
    // Calls of one status are errors or none of them is; those without stand at the end.
    let rows: Vec<_> = answer.groups.iter().map(row).take_while(|row| row.calls > 0).collect();
    if answer.more && rows.len() == answer.groups.len() {
        return Err(ReportError::TooManyGroups);
    }
    Ok(rows)
}

fn row(group: &Group) -> ErrorRow {
    let [api, api_version, status, fault_code, fault_type] = texts(group);
    let [calls, last_us] = numbers(&group.measures);
    ErrorRow {
        api,
        api_version,
        status: status.parse().unwrap_or(0),
        fault_code: fault_code.parse().unwrap_or(0),
        fault_type,
        calls,
        last_us: i64::try_from(last_us).unwrap_or(i64::MAX),
    }
}
