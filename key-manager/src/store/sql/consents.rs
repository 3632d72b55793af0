//! Consents in SQL.

use sqlx::Row as _;

use super::database::Database;
use super::ledger;
use super::revocations::{self, Part};
use crate::domain::{ClientId, Entry, Scopes};
use crate::store::{StoreError, StoredConsent};

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

/// What a person allowed, by the name of the client.
pub(super) async fn of_user(
    database: &Database,
    user: &str,
    limit: u32,
) -> Result<Vec<StoredConsent>, StoreError> {
    let rows = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT consent.client_id, client.name, consent.scopes, consent.given_at
                 FROM consent JOIN client ON client.client_id = consent.client_id
                 WHERE consent.user_id = $1 ORDER BY client.name, consent.client_id LIMIT $2",
            )
            .bind(user)
            .bind(i64::from(limit))
            .fetch_all(database.reader())
            .await?)
        })
        .await?;
    let consent = |row: &sqlx::any::AnyRow| {
        let client: String = row.try_get(0)?;
        Ok(StoredConsent {
            client_id: ClientId::parse(&client)
                .map_err(|_| StoreError::Damaged { what: "client identifier", value: client })?,
            client_name: row.try_get(1)?,
            scopes: parsed(row.try_get(2)?)?,
            given_at: row.try_get(3)?,
        })
    };
    rows.iter().map(consent).collect()
}

/// Takes back what a person allowed a client, with what was issued for it; `end` is the line of
/// each family (KM-104).
pub(super) async fn withdraw(
    database: &Database,
    user: &str,
    client: &ClientId,
    end: &Entry,
) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            ledger::hold(&mut change).await?;
            let gone = sqlx::query("DELETE FROM consent WHERE user_id = $1 AND client_id = $2")
                .bind(user)
                .bind(client.as_str())
                .execute(&mut *change)
                .await?
                .rows_affected();
            if gone == 0 {
                return Ok(false);
            }
            revocations::end_grants(&mut change, user, Part::Client(client.as_str()), end).await?;
            change.commit().await?;
            Ok(true)
        })
        .await
}

fn parsed(text: String) -> Result<Scopes, StoreError> {
    Scopes::parse(&text).map_err(|_| StoreError::Damaged { what: "scope", value: text })
}
