//! What was used once, in SQL.

use sqlx::Row as _;

use super::database::Database;
use super::sweep;
use crate::store::{StoreError, Use, Used};

pub(super) async fn once(database: &Database, used: &Used<'_>) -> Result<Use, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            // Of several at once the primary key lets one through.
            let first = sqlx::query(
                "INSERT INTO used_once (owner, name, until) VALUES ($1, $2, $3)
                 ON CONFLICT (owner, name) DO UPDATE SET until = excluded.until
                 WHERE used_once.until < $4",
            )
            .bind(used.owner)
            .bind(used.name)
            .bind(used.until)
            .bind(used.now)
            .execute(&mut *change)
            .await?
            .rows_affected();
            if first == 0 {
                return Ok(Use::Again);
            }
            let held: i64 =
                sqlx::query("SELECT COUNT(*) FROM used_once WHERE owner = $1 AND until >= $2")
                    .bind(used.owner)
                    .bind(used.now)
                    .fetch_one(&mut *change)
                    .await?
                    .try_get(0)?;
            if held > i64::from(used.most) {
                // Dropped, the transaction takes its line back.
                return Ok(Use::Full);
            }
            change.commit().await?;
            Ok(Use::First)
        })
        .await
}

pub(super) async fn sweep(database: &Database, now: i64) -> Result<u64, StoreError> {
    let last = now.saturating_sub(1);
    sweep::until(database, "used_once", "owner, name", ("until", last)).await
}
