//! The revocation log in SQL.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::database::{Change, Database};
use super::families::{self, Of};
use super::ledger::{self, next_sequence, signed, unsigned};
use super::{sweep, users};
use crate::domain::{ClientId, Ended, Entry, LiveToken, Revocation};
use crate::store::StoreError;

/// Writes the next line.
pub(super) async fn append(change: &mut Change, entry: &Entry) -> Result<u64, StoreError> {
    let sequence = next_sequence(change).await?;
    let (kind, name, issued_until) = columns(&entry.what);
    sqlx::query(
        "INSERT INTO revocation (sequence, issuer, kind, name, issued_until, forget_after)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(sequence)
    .bind(entry.issuer.as_str())
    .bind(kind)
    .bind(name)
    .bind(issued_until)
    .bind(entry.forget_after)
    .execute(&mut **change)
    .await?;
    Ok(unsigned(sequence))
}

pub(super) async fn revoke(database: &Database, entry: &Entry) -> Result<Option<u64>, StoreError> {
    let one = matches!(entry.what, Ended::Token(_) | Ended::Family(_));
    let work = async {
        let mut change = database.begin().await?;
        // The sequence is taken first: it is the lock under which two revocations of one
        // token see each other.
        let sequence = append(&mut change, entry).await?;
        match &entry.what {
            Ended::Token(_) | Ended::Family(_) => {
                if is_known(&mut change, entry, sequence).await? {
                    change.rollback().await?;
                    return Ok(None);
                }
                if let Ended::Family(id) = &entry.what {
                    families::end(&mut change, Of::Family(id)).await?;
                }
            }
            Ended::Client(id, until) => {
                note_end(&mut change, id.as_str(), *until).await?;
                families::end(&mut change, Of::Client(id.as_str())).await?;
            }
            // A subject is a person, or a client that acts for itself.
            Ended::Subject(subject, until) => {
                note_end(&mut change, subject, *until).await?;
                users::note_end(&mut change, subject, *until).await?;
                families::end(&mut change, Of::User(subject)).await?;
            }
        }
        change.commit().await?;
        Ok(Some(sequence))
    };
    if one { database.bounded(work).await } else { database.bounded_whole(work).await }
}

/// Which of what a person allowed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'n> {
    Session(&'n str),
    Client(&'n str),
}

/// Ends what was issued for a person from one session or to one client: families and what came
/// from codes without one, each with its line, which is `end` with its name; and codes that were
/// not used yet.
pub(super) async fn end_grants(
    change: &mut Change,
    user: &str,
    part: Part<'_>,
    end: &Entry,
) -> Result<(), StoreError> {
    let (families, codes, unused, name) = match part {
        Part::Session(id) => (
            "SELECT family_id FROM family WHERE user_id = $1 AND session_id = $2 AND revoked = 0",
            "SELECT family_id FROM code WHERE user_id = $1 AND session_id = $2 AND used_at > 0",
            "UPDATE code SET used_at = expires_at
             WHERE user_id = $1 AND session_id = $2 AND used_at = 0",
            id,
        ),
        Part::Client(id) => (
            "SELECT family_id FROM family WHERE user_id = $1 AND client_id = $2 AND revoked = 0",
            "SELECT family_id FROM code WHERE user_id = $1 AND client_id = $2 AND used_at > 0",
            "UPDATE code SET used_at = expires_at
             WHERE user_id = $1 AND client_id = $2 AND used_at = 0",
            id,
        ),
    };
    // First, so that no code is exchanged while the rest is looked up.
    sqlx::query(unused).bind(user).bind(name).execute(&mut **change).await?;
    let mut ids: Vec<String> = Vec::new();
    for statement in [families, codes] {
        let rows = sqlx::query(statement).bind(user).bind(name).fetch_all(&mut **change).await?;
        for row in rows {
            ids.push(row.try_get(0)?);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        families::end(change, Of::Family(&id)).await?;
        append(change, &Entry { what: Ended::Family(id), ..end.clone() }).await?;
    }
    Ok(())
}

/// Whether the log has a line that ends the same.
async fn is_known(change: &mut Change, entry: &Entry, sequence: u64) -> Result<bool, sqlx::Error> {
    let (kind, name, _) = columns(&entry.what);
    let known = sqlx::query(
        "SELECT sequence FROM revocation
         WHERE name = $1 AND kind = $2 AND issuer = $3 AND sequence < $4 LIMIT 1",
    )
    .bind(name)
    .bind(kind)
    .bind(entry.issuer.as_str())
    .bind(signed(sequence))
    .fetch_optional(&mut **change)
    .await?;
    Ok(known.is_some())
}

async fn note_end(change: &mut Change, client_id: &str, until: i64) -> Result<(), sqlx::Error> {
    let noted =
        sqlx::query("UPDATE client SET ended_until = $1 WHERE client_id = $2 AND ended_until < $1")
            .bind(until)
            .bind(client_id)
            .execute(&mut **change)
            .await?;
    if noted.rows_affected() > 0 { ledger::end_client(change, until).await } else { Ok(()) }
}

pub(super) async fn range(
    database: &Database,
    after: u64,
    until: u64,
    limit: u32,
) -> Result<Vec<Revocation>, StoreError> {
    let rows = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT sequence, issuer, kind, name, issued_until, forget_after FROM revocation
                 WHERE sequence > $1 AND sequence <= $2 ORDER BY sequence LIMIT $3",
            )
            .bind(signed(after))
            .bind(signed(until))
            .bind(i64::from(limit))
            .fetch_all(database.reader())
            .await?)
        })
        .await?;
    rows.iter().map(revocation).collect()
}

fn revocation(row: &AnyRow) -> Result<Revocation, StoreError> {
    let kind: String = row.try_get(2)?;
    let name: String = row.try_get(3)?;
    let until: i64 = row.try_get(4)?;
    let what = match kind.as_str() {
        "token" => Ended::Token(name),
        "family" => Ended::Family(name),
        "subject" => Ended::Subject(name, until),
        "client" => match ClientId::parse(&name) {
            Ok(id) => Ended::Client(id, until),
            Err(_) => return Err(StoreError::Damaged { what: "client identifier", value: name }),
        },
        _ => return Err(StoreError::Damaged { what: "kind of revocation", value: kind }),
    };
    Ok(Revocation {
        sequence: unsigned(row.try_get(0)?),
        entry: Entry { issuer: row.try_get(1)?, what, forget_after: row.try_get(5)? },
    })
}

fn columns(what: &Ended) -> (&'static str, &str, i64) {
    match what {
        Ended::Token(jti) => ("token", jti, 0),
        Ended::Family(id) => ("family", id, 0),
        Ended::Client(id, until) => ("client", id.as_str(), *until),
        Ended::Subject(subject, until) => ("subject", subject, *until),
    }
}

pub(super) async fn names(database: &Database, token: &LiveToken) -> Result<bool, StoreError> {
    let found = database
        .read(|| async {
            Ok(sqlx::query(
                "SELECT sequence FROM revocation WHERE issuer = $1 AND (
                     (name = $2 AND kind = 'token')
                     OR (name = $3 AND kind = 'client' AND issued_until >= $5)
                     OR (name = $4 AND kind = 'subject' AND issued_until >= $5)
                     OR (name = $6 AND kind = 'family'))
                 LIMIT 1",
            )
            .bind(token.issuer.as_str())
            .bind(token.jti.as_str())
            .bind(token.client_id.as_str())
            .bind(token.subject.as_str())
            .bind(token.issued_at)
            .bind(token.family.as_deref().unwrap_or_default())
            .fetch_optional(database.reader())
            .await?)
        })
        .await?;
    Ok(found.is_some())
}

pub(super) async fn forget(database: &Database, now: i64) -> Result<u64, StoreError> {
    let last = now.saturating_sub(1);
    sweep::until(database, "revocation", "sequence", ("forget_after", last)).await
}
