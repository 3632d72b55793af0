//! Which events is a question about, and how much may its answer say?

use crate::question::Window;
use crate::store::{Arguments, QueryError};

/// An answer has at most so many rows.
pub const MOST_ROWS: usize = 10_000;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The answer would be too long.
    #[error(
        "the answer has more than {MOST_ROWS} rows; ask for less time, longer intervals or one api"
    )]
    TooManyRows,
    /// The store did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// Which events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// When.
    pub window: Window,
    /// Of this Api.
    pub api: Option<String>,
    /// Of this version of it.
    pub api_version: Option<String>,
    /// Of this Application.
    pub application: Option<String>,
}

/// How time is cut: not at all, or in equal parts of so many microseconds from the Unix epoch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(pub Option<i64>);

impl Filter {
    /// The `WHERE` clause, with `also` as a further condition.
    pub(super) fn condition(&self, also: &str, arguments: &mut Arguments) -> String {
        let wanted = [
            ("api", &self.api),
            ("api_version", &self.api_version),
            ("application", &self.application),
        ];
        wanted.into_iter().fold(format!("WHERE ({also})"), |sql, (column, value)| match value {
            Some(value) => format!("{sql} AND {column} = {}", arguments.text(value)),
            None => sql,
        })
    }

    /// The expression for the start of an event's interval.
    pub(super) fn start(&self, interval: Interval, arguments: &mut Arguments) -> String {
        match interval.0 {
            Some(length) => {
                let length = arguments.number(length);
                format!("(at_us // {length}::BIGINT) * {length}::BIGINT")
            }
            None => format!("{}::BIGINT", arguments.number(self.window.since_us)),
        }
    }
}

/// One row more than allowed is asked for, so that too many are noticed.
pub(super) const LIMIT: usize = MOST_ROWS + 1;

pub(super) fn bounded<T>(rows: Vec<T>) -> Result<Vec<T>, ReportError> {
    if rows.len() > MOST_ROWS { Err(ReportError::TooManyRows) } else { Ok(rows) }
}
