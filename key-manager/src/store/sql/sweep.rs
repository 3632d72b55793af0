//! How does what can matter no more leave the database?
//!
//! In batches, each a change of its own: however much has ended meanwhile, no statement runs into the
//! bound on its time, and other writers come in between.

use sqlx::AssertSqlSafe;

use super::database::Database;
use crate::store::StoreError;

/// The rows of one batch, at most; also for statements that are not made here.
pub(super) const BATCH: u64 = 1_000;
/// The batches of one sweep; what is left is for the next one.
const MOST: u32 = 500;

/// Drops the rows of `table` whose `time` is `last` or earlier. `key` are the columns of its primary
/// key.
pub(super) async fn until(
    database: &Database,
    table: &str,
    key: &str,
    (time, last): (&str, i64),
) -> Result<u64, StoreError> {
    // The time is asked for twice: somebody may have moved it before the row was locked.
    let statement = format!(
        "DELETE FROM {table} WHERE {time} <= $1 AND ({key}) IN
             (SELECT {key} FROM {table} WHERE {time} <= $1 ORDER BY {time} LIMIT {BATCH})"
    );
    in_batches(database, &statement, last).await
}

/// Repeats a statement on up to `BATCH` rows of a time until it finds fewer; answers how many it found.
pub(super) async fn in_batches(
    database: &Database,
    statement: &str,
    last: i64,
) -> Result<u64, StoreError> {
    let mut found = 0_u64;
    for _ in 0..MOST {
        let statement = AssertSqlSafe(statement.to_owned());
        let changed = database.write_one(sqlx::query(statement).bind(last)).await?;
        found = found.saturating_add(changed);
        if changed < BATCH {
            break;
        }
    }
    Ok(found)
}
