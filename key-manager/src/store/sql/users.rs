//! People in SQL.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _};

use super::database::{Change, Database};
use super::failure::is_new;
use super::families::{self, Of};
use super::{ledger, revocations};
use crate::domain::{Ended, Entry, Profile, Roles, User, UserName};
use crate::store::{Joined, StoreError, StoredUser};

pub(super) async fn find(database: &Database, id: &str) -> Result<Option<StoredUser>, StoreError> {
    let row = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT user_id, name, password, disabled, ended_until, created_at, claims, claims_at,
                        directory_roles
                 FROM person WHERE user_id = $1",
            )
            .bind(id)
            .fetch_optional(database.reader())
            .await?)
        })
        .await?;
    row.map(|row| user(&row)).transpose()
}

pub(super) async fn named(
    database: &Database,
    name: &UserName,
) -> Result<Option<StoredUser>, StoreError> {
    let row = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT user_id, name, password, disabled, ended_until, created_at, claims, claims_at,
                        directory_roles
                 FROM person WHERE name = $1",
            )
            .bind(name.as_str())
            .fetch_optional(database.reader())
            .await?)
        })
        .await?;
    row.map(|row| user(&row)).transpose()
}

pub(super) fn user(row: &AnyRow) -> Result<StoredUser, StoreError> {
    let name: String = row.try_get(1)?;
    let claims: String = row.try_get(6)?;
    let roles: String = row.try_get(8)?;
    Ok(StoredUser {
        user: User {
            id: row.try_get(0)?,
            name: UserName::parse(&name)
                .map_err(|_| StoreError::Damaged { what: "user name", value: name })?,
            disabled: row.try_get::<i64, _>(3)? != 0,
            ended_until: row.try_get(4)?,
            profile: Profile::parse(&claims)
                .map_err(|_| StoreError::Damaged { what: "profile", value: claims })?,
            profile_at: row.try_get(7)?,
            directory_roles: Roles::parse(&roles)
                .ok_or(StoreError::Damaged { what: "list of roles", value: roles })?,
            created_at: row.try_get(5)?,
        },
        password: row.try_get(2)?,
    })
}

pub(super) async fn add(database: &Database, stored: &StoredUser) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            if !insert(&mut change, stored, false).await? {
                return Ok(false);
            }
            change.commit().await?;
            Ok(true)
        })
        .await
}

/// `false`: the name is taken.
pub(super) async fn insert(
    change: &mut Change,
    stored: &StoredUser,
    pending: bool,
) -> Result<bool, StoreError> {
    let user = &stored.user;
    let added = sqlx::query(
        "INSERT INTO person (user_id, name, password, disabled, ended_until, created_at, claims,
             claims_at, pending, email, directory_roles)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(user.id.as_str())
    .bind(user.name.as_str())
    .bind(stored.password.as_str())
    .bind(i64::from(user.disabled))
    .bind(user.ended_until)
    .bind(user.created_at)
    .bind(user.profile.to_text())
    .bind(user.profile_at)
    .bind(i64::from(pending))
    .bind(user.profile.verified_email().unwrap_or_default())
    .bind(user.directory_roles.to_text())
    .execute(&mut **change)
    .await;
    is_new(added)
}

pub(super) async fn add_pending(
    database: &Database,
    stored: &StoredUser,
    most: u32,
) -> Result<Joined, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            let waiting: i64 = sqlx::query("SELECT COUNT(*) FROM person WHERE pending = 1")
                .fetch_one(&mut *change)
                .await?
                .try_get(0)?;
            if waiting >= i64::from(most) {
                return Ok(Joined::Full);
            }
            if !insert(&mut change, stored, true).await? {
                return Ok(Joined::Taken);
            }
            change.commit().await?;
            Ok(Joined::Waiting)
        })
        .await
}

pub(super) async fn approve(database: &Database, id: &str) -> Result<bool, StoreError> {
    let approved = database
        .write_one(
            sqlx::query(
                "UPDATE person SET pending = 0, disabled = 0 WHERE user_id = $1 AND pending = 1",
            )
            .bind(id),
        )
        .await?;
    Ok(approved > 0)
}

pub(super) async fn pending(database: &Database, limit: u32) -> Result<Vec<User>, StoreError> {
    let rows = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT user_id, name, password, disabled, ended_until, created_at, claims, claims_at,
                        directory_roles
                 FROM person WHERE pending = 1 ORDER BY created_at, user_id LIMIT $1",
            )
            .bind(i64::from(limit))
            .fetch_all(database.reader())
            .await?)
        })
        .await?;
    rows.iter().map(|row| Ok(user(row)?.user)).collect()
}

pub(super) async fn renew_hash(
    database: &Database,
    id: &str,
    former: &str,
    hash: &str,
) -> Result<bool, StoreError> {
    let renewed = database
        .write_one(
            sqlx::query("UPDATE person SET password = $1 WHERE user_id = $2 AND password = $3")
                .bind(hash)
                .bind(id)
                .bind(former),
        )
        .await?;
    Ok(renewed > 0)
}

pub(super) async fn set_profile(
    database: &Database,
    id: &str,
    profile: &Profile,
    now: i64,
    end: Option<&Entry>,
) -> Result<bool, StoreError> {
    let update =
        sqlx::query("UPDATE person SET claims = $1, claims_at = $2, email = $3 WHERE user_id = $4")
            .bind(profile.to_text())
            .bind(now)
            .bind(profile.verified_email().unwrap_or_default())
            .bind(id);
    change(database, id, update, end).await
}

pub(super) async fn set_directory_roles(
    database: &Database,
    id: &str,
    roles: &Roles,
    end: Option<&Entry>,
) -> Result<bool, StoreError> {
    let update = sqlx::query("UPDATE person SET directory_roles = $1 WHERE user_id = $2")
        .bind(roles.to_text())
        .bind(id);
    change(database, id, update, end).await
}

/// Changes what a person is; with a line `end` their access tokens end, both or none.
async fn change(
    database: &Database,
    id: &str,
    update: Query<'_, Any, AnyArguments>,
    end: Option<&Entry>,
) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            if let Some(end) = end {
                // The log first, as everywhere: it orders the writers.
                revocations::append(&mut change, end).await?;
            }
            if update.execute(&mut *change).await?.rows_affected() == 0 {
                return Ok(false);
            }
            if let Some(Ended::Subject(_, until)) = end.map(|end| &end.what) {
                note_until(&mut change, id, *until).await?;
            }
            change.commit().await?;
            Ok(true)
        })
        .await
}

/// Replaces the password and ends every token and every session but one, all or nothing.
pub(super) async fn change_password(
    database: &Database,
    id: &str,
    password: &str,
    end: &Entry,
    keep: &str,
) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            // The log first, as everywhere: it orders the writers.
            revocations::append(&mut change, end).await?;
            let changed = sqlx::query("UPDATE person SET password = $1 WHERE user_id = $2")
                .bind(password)
                .bind(id)
                .execute(&mut *change)
                .await?
                .rows_affected();
            if changed == 0 {
                return Ok(false);
            }
            if let Ended::Subject(_, until) = &end.what {
                note_until(&mut change, id, *until).await?;
            }
            families::end(&mut change, Of::User(id)).await?;
            spend_codes(&mut change, id).await?;
            sqlx::query("DELETE FROM session WHERE user_id = $1 AND session_id <> $2")
                .bind(id)
                .bind(keep)
                .execute(&mut *change)
                .await?;
            change.commit().await?;
            Ok(true)
        })
        .await
}

pub(super) async fn disable(
    database: &Database,
    id: &str,
    end: Option<&Entry>,
) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            if let Some(end) = end {
                // The log first, as everywhere: it orders the writers.
                revocations::append(&mut change, end).await?;
            }
            let changed =
                sqlx::query("UPDATE person SET disabled = $1, pending = 0 WHERE user_id = $2")
                    .bind(i64::from(end.is_some()))
                    .bind(id)
                    .execute(&mut *change)
                    .await?
                    .rows_affected();
            if changed == 0 {
                return Ok(false);
            }
            if let Some(Ended::Subject(_, until)) = end.map(|end| &end.what) {
                note_end(&mut change, id, *until).await?;
                families::end(&mut change, Of::User(id)).await?;
            }
            change.commit().await?;
            Ok(true)
        })
        .await
}

pub(super) async fn remove(
    database: &Database,
    id: &str,
    end: &Entry,
) -> Result<Option<u64>, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            let removed = sqlx::query("DELETE FROM person WHERE user_id = $1")
                .bind(id)
                .execute(&mut *change)
                .await?
                .rows_affected();
            if removed == 0 {
                return Ok(None);
            }
            let sequence = revocations::append(&mut change, end).await?;
            change.commit().await?;
            Ok(Some(sequence))
        })
        .await
}

/// Notes that the tokens of a person ended, and ends where they are logged in.
pub(super) async fn note_end(change: &mut Change, id: &str, until: i64) -> Result<(), sqlx::Error> {
    note_until(change, id, until).await?;
    end_sessions(change, id).await
}

async fn note_until(change: &mut Change, id: &str, until: i64) -> Result<(), sqlx::Error> {
    let noted =
        sqlx::query("UPDATE person SET ended_until = $1 WHERE user_id = $2 AND ended_until < $1")
            .bind(until)
            .bind(id)
            .execute(&mut **change)
            .await?;
    if noted.rows_affected() > 0 { ledger::end_person(change, until).await } else { Ok(()) }
}

async fn end_sessions(change: &mut Change, id: &str) -> Result<(), sqlx::Error> {
    spend_codes(change, id).await?;
    sqlx::query("DELETE FROM session WHERE user_id = $1").bind(id).execute(&mut **change).await?;
    Ok(())
}

/// A code that was not used yet belongs to a login that has ended now.
async fn spend_codes(change: &mut Change, id: &str) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE code SET used_at = expires_at WHERE user_id = $1 AND used_at = 0")
        .bind(id)
        .execute(&mut **change)
        .await?;
    Ok(())
}
