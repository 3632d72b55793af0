//! Clients and their secrets in SQL.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _};

use super::database::{Change, Database};
use super::{ledger, revocations};
use crate::domain::{
    About, Authentication, CertificateName, Client, ClientId, Entry, RedirectUri, Requests, Scopes,
    Terms,
};
use crate::store::{StoreError, StoredClient, StoredSecret};

/// One round trip: a line for each secret, or one without a secret.
const FIND: &str = "SELECT c.name, c.grant_types, c.scopes, c.access_token_seconds, c.algorithm,
        c.ended_until, c.created_at, s.secret_id, s.digest, s.created_at, s.expires_at,
        c.redirect_uris, c.first_party, c.refresh_policy, c.auth_method, c.auth_algorithm, c.jwks,
        c.certificate_name, c.dpop_bound, c.certificate_bound, c.allow_no_pkce, c.jwks_uri, c.about, c.registration,
        c.require_pushed, c.require_signed, c.logout_uris, c.backchannel_logout_uri, c.terms,
        s.sealed, s.label
    FROM client c LEFT JOIN client_secret s ON s.client_id = c.client_id
    WHERE c.client_id = $1 ORDER BY s.created_at, s.secret_id";

/// The same places in both.
const INSERT: &str = "INSERT INTO client (client_id,
        name, grant_types, scopes, access_token_seconds, algorithm, ended_until, created_at,
        redirect_uris, first_party, refresh_policy, auth_method, auth_algorithm, jwks,
        certificate_name, dpop_bound, certificate_bound, allow_no_pkce, jwks_uri, about,
        registration, require_pushed, require_signed, logout_uris,
        backchannel_logout_uri, terms)
    VALUES ($1,
        $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
        $21, $22, $23, $24, $25, $26)";
const UPDATE: &str = "UPDATE client SET
        name = $2, grant_types = $3, scopes = $4, access_token_seconds = $5, algorithm = $6,
        ended_until = $7, created_at = $8, redirect_uris = $9, first_party = $10,
        refresh_policy = $11, auth_method = $12, auth_algorithm = $13, jwks = $14,
        certificate_name = $15, dpop_bound = $16, certificate_bound = $17, allow_no_pkce = $18,
        jwks_uri = $19, about = $20, registration = $21, require_pushed = $22,
        require_signed = $23, logout_uris = $24, backchannel_logout_uri = $25,
        terms = $26
    WHERE client_id = $1";

pub(super) async fn find(
    database: &Database,
    id: &ClientId,
) -> Result<Option<StoredClient>, StoreError> {
    let rows = database
        .read(|| async {
            Ok(sqlx::query(FIND).bind(id.as_str()).fetch_all(database.reader()).await?)
        })
        .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let client = client(id, first)?;
    let secrets = rows.iter().filter_map(|row| secret(row).transpose());
    let registration: String = first.try_get("registration")?;
    Ok(Some(StoredClient {
        client,
        secrets: secrets.collect::<Result<_, _>>()?,
        registration: Some(registration).filter(|digest| !digest.is_empty()),
    }))
}

fn client(id: &ClientId, row: &AnyRow) -> Result<Client, StoreError> {
    let scopes: String = row.try_get(2)?;
    let algorithm: String = row.try_get(4)?;
    let seconds: i64 = row.try_get(3)?;
    let redirects: String = row.try_get(11)?;
    let refresh: String = row.try_get(13)?;
    let about: String = row.try_get("about")?;
    let terms: String = row.try_get("terms")?;
    let damaged = |what, value: &str| StoreError::Damaged { what, value: value.to_owned() };
    Ok(Client {
        id: id.clone(),
        name: row.try_get(0)?,
        grant_types: words(&row.try_get::<String, _>(1)?),
        scopes: Scopes::parse(&scopes).map_err(|_| damaged("scope", &scopes))?,
        access_token_seconds: u32::try_from(seconds).ok().filter(|seconds| *seconds > 0),
        algorithm: match algorithm.as_str() {
            "" => None,
            name => Some(name.parse().map_err(|_| damaged("algorithm", name))?),
        },
        redirect_uris: addresses(&redirects)?,
        first_party: row.try_get::<i64, _>(12)? != 0,
        requests: Requests {
            without_pkce: row.try_get::<i64, _>("allow_no_pkce")? != 0,
            pushed: row.try_get::<i64, _>("require_pushed")? != 0,
            signed: row.try_get::<i64, _>("require_signed")? != 0,
        },
        logout_notice: Some(row.try_get("backchannel_logout_uri")?)
            .filter(|uri: &String| !uri.is_empty()),
        logout_uris: addresses(&row.try_get::<String, _>("logout_uris")?)?,
        refresh: refresh.parse().map_err(|_| damaged("refresh policy", &refresh))?,
        ended_until: row.try_get(5)?,
        created_at: row.try_get(6)?,
        authentication: authentication(row)?,
        about: About::parse(&about).ok_or_else(|| damaged("description", &about))?,
        terms: Terms::parse(&terms).ok_or_else(|| damaged("term", &terms))?,
    })
}

fn authentication(row: &AnyRow) -> Result<Authentication, StoreError> {
    let damaged = |what, value: String| StoreError::Damaged { what, value };
    let method: String = row.try_get("auth_method")?;
    let algorithm: String = row.try_get("auth_algorithm")?;
    let name: String = row.try_get("certificate_name")?;
    Ok(Authentication {
        method: method.parse().map_err(|_| damaged("authentication method", method))?,
        algorithm: match algorithm.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| damaged("algorithm", algorithm))?),
        },
        jwks: row.try_get("jwks")?,
        jwks_uri: Some(row.try_get("jwks_uri")?).filter(|uri: &String| !uri.is_empty()),
        certificate_name: match name.as_str() {
            "" => None,
            text => {
                let read = CertificateName::parse(text);
                Some(read.ok_or_else(|| damaged("name in a certificate", name))?)
            }
        },
        dpop_bound: row.try_get::<i64, _>("dpop_bound")? != 0,
        certificate_bound: row.try_get::<i64, _>("certificate_bound")? != 0,
    })
}

fn secret(row: &AnyRow) -> Result<Option<StoredSecret>, StoreError> {
    let Some(id) = row.try_get::<Option<String>, _>(7)? else { return Ok(None) };
    let expires_at: i64 = row.try_get(10)?;
    Ok(Some(StoredSecret {
        id,
        label: row.try_get("label")?,
        digest: row.try_get(8)?,
        created_at: row.try_get(9)?,
        expires_at: Some(expires_at).filter(|at| *at > 0),
        sealed: row.try_get("sealed")?,
    }))
}

fn addresses(text: &str) -> Result<Vec<RedirectUri>, StoreError> {
    let damaged = |uri: &str| StoreError::Damaged { what: "address", value: uri.to_owned() };
    let each = text.split_ascii_whitespace();
    each.map(|uri| RedirectUri::parse(uri).map_err(|_| damaged(uri))).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

fn joined(uris: &[RedirectUri]) -> String {
    uris.iter().map(RedirectUri::as_str).collect::<Vec<_>>().join(" ")
}

pub(super) async fn add(database: &Database, stored: &StoredClient) -> Result<(), StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            bound(INSERT, stored).execute(&mut *change).await?;
            add_secrets(&mut change, stored).await?;
            change.commit().await?;
            Ok(())
        })
        .await
}

pub(super) async fn replace(
    database: &Database,
    stored: &StoredClient,
) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            if bound(UPDATE, stored).execute(&mut *change).await?.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query("DELETE FROM client_secret WHERE client_id = $1")
                .bind(stored.client.id.as_str())
                .execute(&mut *change)
                .await?;
            add_secrets(&mut change, stored).await?;
            ledger::change_client(&mut change).await?;
            change.commit().await?;
            Ok(true)
        })
        .await
}

/// A statement with a client in the places that `INSERT` and `UPDATE` share.
fn bound<'q>(statement: &'static str, stored: &'q StoredClient) -> Query<'q, Any, AnyArguments> {
    let client = &stored.client;
    let proving = &client.authentication;
    sqlx::query(statement)
        .bind(client.id.as_str())
        .bind(client.name.as_str())
        .bind(client.grant_types.join(" "))
        .bind(client.scopes.to_string())
        .bind(client.access_token_seconds.map_or(0, i64::from))
        .bind(client.algorithm.map_or("", |algorithm| algorithm.name()))
        .bind(client.ended_until)
        .bind(client.created_at)
        .bind(joined(&client.redirect_uris))
        .bind(i64::from(client.first_party))
        .bind(client.refresh.name())
        .bind(proving.method.name())
        .bind(proving.algorithm.map_or("", |algorithm| algorithm.name()))
        .bind(proving.jwks.as_str())
        .bind(proving.certificate_name.as_ref().map_or(String::new(), ToString::to_string))
        .bind(i64::from(proving.dpop_bound))
        .bind(i64::from(proving.certificate_bound))
        .bind(i64::from(client.requests.without_pkce))
        .bind(proving.jwks_uri.as_deref().unwrap_or_default())
        .bind(client.about.to_text())
        .bind(stored.registration.as_deref().unwrap_or_default())
        .bind(i64::from(client.requests.pushed))
        .bind(i64::from(client.requests.signed))
        .bind(joined(&client.logout_uris))
        .bind(client.logout_notice.as_deref().unwrap_or_default())
        .bind(client.terms.to_text())
}

async fn add_secrets(change: &mut Change, stored: &StoredClient) -> Result<(), StoreError> {
    for secret in &stored.secrets {
        sqlx::query(
            "INSERT INTO client_secret
                 (client_id, secret_id, digest, created_at, expires_at, sealed, label)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(stored.client.id.as_str())
        .bind(secret.id.as_str())
        .bind(secret.digest.as_str())
        .bind(secret.created_at)
        .bind(secret.expires_at.unwrap_or(0))
        .bind(secret.sealed.as_str())
        .bind(secret.label.as_str())
        .execute(&mut **change)
        .await?;
    }
    Ok(())
}

pub(super) async fn add_secret(
    database: &Database,
    client: &ClientId,
    secret: &StoredSecret,
    most: u32,
) -> Result<bool, StoreError> {
    let add = sqlx::query(
        "INSERT INTO client_secret
             (client_id, secret_id, digest, created_at, expires_at, sealed, label)
         SELECT $1, $2, $3, $4, $5, $6, $7
         WHERE (SELECT COUNT(*) FROM client_secret WHERE client_id = $1) < $8
         AND EXISTS (SELECT 1 FROM client WHERE client_id = $1)",
    )
    .bind(client.as_str())
    .bind(secret.id.as_str())
    .bind(secret.digest.as_str())
    .bind(secret.created_at)
    .bind(secret.expires_at.unwrap_or(0))
    .bind(secret.sealed.as_str())
    .bind(secret.label.as_str())
    .bind(i64::from(most));
    changed(database, add).await
}

pub(super) async fn remove_secret(
    database: &Database,
    client: &ClientId,
    id: &str,
) -> Result<bool, StoreError> {
    let gone = sqlx::query("DELETE FROM client_secret WHERE client_id = $1 AND secret_id = $2")
        .bind(client.as_str())
        .bind(id);
    changed(database, gone).await
}

/// Changes the secrets of a client, which nobody remembers then as it was.
async fn changed(
    database: &Database,
    statement: Query<'_, Any, AnyArguments>,
) -> Result<bool, StoreError> {
    database
        .bounded(async {
            let mut change = database.begin().await?;
            if statement.execute(&mut *change).await?.rows_affected() == 0 {
                return Ok(false);
            }
            ledger::change_client(&mut change).await?;
            change.commit().await?;
            Ok(true)
        })
        .await
}

pub(super) async fn remove(
    database: &Database,
    id: &ClientId,
    end: &Entry,
) -> Result<Option<u64>, StoreError> {
    database
        .bounded_whole(async {
            let mut change = database.begin().await?;
            let removed = sqlx::query("DELETE FROM client WHERE client_id = $1")
                .bind(id.as_str())
                .execute(&mut *change)
                .await?
                .rows_affected();
            if removed == 0 {
                return Ok(None);
            }
            let sequence = revocations::append(&mut change, end).await?;
            ledger::change_client(&mut change).await?;
            change.commit().await?;
            Ok(Some(sequence))
        })
        .await
}
