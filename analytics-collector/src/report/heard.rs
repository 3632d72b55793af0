//! Which gateways were heard of, and when did the last call of each begin?

use std::sync::Arc;

use super::ask::{numbers, texts};
use super::filter::{Filter, Interval};
use crate::question::{Dimension, Measure, Question, Window};
use crate::store::{QueryError, Reader};

/// Gateways that are counted at most.
const MOST: usize = 10_000;

/// The gateways with calls in a window, each with the last of them, microseconds since the Unix epoch.
pub async fn heard(reader: &Arc<Reader>, window: Window) -> Result<Vec<(String, i64)>, QueryError> {
    let filter = Filter::of(window);
    let last = filter.question(Interval(None), &[Dimension::Gateway], &[Measure::Last]);
    let groups = reader.answer(&Question { most: MOST, ..last }).await?;
    let one = |group| {
        let ([gateway], [at]) = (texts(group), numbers(&group.measures));
        (gateway, i64::try_from(at).unwrap_or(i64::MAX))
    };
    Ok(groups.iter().take(MOST).map(one).collect())
}
