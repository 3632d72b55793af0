//! Accounts of people who log in at providers, in SQL.

use super::database::{Change, Database};
use super::failure::is_new;
use super::users;
use crate::domain::User;
use crate::store::{StoreError, StoredUser};

/// With two of them a mail address is no way to find somebody.
const MOST_ALIKE: i64 = 2;

pub(super) async fn find(
    database: &Database,
    issuer: &str,
    subject: &str,
) -> Result<Option<StoredUser>, StoreError> {
    let row = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT p.user_id, p.name, p.password, p.disabled, p.ended_until, p.created_at,
                        p.claims, p.claims_at, p.directory_roles
                 FROM linked_account l JOIN person p ON p.user_id = l.user_id
                 WHERE l.issuer = $1 AND l.subject = $2",
            )
            .bind(issuer)
            .bind(subject)
            .fetch_optional(database.reader())
            .await?)
        })
        .await?;
    row.map(|row| users::user(&row)).transpose()
}

pub(super) async fn add(
    database: &Database,
    issuer: &str,
    subject: &str,
    user: &str,
    now: i64,
) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            if !insert(&mut change, issuer, subject, user, now).await? {
                return Ok(false);
            }
            change.commit().await?;
            Ok(true)
        })
        .await
}

pub(super) async fn remove(
    database: &Database,
    issuer: &str,
    subject: &str,
) -> Result<bool, StoreError> {
    let removed = database
        .write_one(
            sqlx::query("DELETE FROM linked_account WHERE issuer = $1 AND subject = $2")
                .bind(issuer)
                .bind(subject),
        )
        .await?;
    Ok(removed > 0)
}

pub(super) async fn add_user(
    database: &Database,
    stored: &StoredUser,
    issuer: &str,
    subject: &str,
) -> Result<bool, StoreError> {
    let (id, now) = (&stored.user.id, stored.user.created_at);
    database
        .bounded(async {
            let mut change = database.begin().await?;
            let added = users::insert(&mut change, stored, false).await?
                && insert(&mut change, issuer, subject, id, now).await?;
            if !added {
                return Ok(false);
            }
            change.commit().await?;
            Ok(true)
        })
        .await
}

/// `false`: there is one already.
async fn insert(
    change: &mut Change,
    issuer: &str,
    subject: &str,
    user: &str,
    now: i64,
) -> Result<bool, StoreError> {
    let added = sqlx::query(
        "INSERT INTO linked_account (issuer, subject, user_id, linked_at)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(issuer)
    .bind(subject)
    .bind(user)
    .bind(now)
    .execute(&mut **change)
    .await;
    is_new(added)
}

pub(super) async fn with_email(database: &Database, email: &str) -> Result<Vec<User>, StoreError> {
    let rows = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT user_id, name, password, disabled, ended_until, created_at, claims, claims_at,
                        directory_roles
                 FROM person WHERE email = $1 AND email <> '' LIMIT $2",
            )
            .bind(email)
            .bind(MOST_ALIKE)
            .fetch_all(database.reader())
            .await?)
        })
        .await?;
    rows.iter().map(|row| users::user(row).map(|stored| stored.user)).collect()
}
