//! What went wrong?

use std::sync::Arc;

use super::filter::{Filter, LIMIT, ReportError, bounded};
use crate::store::{Arguments, Reader};

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
pub async fn errors(reader: &Arc<Reader>, filter: &Filter) -> Result<Vec<ErrorRow>, ReportError> {
    let mut arguments = Arguments::default();
    let condition = filter.condition("status = 0 OR status >= 400", &mut arguments);
    let sql = format!(
        "SELECT api, api_version, status, fault_code, fault_type, count(*) AS calls, max(at_us)
        FROM events {condition}
        GROUP BY api, api_version, status, fault_code, fault_type
        ORDER BY calls DESC, api, api_version, status, fault_code, fault_type
        LIMIT {LIMIT}"
    );
    let rows = reader.ask(filter.window, sql, arguments, |row| {
        Ok(ErrorRow {
            api: row.get(0)?,
            api_version: row.get(1)?,
            status: row.get(2)?,
            fault_code: row.get(3)?,
            fault_type: row.get(4)?,
            calls: row.get(5)?,
            last_us: row.get(6)?,
        })
    });
    bounded(rows.await?)
}
