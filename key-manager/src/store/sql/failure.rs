//! What does a failure of the database mean for the caller?

use sqlx::any::AnyQueryResult;
use sqlx::error::DatabaseError;

use crate::store::StoreError;

impl From<sqlx::Error> for StoreError {
    fn from(failure: sqlx::Error) -> Self {
        match &failure {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::BeginFailed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(Box::new(failure)),
            sqlx::Error::Database(refusal) => match blame(refusal.as_ref()) {
                Blame::Server => Self::Unavailable(Box::new(failure)),
                Blame::Writers => Self::Contended(Box::new(failure)),
                Blame::Request => Self::Refused(Box::new(failure)),
            },
            _ => Self::Refused(Box::new(failure)),
        }
    }
}

/// Whether the same row, or the same table, was there already. PostgreSQL says the latter also to
/// those who asked for it only `IF NOT EXISTS`, when another one makes it at the same moment.
pub(super) fn is_repeat(failure: &sqlx::Error) -> bool {
    let Some(refusal) = failure.as_database_error() else { return false };
    let code = refusal.code().unwrap_or_default();
    refusal.is_unique_violation() || matches!(&*code, "42710" | "42P07")
}

/// What became of a new row; `false`: there is one already.
pub(super) fn is_new(added: Result<AnyQueryResult, sqlx::Error>) -> Result<bool, StoreError> {
    match added {
        Err(failure) if is_repeat(&failure) => Ok(false),
        other => {
            other?;
            Ok(true)
        }
    }
}

/// Whether the connection, or the server behind it, is gone.
pub(super) fn is_lost(failure: &sqlx::Error) -> bool {
    match failure {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(refusal) => matches!(blame(refusal.as_ref()), Blame::Server),
        _ => false,
    }
}

enum Blame {
    Server,
    Writers,
    Request,
}

/// PostgreSQL answers with an SQLSTATE of five characters, SQLite with its extended result code.
fn blame(refusal: &dyn DatabaseError) -> Blame {
    let code = refusal.code().unwrap_or_default();
    if let (true, Ok(number)) = (code.len() < 5, code.parse::<u32>()) {
        // https://www.sqlite.org/rescode.html: BUSY and LOCKED; IOERR, FULL, CANTOPEN, READONLY.
        return match number & 0xff {
            5 | 6 => Blame::Writers,
            8 | 10 | 13 | 14 => Blame::Server,
            _ => Blame::Request,
        };
    }
    match code.get(..2) {
        // Connection, resources, operator intervention, system error.
        Some("08" | "53" | "57" | "58") => Blame::Server,
        // Serialisation failure, deadlock.
        Some("40") => Blame::Writers,
        // A standby after a failover: the next connection finds the new primary.
        _ if code == "25006" => Blame::Server,
        _ => Blame::Request,
    }
}
