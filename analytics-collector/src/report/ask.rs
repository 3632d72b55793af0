//! How is a question put to the store, and when is it too much?
//!
//! Every report counts through here, so that there is one way to count and one set of bounds.

use std::sync::Arc;
use std::time::Duration;

use chassis::config::duration;

use crate::question::{Cell, Dimension, Group, Measure, Question, Window};
use crate::store::{QueryError, Reader};

/// An answer has at most so many groups.
pub const MOST_GROUPS: usize = 10_000;

/// How far the clocks of gateways may be ahead, in microseconds: an hour.
pub(super) const AHEAD_US: i64 = 3_600_000_000;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The answer would be too long.
    #[error(
        "the answer has more than {MOST_GROUPS} groups; ask for less time, longer intervals, \
         one api, fewer dimensions or a limit"
    )]
    TooManyGroups,
    /// Calls are not kept for so long.
    #[error(
        "the time asked for is longer than calls are kept, which is {}; \
         ask for less, or raise store.retention or store.rollups",
        duration::show(*.0)
    )]
    TooLong(Duration),
    /// The store did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// What a question may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long calls are kept.
    pub kept: Duration,
    /// Places from which fewer clients called are not shown; 0 and 1: all are.
    pub smallest_group: usize,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The groups, in the order of the question.
    pub groups: Vec<Group>,
    /// There are more of them.
    pub more: bool,
    /// Calls of places that are not shown.
    pub hidden_calls: u64,
}

impl Bounds {
    /// Whether calls are kept for as long as a window.
    pub fn check(&self, window: Window) -> Result<(), ReportError> {
        let span_us = window.until_us.saturating_sub(window.since_us).saturating_sub(AHEAD_US);
        let kept_us = i64::try_from(self.kept.as_micros()).unwrap_or(i64::MAX);
        if span_us > kept_us { Err(ReportError::TooLong(self.kept)) } else { Ok(()) }
    }
}

/// Asks the store. At most as many groups as the question says come back.
pub async fn ask(
    reader: &Arc<Reader>,
    mut question: Question,
    bounds: &Bounds,
) -> Result<Answer, ReportError> {
    bounds.check(question.window)?;
    let measures = question.measures.len();
    let hides = bounds.smallest_group > 1 && is_of_places(&question);
    if hides {
        question.measures.extend([Measure::Calls, Measure::Distinct(Dimension::ClientIp)]);
    }
    let mut groups = reader.answer(&question).await?;
    let more = groups.len() > question.most;
    groups.truncate(question.most);
    let mut hidden_calls = 0_u64;
    if hides {
        groups.retain_mut(|group| {
            let [calls, clients] = numbers(group.measures.get(measures..).unwrap_or_default());
            group.measures.truncate(measures);
            // Without a digest of addresses nobody knows how many clients there were; not more
            // than calls.
            let size = if clients == 0 { calls } else { clients };
            let shown = size >= bounds.smallest_group as u64;
            hidden_calls = hidden_calls.saturating_add(if shown { 0 } else { calls });
            shown
        });
    }
    Ok(Answer { groups, more, hidden_calls })
}

/// The same, where all groups are wanted.
pub(super) async fn ask_all(
    reader: &Arc<Reader>,
    question: Question,
    bounds: &Bounds,
) -> Result<Answer, ReportError> {
    let answer = ask(reader, question, bounds).await?;
    if answer.more { Err(ReportError::TooManyGroups) } else { Ok(answer) }
}

fn is_of_places(question: &Question) -> bool {
    let mut named = question.conditions.iter().map(|condition| &condition.of).chain(&question.by);
    named.any(|of| {
        matches!(of, Dimension::Country | Dimension::Subdivision | Dimension::City | Dimension::Asn)
    })
}

/// A value as text.
pub fn text(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Number(number) => number.to_string(),
        Cell::Flag(yes) => yes.to_string(),
    }
}

/// The first values of a group as texts; one that is not there is empty.
pub(super) fn texts<const N: usize>(group: &Group) -> [String; N] {
    std::array::from_fn(|at| group.by.get(at).map(text).unwrap_or_default())
}

/// Measures as whole numbers; one that is not there is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sum beyond all bounds is the largest number"
)]
pub(super) fn numbers<const N: usize>(measures: &[f64]) -> [u64; N] {
    std::array::from_fn(|at| measures.get(at).map_or(0, |number| number.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hours: i64, said: &str) {
        let bounds = Bounds { kept: Duration::from_hours(720), smallest_group: 0 };
        let window = Window { since_us: 7, until_us: 7 + hours * AHEAD_US };
        let answer = bounds.check(window).map_or_else(|error| error.to_string(), |()| "ok".into());
        assert_eq!(answer, said);
    }

    #[test]
    fn more_time_than_calls_are_kept_is_refused_with_what_to_do() {
        check(721, "ok");
        check(
            722,
            "the time asked for is longer than calls are kept, which is 30d; ask for less, or \
             raise store.retention or store.rollups",
        );
    }
}
