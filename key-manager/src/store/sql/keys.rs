//! Signing keys in SQL.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::database::{Change, Database};
use super::ledger::{signed, unsigned};
use crate::domain::KeyState;
use crate::store::{KeyChange, KeyHome, StoreError, StoredKey};

pub(super) async fn all(database: &Database) -> Result<(u64, Vec<StoredKey>), StoreError> {
    database
        .read(|| async {
            // One statement, so that the version and the keys belong together.
            let rows = sqlx::query(
                "SELECT l.key_version, k.kid, k.algorithm, k.state, k.sealed, k.since, k.gone_after,
                        k.home
                 FROM ledger l LEFT JOIN signing_key k ON 1 = 1
                 WHERE l.ledger_id = 1 ORDER BY k.algorithm, k.state, k.since, k.kid",
            )
            .fetch_all(database.reader())
            .await?;
            let version = rows.first().map_or(Ok(0), |row| row.try_get(0).map(unsigned))?;
            let keys = rows.iter().filter_map(|row| key(row).transpose());
            Ok((version, keys.collect::<Result<_, _>>()?))
        })
        .await
}

fn key(row: &AnyRow) -> Result<Option<StoredKey>, StoreError> {
    let Some(kid) = row.try_get::<Option<String>, _>(1)? else { return Ok(None) };
    let (algorithm, state): (String, String) = (row.try_get(2)?, row.try_get(3)?);
    let home: String = row.try_get(7)?;
    let damaged = |what, value| StoreError::Damaged { what, value };
    Ok(Some(StoredKey {
        kid,
        algorithm: algorithm.parse().map_err(|_| damaged("algorithm", algorithm))?,
        state: KeyState::find(&state).ok_or_else(|| damaged("state of a key", state))?,
        home: KeyHome::find(&home).ok_or_else(|| damaged("home of a key", home))?,
        sealed: row.try_get(4)?,
        since: row.try_get(5)?,
        gone_after: row.try_get(6)?,
    }))
}

pub(super) async fn change(
    database: &Database,
    version: u64,
    changes: &[KeyChange],
) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            let held = sqlx::query(
                "UPDATE ledger SET key_version = key_version + 1
                 WHERE ledger_id = 1 AND key_version = $1",
            )
            .bind(signed(version))
            .execute(&mut *change)
            .await?
            .rows_affected();
            if held == 0 {
                return Ok(false);
            }
            for step in changes {
                apply(&mut change, step).await?;
            }
            change.commit().await?;
            Ok(true)
        })
        .await
}

async fn apply(change: &mut Change, step: &KeyChange) -> Result<(), sqlx::Error> {
    let statement = match step {
        KeyChange::Add(key) => sqlx::query(
            "INSERT INTO signing_key (kid, algorithm, state, sealed, since, gone_after, home)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(key.kid.as_str())
        .bind(key.algorithm.name())
        .bind(key.state.name())
        .bind(key.sealed.as_str())
        .bind(key.since)
        .bind(key.gone_after)
        .bind(key.home.name()),
        KeyChange::Activate { kid, since } => {
            sqlx::query("UPDATE signing_key SET state = 'active', since = $1 WHERE kid = $2")
                .bind(*since)
                .bind(kid.as_str())
        }
        KeyChange::Retire { kid, since, gone_after } => sqlx::query(
            "UPDATE signing_key SET state = 'retiring', since = $1, gone_after = $2 WHERE kid = $3",
        )
        .bind(*since)
        .bind(*gone_after)
        .bind(kid.as_str()),
        KeyChange::Revoke { kid, since, gone_after } => sqlx::query(
            "UPDATE signing_key SET state = 'revoked', sealed = '', since = $1, gone_after = $2
             WHERE kid = $3",
        )
        .bind(*since)
        .bind(*gone_after)
        .bind(kid.as_str()),
        KeyChange::Remove { kid } => {
            sqlx::query("DELETE FROM signing_key WHERE kid = $1").bind(kid.as_str())
        }
    };
    statement.execute(&mut **change).await?;
    Ok(())
}
