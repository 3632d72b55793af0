//! Authorization requests that came before the browser, in SQL.

use sqlx::Row as _;

use super::database::Database;
use super::sweep;
use crate::domain::ClientId;
use crate::store::{StoreError, StoredPush};

pub(super) async fn add(
    database: &Database,
    digest: &str,
    pushed: &StoredPush,
) -> Result<(), StoreError> {
    database
        .write_one(
            sqlx::query(
                "INSERT INTO pushed_request (digest, client_id, parameters, expires_at)
                 VALUES ($1, $2, $3, $4)",
            )
            .bind(digest)
            .bind(pushed.client_id.as_str())
            .bind(pushed.parameters.as_str())
            .bind(pushed.expires_at),
        )
        .await?;
    Ok(())
}

/// Drops those that nobody can use any more.
pub(super) async fn sweep(database: &Database, now: i64) -> Result<u64, StoreError> {
    sweep::until(database, "pushed_request", "digest", ("expires_at", now)).await
}

/// One statement takes it out and answers with it, so that of two one gets it.
pub(super) async fn take(
    database: &Database,
    digest: &str,
    client: &ClientId,
) -> Result<Option<StoredPush>, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            let row = sqlx::query(
                "DELETE FROM pushed_request WHERE digest = $1 AND client_id = $2
                 RETURNING parameters, expires_at",
            )
            .bind(digest)
            .bind(client.as_str())
            .fetch_optional(&mut *change)
            .await?;
            let Some(row) = row else { return Ok(None) };
            let taken = StoredPush {
                client_id: client.clone(),
                parameters: row.try_get(0)?,
                expires_at: row.try_get(1)?,
            };
            change.commit().await?;
            Ok(Some(taken))
        })
        .await
}
