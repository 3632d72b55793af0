//! Refresh families in SQL.

use sqlx::Row as _;

use super::codes::{grant, listed, wishes};
use super::database::{Change, Database};
use super::sweep;
use crate::store::{Grant, Rotation, StoreError, StoredFamily};

pub(super) async fn add(change: &mut Change, family: &StoredFamily) -> Result<(), sqlx::Error> {
    let grant = &family.grant;
    sqlx::query(
        "INSERT INTO family (family_id, client_id, user_id, session_id, scopes, audience,
             logged_in_at, generation, digest, former_digest, former_until, successor, idle_until,
             ends_at, revoked, key_thumbprint, methods, wishes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', 0, '', $10, $11, 0, $12, $13, $14)",
    )
    .bind(grant.family_id.as_str())
    .bind(grant.client_id.as_str())
    .bind(grant.user_id.as_str())
    .bind(grant.session_id.as_str())
    .bind(grant.scopes.to_string())
    .bind(listed(&grant.audience))
    .bind(grant.logged_in_at)
    .bind(family.generation)
    .bind(family.digest.as_str())
    .bind(family.idle_until)
    .bind(family.ends_at)
    .bind(family.key.as_deref().unwrap_or_default())
    .bind(grant.method.to_string())
    .bind(grant.wishes.to_text())
    .execute(&mut **change)
    .await?;
    Ok(())
}

/// Adds one by itself.
pub(super) async fn begin(database: &Database, family: &StoredFamily) -> Result<(), StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            add(&mut change, family).await?;
            change.commit().await?;
            Ok(())
        })
        .await
}

pub(super) async fn find(
    database: &Database,
    id: &str,
) -> Result<Option<StoredFamily>, StoreError> {
    let row = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT family_id, client_id, user_id, session_id, scopes, audience, logged_in_at,
                     generation, digest, former_digest, former_until, successor, idle_until,
                     ends_at, revoked, key_thumbprint, methods, wishes
                 FROM family WHERE family_id = $1",
            )
            .bind(id)
            .fetch_optional(database.reader())
            .await?)
        })
        .await?;
    let Some(row) = row else { return Ok(None) };
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(Some(StoredFamily {
        grant: Grant { wishes: wishes(&row)?, ..grant(&row)? },
        key: given(row.try_get(15)?),
        generation: row.try_get(7)?,
        digest: row.try_get(8)?,
        former_digest: given(row.try_get(9)?),
        former_until: row.try_get(10)?,
        successor: given(row.try_get(11)?),
        idle_until: row.try_get(12)?,
        ends_at: row.try_get(13)?,
        revoked: row.try_get::<i64, _>(14)? != 0,
    }))
}

pub(super) async fn rotate(
    database: &Database,
    id: &str,
    rotation: &Rotation,
) -> Result<bool, StoreError> {
    let moved = database
        .write_one(
            sqlx::query(
                "UPDATE family SET generation = generation + 1, digest = $1, former_digest = $2,
                     former_until = $3, successor = $4, idle_until = $5, replays = 0
                 WHERE family_id = $6 AND generation = $7 AND digest = $2 AND revoked = 0",
            )
            .bind(rotation.to_digest.as_str())
            .bind(rotation.from_digest.as_str())
            .bind(rotation.former_until)
            .bind(rotation.successor.as_str())
            .bind(rotation.idle_until)
            .bind(id)
            .bind(rotation.generation),
        )
        .await?;
    Ok(moved > 0)
}

pub(super) async fn replay(
    database: &Database,
    id: &str,
    former_digest: &str,
    most: u32,
) -> Result<bool, StoreError> {
    let counted = database
        .write_one(
            sqlx::query(
                "UPDATE family SET replays = replays + 1
                 WHERE family_id = $1 AND former_digest = $2 AND replays < $3 AND revoked = 0",
            )
            .bind(id)
            .bind(former_digest)
            .bind(i64::from(most)),
        )
        .await?;
    Ok(counted > 0)
}

pub(super) async fn keep(
    database: &Database,
    id: &str,
    idle_until: i64,
) -> Result<bool, StoreError> {
    let kept = database
        .write_one(
            sqlx::query("UPDATE family SET idle_until = $1 WHERE family_id = $2 AND revoked = 0")
                .bind(idle_until)
                .bind(id),
        )
        .await?;
    Ok(kept > 0)
}

/// Which families.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of<'n> {
    Family(&'n str),
    Client(&'n str),
    User(&'n str),
}

pub(super) async fn end(change: &mut Change, of: Of<'_>) -> Result<(), sqlx::Error> {
    let (statement, name) = match of {
        Of::Family(id) => {
            ("UPDATE family SET revoked = 1, successor = '' WHERE family_id = $1", id)
        }
        Of::Client(id) => {
            ("UPDATE family SET revoked = 1, successor = '' WHERE client_id = $1", id)
        }
        Of::User(id) => ("UPDATE family SET revoked = 1, successor = '' WHERE user_id = $1", id),
    };
    sqlx::query(statement).bind(name).execute(&mut **change).await?;
    Ok(())
}

/// Drops families that are over and answers that are kept too long.
pub(super) async fn sweep(database: &Database, now: i64) -> Result<u64, StoreError> {
    let ended = sweep::until(database, "family", "family_id", ("ends_at", now)).await?;
    let idle = sweep::until(database, "family", "family_id", ("idle_until", now)).await?;
    let answers = format!(
        "UPDATE family SET successor = ''
         WHERE successor <> '' AND former_until <= $1 AND family_id IN
             (SELECT family_id FROM family WHERE successor <> '' AND former_until <= $1
              ORDER BY former_until LIMIT {})",
        sweep::BATCH
    );
    sweep::in_batches(database, &answers, now).await?;
    Ok(ended.saturating_add(idle))
}
