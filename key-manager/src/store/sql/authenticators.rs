//! Second factors in SQL.

use sqlx::Row as _;

use super::database::{Change, Database};
use super::ledger::unsigned;
use crate::store::{StoreError, StoredAuthenticator};

pub(super) async fn find(
    database: &Database,
    user: &str,
) -> Result<Option<StoredAuthenticator>, StoreError> {
    let row = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT sealed, last_step, created_at FROM authenticator WHERE user_id = $1",
            )
            .bind(user)
            .fetch_optional(database.reader())
            .await?)
        })
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(StoredAuthenticator {
        sealed: row.try_get(0)?,
        last_step: row.try_get(1)?,
        created_at: row.try_get(2)?,
    }))
}

pub(super) async fn add(
    database: &Database,
    user: &str,
    authenticator: &StoredAuthenticator,
) -> Result<bool, StoreError> {
    let added = database
        .write_one(
            sqlx::query(
                "INSERT INTO authenticator (user_id, sealed, last_step, created_at)
                 VALUES ($1, $2, $3, $4) ON CONFLICT (user_id) DO NOTHING",
            )
            .bind(user)
            .bind(authenticator.sealed.as_str())
            .bind(authenticator.last_step)
            .bind(authenticator.created_at),
        )
        .await?;
    Ok(added > 0)
}

pub(super) async fn remove(database: &Database, user: &str) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            let gone = sqlx::query("DELETE FROM authenticator WHERE user_id = $1")
                .bind(user)
                .execute(&mut *change)
                .await?
                .rows_affected();
            if gone == 0 {
                return Ok(false);
            }
            forget_recovery(&mut change, user).await?;
            change.commit().await?;
            Ok(true)
        })
        .await
}

/// Recovery codes go with the last second factor.
pub(super) async fn forget_recovery(change: &mut Change, user: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM recovery_code WHERE user_id = $1
         AND NOT EXISTS (SELECT 1 FROM authenticator WHERE user_id = $1)
         AND NOT EXISTS (SELECT 1 FROM passkey WHERE user_id = $1)",
    )
    .bind(user)
    .execute(&mut **change)
    .await?;
    Ok(())
}

pub(super) async fn use_step(
    database: &Database,
    user: &str,
    step: i64,
) -> Result<bool, StoreError> {
    let moved = database
        .write_one(
            sqlx::query(
                "UPDATE authenticator SET last_step = $1 WHERE user_id = $2 AND last_step < $1",
            )
            .bind(step)
            .bind(user),
        )
        .await?;
    Ok(moved > 0)
}

pub(super) async fn set_recovery(
    database: &Database,
    user: &str,
    digests: &[String],
) -> Result<(), StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            sqlx::query("DELETE FROM recovery_code WHERE user_id = $1")
                .bind(user)
                .execute(&mut *change)
                .await?;
            for digest in digests {
                sqlx::query("INSERT INTO recovery_code (user_id, digest) VALUES ($1, $2)")
                    .bind(user)
                    .bind(digest.as_str())
                    .execute(&mut *change)
                    .await?;
            }
            change.commit().await?;
            Ok(())
        })
        .await
}

pub(super) async fn use_recovery(
    database: &Database,
    user: &str,
    digest: &str,
) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            let used = sqlx::query("DELETE FROM recovery_code WHERE user_id = $1 AND digest = $2")
                .bind(user)
                .bind(digest)
                .execute(&mut *change)
                .await?
                .rows_affected();
            if used == 0 {
                return Ok(false);
            }
            change.commit().await?;
            Ok(true)
        })
        .await
}

pub(super) async fn recovery_left(database: &Database, user: &str) -> Result<u64, StoreError> {
    database
        .read(|| async {
            let row = sqlx::query("SELECT COUNT(*) FROM recovery_code WHERE user_id = $1")
                .bind(user)
                .fetch_one(database.reader())
                .await?;
            Ok(unsigned(row.try_get(0)?))
        })
        .await
}
