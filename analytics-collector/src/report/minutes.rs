//! How many calls did every subject make in each of the last minutes?

use std::sync::Arc;

use crate::event::{Subject, Tally};
use crate::question::Window;
use crate::store::{Arguments, QueryError, Reader};

/// A minute, microseconds.
pub const MINUTE_US: i64 = 60_000_000;

/// Counts the calls of a window by minute and subject; calls of no Api are left out.
pub async fn minutes(reader: &Arc<Reader>, window: Window) -> Result<Vec<Tally>, QueryError> {
    let mut arguments = Arguments::default();
    let minute = arguments.number(MINUTE_US);
    let sql = format!(
        "SELECT at_us // {minute}::BIGINT AS minute, api, api_version, application, count(*)
        FROM events WHERE api <> ''
        GROUP BY minute, api, api_version, application
        ORDER BY minute"
    );
    reader
        .ask(window, sql, arguments, |row| {
            Ok(Tally {
                minute: row.get(0)?,
                subject: Subject {
                    api: row.get(1)?,
                    api_version: row.get(2)?,
                    application: row.get(3)?,
                },
                calls: row.get(4)?,
            })
        })
        .await
}
