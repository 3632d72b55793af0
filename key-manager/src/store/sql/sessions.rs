//! Sessions in SQL.

use sqlx::Row as _;

use super::database::Database;
use crate::store::{StoreError, StoredSession};

pub(super) async fn add(
    database: &Database,
    session: &StoredSession,
    instead_of: &str,
) -> Result<(), StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            sqlx::query("DELETE FROM session WHERE digest = $1")
                .bind(instead_of)
                .execute(&mut *change)
                .await?;
            sqlx::query(
                "INSERT INTO session
                     (session_id, digest, user_id, logged_in_at, idle_until, ends_at)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(session.id.as_str())
            .bind(session.digest.as_str())
            .bind(session.user_id.as_str())
            .bind(session.logged_in_at)
            .bind(session.idle_until)
            .bind(session.ends_at)
            .execute(&mut *change)
            .await?;
            change.commit().await?;
            Ok(())
        })
        .await
}

pub(super) async fn find(
    database: &Database,
    digest: &str,
) -> Result<Option<StoredSession>, StoreError> {
    let row = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT session_id, digest, user_id, logged_in_at, idle_until, ends_at
                 FROM session WHERE digest = $1",
            )
            .bind(digest)
            .fetch_optional(database.reader())
            .await?)
        })
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(StoredSession {
        id: row.try_get(0)?,
        digest: row.try_get(1)?,
        user_id: row.try_get(2)?,
        logged_in_at: row.try_get(3)?,
        idle_until: row.try_get(4)?,
        ends_at: row.try_get(5)?,
    }))
}

pub(super) async fn keep(database: &Database, id: &str, idle_until: i64) -> Result<(), StoreError> {
    database
        .write_one(
            sqlx::query("UPDATE session SET idle_until = $1 WHERE session_id = $2")
                .bind(idle_until)
                .bind(id),
        )
        .await?;
    Ok(())
}

pub(super) async fn sweep(database: &Database, now: i64) -> Result<u64, StoreError> {
    database
        .write_one(
            sqlx::query("DELETE FROM session WHERE ends_at <= $1 OR idle_until <= $1").bind(now),
        )
        .await
}
