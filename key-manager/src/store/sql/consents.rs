//! Consents in SQL.

use sqlx::Row as _;

use super::database::Database;
use crate::domain::{ClientId, Scopes};
use crate::store::StoreError;

const FIND: &str = "SELECT scopes FROM consent WHERE user_id = $1 AND client_id = $2";

pub(super) async fn find(
    database: &Database,
    user: &str,
    client: &ClientId,
) -> Result<Scopes, StoreError> {
    let row = database
        .read(|| async {
            let found = sqlx::query(FIND).bind(user).bind(client.as_str());
            Ok(found.fetch_optional(database.reader()).await?)
        })
        .await?;
    let Some(row) = row else { return Ok(Scopes::default()) };
    parsed(row.try_get(0)?)
}

pub(super) async fn add(
    database: &Database,
    user: &str,
    client: &ClientId,
    scopes: &Scopes,
    now: i64,
) -> Result<(), StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            let known = sqlx::query(FIND)
                .bind(user)
                .bind(client.as_str())
                .fetch_optional(&mut *change)
                .await?;
            let known = match known {
                Some(row) => parsed(row.try_get(0)?)?,
                None => Scopes::default(),
            };
            // More than one client may have is never asked for, so the union fits.
            let all = Scopes::collect(known.iter().chain(scopes.iter()))
                .unwrap_or_else(|_| scopes.clone());
            sqlx::query(
                "INSERT INTO consent (user_id, client_id, scopes, given_at)
                 VALUES ($1, $2, $3, $4)
                 ON CONFLICT (user_id, client_id) DO UPDATE SET scopes = $3, given_at = $4",
            )
            .bind(user)
            .bind(client.as_str())
            .bind(all.to_string())
            .bind(now)
            .execute(&mut *change)
            .await?;
            change.commit().await?;
            Ok(())
        })
        .await
}

fn parsed(text: String) -> Result<Scopes, StoreError> {
    Scopes::parse(&text).map_err(|_| StoreError::Damaged { what: "scope", value: text })
}
