//! Sessions in SQL.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::database::Database;
use super::revocations::{self, Part};
use super::{ledger, sweep};
use crate::domain::{ClientId, Entry};
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
                     (session_id, digest, user_id, logged_in_at, idle_until, ends_at, methods,
                      address, agent)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            )
            .bind(session.id.as_str())
            .bind(session.digest.as_str())
            .bind(session.user_id.as_str())
            .bind(session.logged_in_at)
            .bind(session.idle_until)
            .bind(session.ends_at)
            .bind(session.method.to_string())
            .bind(session.address.as_str())
            .bind(session.agent.as_str())
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
                "SELECT session_id, digest, user_id, logged_in_at, idle_until, ends_at, methods,
                     address, agent
                 FROM session WHERE digest = $1",
            )
            .bind(digest)
            .fetch_optional(database.reader())
            .await?)
        })
        .await?;
    row.map(|row| session(&row)).transpose()
}

/// Those of one person that are alive, the newest first.
pub(super) async fn of_user(
    database: &Database,
    user: &str,
    now: i64,
    limit: u32,
) -> Result<Vec<StoredSession>, StoreError> {
    let rows = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT session_id, digest, user_id, logged_in_at, idle_until, ends_at, methods,
                     address, agent
                 FROM session WHERE user_id = $1 AND ends_at > $2 AND idle_until > $2
                 ORDER BY logged_in_at DESC, session_id LIMIT $3",
            )
            .bind(user)
            .bind(now)
            .bind(i64::from(limit))
            .fetch_all(database.reader())
            .await?)
        })
        .await?;
    rows.iter().map(session).collect()
}

fn session(row: &AnyRow) -> Result<StoredSession, StoreError> {
    let methods: String = row.try_get(6)?;
    Ok(StoredSession {
        id: row.try_get(0)?,
        digest: row.try_get(1)?,
        user_id: row.try_get(2)?,
        logged_in_at: row.try_get(3)?,
        idle_until: row.try_get(4)?,
        ends_at: row.try_get(5)?,
        method: methods
            .parse()
            .map_err(|_| StoreError::Damaged { what: "way to log in", value: methods })?,
        address: row.try_get(7)?,
        agent: row.try_get(8)?,
    })
}

/// Ends a session of a person with what came from it; `end` is the line of each family.
pub(super) async fn end(
    database: &Database,
    user: &str,
    id: &str,
    end: &Entry,
) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            ledger::hold(&mut change).await?;
            let gone = sqlx::query("DELETE FROM session WHERE session_id = $1 AND user_id = $2")
                .bind(id)
                .bind(user)
                .execute(&mut *change)
                .await?
                .rows_affected();
            if gone == 0 {
                return Ok(false);
            }
            revocations::end_grants(&mut change, user, Part::Session(id), end).await?;
            change.commit().await?;
            Ok(true)
        })
        .await
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
    let ended = sweep::until(database, "session", "session_id", ("ends_at", now)).await?;
    let idle = sweep::until(database, "session", "session_id", ("idle_until", now)).await?;
    Ok(ended.saturating_add(idle))
}

/// The clients that got something from a session.
pub(super) async fn clients(database: &Database, id: &str) -> Result<Vec<ClientId>, StoreError> {
    let rows = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT client_id FROM family WHERE session_id = $1
                 UNION SELECT client_id FROM code WHERE session_id = $1 AND used_at <> 0",
            )
            .bind(id)
            .fetch_all(database.reader())
            .await?)
        })
        .await?;
    let client = |row: &AnyRow| {
        let text: String = row.try_get(0)?;
        let damaged = |_| StoreError::Damaged { what: "client identifier", value: text.clone() };
        ClientId::parse(&text).map_err(damaged)
    };
    rows.iter().map(client).collect()
}
