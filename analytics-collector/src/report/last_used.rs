//! When was a key used last?
//!
//! By all events that are kept. A call that was refused before its application was known does not count:
//! whoever guesses a key does not keep it in use.

use std::sync::Arc;

use super::filter::ReportError;
use crate::question::Window;
use crate::store::{Arguments, Reader};

/// Keys of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Name of the Application.
    pub application: String,
    /// Consumer keys, and identifiers of API keys.
    pub keys: Vec<String>,
}

/// The last call with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// The key.
    pub key: String,
    /// When the call began, microseconds since the Unix epoch.
    pub at_us: i64,
}

/// The last call with each of the keys that were used, by key; `now_us` is the time.
pub async fn last_used(
    reader: &Arc<Reader>,
    keys: &Keys,
    now_us: i64,
) -> Result<Vec<LastUse>, ReportError> {
    let mut arguments = Arguments::default();
    let application = arguments.text(&keys.application);
    let among: Vec<String> = keys.keys.iter().map(|key| arguments.text(key)).collect();
    let sql = format!(
        "SELECT consumer_key, max(at_us) FROM events
        WHERE application = {application} AND consumer_key IN ({})
        GROUP BY consumer_key ORDER BY consumer_key",
        among.join(", ")
    );
    // No more rows than keys were asked for.
    let window = Window { since_us: 0, until_us: now_us.saturating_add(AHEAD_US) };
    let rows = reader
        .ask(window, sql, arguments, |row| Ok(LastUse { key: row.get(0)?, at_us: row.get(1)? }));
    Ok(rows.await?)
}

/// How far the clocks of gateways may be ahead, in microseconds: an hour.
const AHEAD_US: i64 = 3_600_000_000;
