//! Passkeys in SQL.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::database::Database;
use crate::store::{StoreError, StoredPasskey};

pub(super) async fn all(database: &Database, user: &str) -> Result<Vec<StoredPasskey>, StoreError> {
    let rows = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT passkey_id, user_id, name, public_key, counter, synced, created_at, used_at
                 FROM passkey WHERE user_id = $1 ORDER BY created_at, passkey_id",
            )
            .bind(user)
            .fetch_all(database.reader())
            .await?)
        })
        .await?;
    rows.iter().map(passkey).collect()
}

pub(super) async fn find(
    database: &Database,
    id: &str,
) -> Result<Option<StoredPasskey>, StoreError> {
    let row = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT passkey_id, user_id, name, public_key, counter, synced, created_at, used_at
                 FROM passkey WHERE passkey_id = $1",
            )
            .bind(id)
            .fetch_optional(database.reader())
            .await?)
        })
        .await?;
    row.map(|row| passkey(&row)).transpose()
}

fn passkey(row: &AnyRow) -> Result<StoredPasskey, StoreError> {
    Ok(StoredPasskey {
        id: row.try_get(0)?,
        user_id: row.try_get(1)?,
        name: row.try_get(2)?,
        key: row.try_get(3)?,
        counter: row.try_get(4)?,
        synced: row.try_get::<i64, _>(5)? != 0,
        created_at: row.try_get(6)?,
        used_at: row.try_get(7)?,
    })
}

pub(super) async fn add(
    database: &Database,
    passkey: &StoredPasskey,
    most: u32,
) -> Result<bool, StoreError> {
    let added = database
        .write_one(
            sqlx::query(
                "INSERT INTO passkey (passkey_id, user_id, name, public_key, counter, synced,
                     created_at, used_at)
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8
                 WHERE (SELECT COUNT(*) FROM passkey WHERE user_id = $2) < $9
                 ON CONFLICT (passkey_id) DO NOTHING",
            )
            .bind(passkey.id.as_str())
            .bind(passkey.user_id.as_str())
            .bind(passkey.name.as_str())
            .bind(passkey.key.as_str())
            .bind(passkey.counter)
            .bind(i64::from(passkey.synced))
            .bind(passkey.created_at)
            .bind(passkey.used_at)
            .bind(i64::from(most)),
        )
        .await?;
    Ok(added > 0)
}

pub(super) async fn remove(database: &Database, user: &str, id: &str) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            let gone = sqlx::query("DELETE FROM passkey WHERE user_id = $1 AND passkey_id = $2")
                .bind(user)
                .bind(id)
                .execute(&mut *change)
                .await?
                .rows_affected();
            if gone == 0 {
                return Ok(false);
            }
            super::authenticators::forget_recovery(&mut change, user).await?;
            change.commit().await?;
            Ok(true)
        })
        .await
}

/// One that counts has counted on; one that does not stays at 0.
pub(super) async fn count(
    database: &Database,
    id: &str,
    counter: i64,
    now: i64,
) -> Result<bool, StoreError> {
    let moved = database
        .write_one(
            sqlx::query(
                "UPDATE passkey SET counter = $1, used_at = $2
                 WHERE passkey_id = $3 AND (counter < $1 OR (counter = 0 AND $1 = 0))",
            )
            .bind(counter)
            .bind(now)
            .bind(id),
        )
        .await?;
    Ok(moved > 0)
}
