//! Keys of gateways in SQL.

use std::collections::BTreeMap;

use sqlx::Row as _;

use super::database::{Change, Database};
use super::ledger::{change_gateway_keys, hold};
use super::sweep;
use crate::store::{GatewayKey, Room, StoreError};

pub(super) async fn all(database: &Database, now: i64) -> Result<Vec<GatewayKey>, StoreError> {
    database
        .read(|| async {
            // Two gateways of one name say the same key twice.
            let rows = sqlx::query(
                "SELECT kid, MIN(jwk) FROM gateway_key WHERE expires_at > $1
                 GROUP BY kid ORDER BY kid",
            )
            .bind(now)
            .fetch_all(database.reader())
            .await?;
            let key = |row: &sqlx::any::AnyRow| {
                Ok(GatewayKey { kid: row.try_get(0)?, jwk: row.try_get(1)? })
            };
            rows.iter().map(key).collect()
        })
        .await
}

pub(super) async fn enrol(
    database: &Database,
    instance: &str,
    keys: &[GatewayKey],
    (now, expires_at): (i64, i64),
    room: Room,
) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            // Of several that enrol at once each counts what the others have written.
            hold(&mut change).await?;
            let before = of_instance(&mut change, instance).await?;
            for key in keys {
                put(&mut change, instance, key, expires_at).await?;
            }
            let is_new = |key: &&GatewayKey| !before.contains_key(&key.kid);
            let new = keys.iter().filter(is_new).count();
            let mut others: Vec<_> =
                before.iter().filter(|(kid, _)| keys.iter().all(|key| key.kid != **kid)).collect();
            others.sort_by_key(|(_, expires_at)| **expires_at);
            let beyond = (others.len() + keys.len()).saturating_sub(room.of_instance);
            for (kid, _) in others.iter().take(beyond) {
                remove(&mut change, instance, kid).await?;
            }
            if new > 0 || beyond > 0 {
                let living = sqlx::query("SELECT COUNT(*) FROM gateway_key WHERE expires_at > $1")
                    .bind(now)
                    .fetch_one(&mut *change)
                    .await?;
                if usize::try_from(living.try_get::<i64, _>(0)?).unwrap_or(usize::MAX) > room.of_all
                {
                    change.rollback().await?;
                    return Ok(false);
                }
                change_gateway_keys(&mut change).await?;
            }
            change.commit().await?;
            Ok(true)
        })
        .await
}

/// The keys of a gateway, and when each expires.
async fn of_instance(
    change: &mut Change,
    instance: &str,
) -> Result<BTreeMap<String, i64>, sqlx::Error> {
    let rows = sqlx::query("SELECT kid, expires_at FROM gateway_key WHERE instance = $1")
        .bind(instance)
        .fetch_all(&mut **change)
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

async fn put(
    change: &mut Change,
    instance: &str,
    key: &GatewayKey,
    expires_at: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO gateway_key (instance, kid, jwk, expires_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (instance, kid) DO UPDATE SET expires_at = excluded.expires_at",
    )
    .bind(instance)
    .bind(key.kid.as_str())
    .bind(key.jwk.as_str())
    .bind(expires_at)
    .execute(&mut **change)
    .await?;
    Ok(())
}

async fn remove(change: &mut Change, instance: &str, kid: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM gateway_key WHERE instance = $1 AND kid = $2")
        .bind(instance)
        .bind(kid)
        .execute(&mut **change)
        .await?;
    Ok(())
}

pub(super) async fn sweep(database: &Database, now: i64) -> Result<u64, StoreError> {
    sweep::until(database, "gateway_key", "instance, kid", ("expires_at", now)).await
}
