//! The audit log in SQL.
//!
//! The row `audit_head` is locked from the moment a line gets its place until its transaction has
//! ended: several processes write one chain, and nobody sees a line before those in front of it.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::database::Database;
use super::ledger::{signed, unsigned};
use crate::store::{AuditHead, AuditLine, Chain, Note, StoreError};

pub(super) async fn append(
    change: &mut AnyConnection,
    note: &Note,
    chain: &dyn Chain,
) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "UPDATE audit_head SET sequence = sequence + 1 WHERE head_id = 1 RETURNING sequence, hash",
    )
    .fetch_one(&mut *change)
    .await?;
    let (sequence, former): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
    let hash = chain.link(unsigned(sequence), &former, note);
    sqlx::query(
        "INSERT INTO audit
             (sequence, at, event, who, client, address, outcome, details, former, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(sequence)
    .bind(note.at)
    .bind(note.event.as_str())
    .bind(note.who.as_str())
    .bind(note.client.as_str())
    .bind(note.address.as_str())
    .bind(note.outcome.as_str())
    .bind(note.details.as_str())
    .bind(former)
    .bind(hash.as_str())
    .execute(&mut *change)
    .await?;
    sqlx::query("UPDATE audit_head SET hash = $1 WHERE head_id = 1")
        .bind(hash)
        .execute(&mut *change)
        .await?;
    Ok(())
}

pub(super) async fn note(
    database: &Database,
    notes: &[Note],
    chain: &dyn Chain,
) -> Result<(), StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            for note in notes {
                append(&mut change, note, chain).await?;
            }
            change.commit().await?;
            Ok(())
        })
        .await
}

pub(super) async fn lines(
    database: &Database,
    after: u64,
    since: i64,
    limit: u32,
) -> Result<Vec<AuditLine>, StoreError> {
    let rows = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT sequence, at, event, who, client, address, outcome, details, former, hash
                 FROM audit WHERE sequence > $1 AND at >= $2 ORDER BY sequence LIMIT $3",
            )
            .bind(signed(after))
            .bind(since)
            .bind(i64::from(limit))
            .fetch_all(database.reader())
            .await?)
        })
        .await?;
    rows.iter().map(line).collect()
}

fn line(row: &AnyRow) -> Result<AuditLine, StoreError> {
    Ok(AuditLine {
        sequence: unsigned(row.try_get(0)?),
        note: Note {
            at: row.try_get(1)?,
            event: row.try_get(2)?,
            who: row.try_get(3)?,
            client: row.try_get(4)?,
            address: row.try_get(5)?,
            outcome: row.try_get(6)?,
            details: row.try_get(7)?,
        },
        former: row.try_get(8)?,
        hash: row.try_get(9)?,
    })
}

pub(super) async fn head(database: &Database) -> Result<AuditHead, StoreError> {
    let row = database
        .read(|| async {
            Ok(sqlx::query("SELECT sequence, hash FROM audit_head WHERE head_id = 1")
                .fetch_one(database.reader())
                .await?)
        })
        .await?;
    Ok(AuditHead { sequence: unsigned(row.try_get(0)?), hash: row.try_get(1)? })
}

/// So many lines go at a time, which is no matter of seconds.
const MOST_PRUNED: i64 = 20_000;

pub(super) async fn prune(
    database: &Database,
    before: i64,
    checkpoint: &Note,
    chain: &dyn Chain,
) -> Result<u64, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            // The head is locked first: of several processes that prune at once the second finds
            // nothing left.
            sqlx::query("UPDATE audit_head SET sequence = sequence WHERE head_id = 1")
                .execute(&mut *change)
                .await?;
            // Clocks differ, so what is old may stand behind what is not: only the lines in front
            // of the first young one go.
            let gone = sqlx::query(
                "SELECT sequence, hash FROM audit WHERE at < $1 AND sequence <
                     COALESCE((SELECT MIN(sequence) FROM audit WHERE at >= $1),
                              (SELECT MAX(sequence) + 1 FROM audit))
                     AND sequence < (SELECT MIN(sequence) + $2 FROM audit)
                 ORDER BY sequence DESC LIMIT 1",
            )
            .bind(before)
            .bind(MOST_PRUNED)
            .fetch_optional(&mut *change)
            .await?;
            let Some(row) = gone else { return Ok(0) };
            let (until, hash): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
            let details = audit_chain::checkpoint(unsigned(until), &hash);
            let note = Note { details, ..checkpoint.clone() };
            append(&mut change, &note, chain).await?;
            let gone = sqlx::query("DELETE FROM audit WHERE sequence <= $1")
                .bind(until)
                .execute(&mut *change)
                .await?
                .rows_affected();
            change.commit().await?;
            Ok(gone)
        })
        .await
}
