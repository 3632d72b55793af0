//! The ledger: the one row that orders all writers.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::database::{Change, Database};
use crate::store::{Ledger, StoreError};

pub(super) async fn read(database: &Database) -> Result<Ledger, StoreError> {
    database
        .read(|| async {
            let row = sqlx::query(
                "SELECT epoch, head, key_version, longest_seconds, client_version,
                        gateway_key_version, client_ended_until, person_ended_until
                 FROM ledger WHERE ledger_id = 1",
            )
            .fetch_one(database.reader())
            .await?;
            ledger(&row)
        })
        .await
}

fn ledger(row: &AnyRow) -> Result<Ledger, StoreError> {
    Ok(Ledger {
        epoch: row.try_get(0)?,
        head: unsigned(row.try_get(1)?),
        key_version: unsigned(row.try_get(2)?),
        longest_seconds: row.try_get(3)?,
        client_version: unsigned(row.try_get(4)?),
        gateway_key_version: unsigned(row.try_get(5)?),
        client_ended_until: row.try_get(6)?,
        person_ended_until: row.try_get(7)?,
    })
}

/// The next sequence. The row stays locked until the transaction ends, so the sequence after it
/// is given, and seen, only later: no reader skips a line that commits late.
pub(super) async fn next_sequence(change: &mut Change) -> Result<i64, sqlx::Error> {
    sqlx::query("UPDATE ledger SET head = head + 1 WHERE ledger_id = 1 RETURNING head")
        .fetch_one(&mut **change)
        .await?
        .try_get(0)
}

/// Takes the lock under which sequences are given, for a change that learns only later which lines
/// it has to write: every writer takes it first, so that no two wait for each other.
pub(super) async fn hold(change: &mut Change) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE ledger SET head = head WHERE ledger_id = 1").execute(&mut **change).await?;
    Ok(())
}

/// Says that a client has changed, so that nobody believes what they remember.
pub(super) async fn change_client(change: &mut Change) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE ledger SET client_version = client_version + 1 WHERE ledger_id = 1")
        .execute(&mut **change)
        .await?;
    Ok(())
}

/// Says that everything of a client has ended until then.
pub(super) async fn end_client(change: &mut Change, until: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE ledger
         SET client_version = client_version + 1,
             client_ended_until = CASE WHEN client_ended_until < $1 THEN $1
                                       ELSE client_ended_until END
         WHERE ledger_id = 1",
    )
    .bind(until)
    .execute(&mut **change)
    .await?;
    Ok(())
}

/// Says that everything of a person has ended until then.
pub(super) async fn end_person(change: &mut Change, until: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE ledger SET person_ended_until = $1
         WHERE ledger_id = 1 AND person_ended_until < $1",
    )
    .bind(until)
    .execute(&mut **change)
    .await?;
    Ok(())
}

/// Says that a key of a gateway has come or gone.
pub(super) async fn change_gateway_keys(change: &mut Change) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE ledger SET gateway_key_version = gateway_key_version + 1 WHERE ledger_id = 1",
    )
    .execute(&mut **change)
    .await?;
    Ok(())
}

pub(super) async fn claim_master(database: &Database, id: &str) -> Result<String, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            if !id.is_empty() {
                sqlx::query(
                    "UPDATE ledger SET master_id = $1 WHERE ledger_id = 1 AND master_id = ''",
                )
                .bind(id)
                .execute(&mut *change)
                .await?;
            }
            let claimed = sqlx::query("SELECT master_id FROM ledger WHERE ledger_id = 1")
                .fetch_one(&mut *change)
                .await?
                .try_get(0)?;
            change.commit().await?;
            Ok(claimed)
        })
        .await
}

pub(super) async fn allow_life(database: &Database, seconds: i64) -> Result<i64, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            let longest = sqlx::query(
                "UPDATE ledger
                 SET longest_seconds =
                     CASE WHEN longest_seconds < $1 THEN $1 ELSE longest_seconds END
                 WHERE ledger_id = 1 RETURNING longest_seconds",
            )
            .bind(seconds)
            .fetch_one(&mut *change)
            .await?
            .try_get(0)?;
            change.commit().await?;
            Ok(longest)
        })
        .await
}

pub(super) async fn begin_epoch(
    database: &Database,
    before: &str,
    epoch: &str,
) -> Result<(), StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            sqlx::query("UPDATE ledger SET epoch = $1 WHERE ledger_id = 1 AND epoch = $2")
                .bind(epoch)
                .bind(before)
                .execute(&mut *change)
                .await?;
            change.commit().await?;
            Ok(())
        })
        .await
}

/// Counters are never negative in a database that only we write.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Sequences stay far below the bound of a BIGINT.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
