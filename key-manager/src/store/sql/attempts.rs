//! Attempts to log in, in SQL.

use sqlx::Row as _;

use super::database::Database;
use super::sweep;
use crate::store::{Failures, StoreError};

/// A key is forgotten so long after its last attempt at the latest.
const KEPT_SECONDS: i64 = 24 * 3600;

pub(super) async fn begin(
    database: &Database,
    key: &str,
    limits: &Failures,
    now: i64,
) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            // Counted before the password is looked at: of guesses that come at once none is free.
            let counted = sqlx::query(
                "INSERT INTO attempt (name, failures, last_at, blocked_until)
                 VALUES ($1, 1, $2, 0)
                 ON CONFLICT (name) DO UPDATE SET
                     failures = CASE WHEN attempt.last_at < $3 THEN 1 ELSE attempt.failures + 1 END,
                     last_at = $2
                 WHERE attempt.blocked_until <= $2
                 RETURNING failures",
            )
            .bind(key)
            .bind(now)
            .bind(now.saturating_sub(limits.forget_seconds))
            .fetch_optional(&mut *change)
            .await?;
            let Some(row) = counted else { return Ok(false) };
            let wait = limits.wait(row.try_get(0)?);
            if wait > 0 {
                sqlx::query("UPDATE attempt SET blocked_until = $1 WHERE name = $2")
                    .bind(now.saturating_add(wait))
                    .bind(key)
                    .execute(&mut *change)
                    .await?;
            }
            change.commit().await?;
            Ok(true)
        })
        .await
}

pub(super) async fn blocked_until(
    database: &Database,
    key: &str,
    now: i64,
) -> Result<Option<i64>, StoreError> {
    let row = database
        .read(|| async {
            let blocked =
                "SELECT blocked_until FROM attempt WHERE name = $1 AND blocked_until > $2";
            Ok(sqlx::query(blocked).bind(key).bind(now).fetch_optional(database.reader()).await?)
        })
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

pub(super) async fn end(
    database: &Database,
    key: &str,
    forget_all: bool,
) -> Result<(), StoreError> {
    let statement = if forget_all {
        "DELETE FROM attempt WHERE name = $1"
    } else {
        "UPDATE attempt SET failures = failures - 1 WHERE name = $1 AND failures > 0"
    };
    database.write_one(sqlx::query(statement).bind(key)).await?;
    Ok(())
}

pub(super) async fn sweep(database: &Database, now: i64) -> Result<u64, StoreError> {
    let last = now.saturating_sub(KEPT_SECONDS).saturating_sub(1);
    sweep::until(database, "attempt", "name", ("last_at", last)).await
}
