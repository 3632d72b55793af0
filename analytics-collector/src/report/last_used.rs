//! When was a key used last?
//!
//! By all events that are kept. A call that was refused before its application was known does not count:
//! whoever guesses a key does not keep it in use.

use std::sync::Arc;

use super::ask::{AHEAD_US, ReportError, numbers, texts};
use crate::question::{Condition, Dimension, Group, Measure, Order, Question, Test, Window};
use crate::store::Reader;

/// Keys of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Name of the Application.
    pub application: String,
    /// Consumer keys, and identifiers of API keys.
    pub keys: Vec<String>,
}

/// The last call with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// The key.
    pub key: String,
    /// When the call began, microseconds since the Unix epoch.
    pub at_us: i64,
}

/// The last call with each of the keys that were used, by key; `now_us` is the time.
pub async fn last_used(
    reader: &Arc<Reader>,
    keys: &Keys,
    now_us: i64,
) -> Result<Vec<LastUse>, ReportError> {
    // All that is kept, and therefore within what may be asked for.
    let window = Window { since_us: 0, until_us: now_us.saturating_add(AHEAD_US) };
    let is = |of, values: &[String]| Condition { of, test: Test::OneOf(values.to_vec()) };
    let question = Question {
        window,
        conditions: vec![
            is(Dimension::Application, std::slice::from_ref(&keys.application)),
            is(Dimension::ConsumerKey, &keys.keys),
        ],
        interval_us: None,
        by: vec![Dimension::ConsumerKey],
        measures: vec![Measure::Last],
        order: Order::Values,
        most: keys.keys.len(),
    };
    let groups = reader.answer(&question).await?;
    Ok(groups.iter().map(row).collect())
}

fn row(group: &Group) -> LastUse {
    let ([key], [at]) = (texts(group), numbers(&group.measures));
    LastUse { key, at_us: i64::try_from(at).unwrap_or(i64::MAX) }
}
