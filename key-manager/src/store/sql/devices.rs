//! Requests of devices in SQL.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::codes::{grant, listed};
use super::database::Database;
use super::{families, sweep};
use crate::store::{DeviceState, Grant, Slower, StoreError, StoredDevice, StoredFamily};

/// A code that has expired is remembered so long.
const REMEMBERED_SECONDS: i64 = 600;

pub(super) async fn add(
    database: &Database,
    digest: &str,
    user_digest: &str,
    device: &StoredDevice,
    most: u32,
) -> Result<bool, StoreError> {
    let grant = &device.grant;
    let added = database
        .write_one(
            sqlx::query(
                "INSERT INTO device_request (digest, user_digest, family_id, client_id, user_id,
                     session_id, scopes, audience, logged_in_at, methods, denied, pause, asked_at,
                     expires_at, for_user, message, bell)
                 SELECT $1, $2, $3, $4, '', '', $5, $6, 0, $7, 0, $8, 0, $9, $11, $12, $13
                 WHERE (SELECT COUNT(*) FROM device_request WHERE client_id = $4) < $10",
            )
            .bind(digest)
            .bind(user_digest)
            .bind(grant.family_id.as_str())
            .bind(grant.client_id.as_str())
            .bind(grant.scopes.to_string())
            .bind(listed(&grant.audience))
            .bind(grant.method.to_string())
            .bind(device.pause_seconds)
            .bind(device.expires_at)
            .bind(i64::from(most))
            .bind(device.for_user.as_str())
            .bind(device.message.as_str())
            .bind(device.bell.as_str()),
        )
        .await?;
    Ok(added > 0)
}

async fn find(
    database: &Database,
    statement: &'static str,
    digest: &str,
) -> Result<Option<StoredDevice>, StoreError> {
    let row = database
        .read(|| async {
            Ok(sqlx::query(statement).bind(digest).fetch_optional(database.reader()).await?)
        })
        .await?;
    row.map(|row| device(&row)).transpose()
}

fn device(row: &AnyRow) -> Result<StoredDevice, StoreError> {
    let grant = grant(row)?;
    let state = match (row.try_get::<i64, _>("denied")? != 0, grant.user_id.is_empty()) {
        (true, _) => DeviceState::Denied,
        (false, true) => DeviceState::Waiting,
        (false, false) => DeviceState::Approved,
    };
    Ok(StoredDevice {
        grant,
        for_user: row.try_get("for_user")?,
        message: row.try_get("message")?,
        bell: row.try_get("bell")?,
        state,
        pause_seconds: row.try_get("pause")?,
        asked_at: row.try_get("asked_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

/// By the code of the device.
pub(super) async fn of_device(
    database: &Database,
    digest: &str,
) -> Result<Option<StoredDevice>, StoreError> {
    const FIND: &str = "SELECT family_id, client_id, user_id, session_id, scopes, audience,
        logged_in_at, methods, denied, pause, asked_at, expires_at, for_user, message, bell
        FROM device_request WHERE digest = $1";
    find(database, FIND, digest).await
}

/// By the code of the person.
pub(super) async fn of_person(
    database: &Database,
    digest: &str,
) -> Result<Option<StoredDevice>, StoreError> {
    const FIND: &str = "SELECT family_id, client_id, user_id, session_id, scopes, audience,
        logged_in_at, methods, denied, pause, asked_at, expires_at, for_user, message, bell
        FROM device_request WHERE user_digest = $1";
    find(database, FIND, digest).await
}

/// What waits for an answer of this person.
pub(super) async fn waiting_for(
    database: &Database,
    user: &str,
    now: i64,
    limit: u32,
) -> Result<Vec<(String, StoredDevice)>, StoreError> {
    let rows = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT family_id, client_id, user_id, session_id, scopes, audience,
                     logged_in_at, methods, denied, pause, asked_at, expires_at, for_user, message, bell,
                     user_digest
                 FROM device_request
                 WHERE for_user = $1 AND user_id = '' AND denied = 0 AND expires_at > $2
                 ORDER BY expires_at DESC LIMIT $3",
            )
            .bind(user)
            .bind(now)
            .bind(i64::from(limit))
            .fetch_all(database.reader())
            .await?)
        })
        .await?;
    rows.iter().map(|row| Ok((row.try_get("user_digest")?, device(row)?))).collect()
}

/// Writes down when the device asked; whether it waited as long as it had to. Each of the two writes
/// holds its own condition: of questions that come at once the first is in time.
pub(super) async fn asked(
    database: &Database,
    digest: &str,
    now: i64,
    slower: Slower,
) -> Result<bool, StoreError> {
    let in_time = database
        .write_one(
            sqlx::query(
                "UPDATE device_request SET asked_at = $1
                 WHERE digest = $2 AND asked_at + pause <= $1",
            )
            .bind(now)
            .bind(digest),
        )
        .await?;
    if in_time > 0 {
        return Ok(true);
    }
    database
        .write_one(
            sqlx::query(
                "UPDATE device_request SET asked_at = $1,
                     pause = CASE WHEN pause + $2 < $3 THEN pause + $2 ELSE $3 END
                 WHERE digest = $4",
            )
            .bind(now)
            .bind(slower.by_seconds)
            .bind(slower.most_seconds)
            .bind(digest),
        )
        .await?;
    Ok(false)
}

/// The answer of a person; the first one counts.
pub(super) async fn decide(
    database: &Database,
    user_digest: &str,
    answer: Option<&Grant>,
    now: i64,
) -> Result<bool, StoreError> {
    let changed = match answer {
        Some(grant) => {
            database
                .write_one(
                    sqlx::query(
                        "UPDATE device_request SET user_id = $1, session_id = $2,
                             logged_in_at = $3, methods = $4, scopes = $5
                         WHERE user_digest = $6 AND user_id = '' AND denied = 0
                             AND expires_at > $7",
                    )
                    .bind(grant.user_id.as_str())
                    .bind(grant.session_id.as_str())
                    .bind(grant.logged_in_at)
                    .bind(grant.method.to_string())
                    .bind(grant.scopes.to_string())
                    .bind(user_digest)
                    .bind(now),
                )
                .await?
        }
        None => {
            database
                .write_one(
                    sqlx::query(
                        "UPDATE device_request SET denied = 1
                         WHERE user_digest = $1 AND user_id = '' AND denied = 0
                             AND expires_at > $2",
                    )
                    .bind(user_digest)
                    .bind(now),
                )
                .await?
        }
    };
    Ok(changed > 0)
}

/// Takes an approved request out and adds the family that begins with it, both or none.
pub(super) async fn spend(
    database: &Database,
    digest: &str,
    family: Option<&StoredFamily>,
) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            let taken = sqlx::query("DELETE FROM device_request WHERE digest = $1")
                .bind(digest)
                .execute(&mut *change)
                .await?
                .rows_affected();
            if taken == 0 {
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

/// Those that ended a while ago: until then the device hears that its code expired.
pub(super) async fn sweep(database: &Database, now: i64) -> Result<u64, StoreError> {
    let last = now.saturating_sub(REMEMBERED_SECONDS).saturating_sub(1);
    sweep::until(database, "device_request", "digest", ("expires_at", last)).await
}
