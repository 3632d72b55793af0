//! Authorization codes in SQL.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::database::Database;
use super::{families, sweep};
use crate::domain::{ClientId, Scopes, Wishes};
use crate::store::{Grant, StoreError, StoredCode, StoredFamily};

/// A used code is remembered so long, so that its second use is seen (KM-030).
const REMEMBERED_SECONDS: i64 = 24 * 3600;

pub(super) async fn add(
    database: &Database,
    digest: &str,
    code: &StoredCode,
) -> Result<(), StoreError> {
    let grant = &code.grant;
    database
        .write_one(
            sqlx::query(
                "INSERT INTO code (digest, family_id, client_id, user_id, session_id, scopes,
                     audience, logged_in_at, redirect_uri, challenge, nonce, expires_at, used_at,
                     methods, key_thumbprint, wishes)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            )
            .bind(digest)
            .bind(grant.family_id.as_str())
            .bind(grant.client_id.as_str())
            .bind(grant.user_id.as_str())
            .bind(grant.session_id.as_str())
            .bind(grant.scopes.to_string())
            .bind(listed(&grant.audience))
            .bind(grant.logged_in_at)
            .bind(code.redirect_uri.as_str())
            .bind(code.challenge.as_deref().unwrap_or_default())
            .bind(code.nonce.as_deref().unwrap_or_default())
            .bind(code.expires_at)
            .bind(code.used_at.unwrap_or(0))
            .bind(grant.method.to_string())
            .bind(code.key.as_deref().unwrap_or_default())
            .bind(grant.wishes.to_text()),
        )
        .await?;
    Ok(())
}

pub(super) async fn find(
    database: &Database,
    digest: &str,
) -> Result<Option<StoredCode>, StoreError> {
    let row = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT family_id, client_id, user_id, session_id, scopes, audience, logged_in_at,
                     redirect_uri, challenge, nonce, expires_at, used_at, methods,
                     key_thumbprint, wishes
                 FROM code WHERE digest = $1",
            )
            .bind(digest)
            .fetch_optional(database.reader())
            .await?)
        })
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(StoredCode {
        grant: Grant { wishes: wishes(&row)?, ..grant(&row)? },
        redirect_uri: row.try_get(7)?,
        challenge: Some(row.try_get(8)?).filter(|challenge: &String| !challenge.is_empty()),
        nonce: Some(row.try_get(9)?).filter(|nonce: &String| !nonce.is_empty()),
        key: Some(row.try_get("key_thumbprint")?).filter(|key: &String| !key.is_empty()),
        expires_at: row.try_get(10)?,
        used_at: Some(row.try_get(11)?).filter(|at| *at != 0),
    }))
}

/// The first seven columns of a code and of a family, and `methods`.
pub(super) fn grant(row: &AnyRow) -> Result<Grant, StoreError> {
    let damaged = |what, value: &str| StoreError::Damaged { what, value: value.to_owned() };
    let client: String = row.try_get(1)?;
    let scopes: String = row.try_get(4)?;
    let audience: String = row.try_get(5)?;
    let methods: String = row.try_get("methods")?;
    Ok(Grant {
        family_id: row.try_get(0)?,
        client_id: ClientId::parse(&client).map_err(|_| damaged("client identifier", &client))?,
        user_id: row.try_get(2)?,
        session_id: row.try_get(3)?,
        scopes: Scopes::parse(&scopes).map_err(|_| damaged("scope", &scopes))?,
        audience: serde_json::from_str(&audience).map_err(|_| damaged("audience", &audience))?,
        logged_in_at: row.try_get(6)?,
        method: methods.parse().map_err(|_| damaged("way to log in", &methods))?,
        wishes: Wishes::default(),
    })
}

/// What a code and a family hold beside their scopes.
pub(super) fn wishes(row: &AnyRow) -> Result<Wishes, StoreError> {
    let text: String = row.try_get("wishes")?;
    Wishes::parse(&text).ok_or(StoreError::Damaged { what: "wish", value: text })
}

/// A list of texts as JSON, whatever is in them.
pub(super) fn listed(texts: &[String]) -> String {
    serde_json::json!(texts).to_string()
}

pub(super) async fn spend(
    database: &Database,
    digest: &str,
    family: Option<&StoredFamily>,
    now: i64,
) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            let used =
                sqlx::query("UPDATE code SET used_at = $1 WHERE digest = $2 AND used_at = 0")
                    .bind(now)
                    .bind(digest)
                    .execute(&mut *change)
                    .await?
                    .rows_affected();
            if used == 0 {
                return Ok(false);
            }
            if let Some(family) = family {
                families::add(&mut change, family).await?;
            }
            change.commit().await?;
            Ok(true)
        })
        .await
}

pub(super) async fn sweep(database: &Database, now: i64) -> Result<u64, StoreError> {
    let last = now.saturating_sub(REMEMBERED_SECONDS).saturating_sub(1);
    sweep::until(database, "code", "digest", ("expires_at", last)).await
}
