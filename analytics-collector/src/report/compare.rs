//! What has changed between two times?
//!
//! The same question is asked about both; groups are matched by their values.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::ask::{Bounds, MOST_GROUPS, ReportError, ask_all, text};
use crate::question::{Order, Question, Window};
use crate::store::Reader;

/// One group at two times.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedRow {
    /// Values of the dimensions as text.
    pub values: Vec<String>,
    /// What was counted in the later time and in the earlier one, measure by measure.
    pub measures: Vec<Compared>,
}

/// One measure at two times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Compared {
    /// In the later time.
    pub now: f64,
    /// In the earlier time.
    pub before: f64,
}

impl Compared {
    /// How much more it is now.
    pub fn difference(self) -> f64 {
        self.now - self.before
    }

    /// The same as a share of what it was; nothing of nothing.
    pub fn share(self) -> Option<f64> {
        (self.before > 0.0).then(|| self.difference() / self.before)
    }
}

/// Asks a question about its own window and about one as long that begins at `before_us`.
pub async fn compare(
    reader: &Arc<Reader>,
    question: &Question,
    before_us: i64,
    bounds: &Bounds,
) -> Result<Vec<ComparedRow>, ReportError> {
    // Which groups stand first is known when both times are.
    let all = Question { order: Order::Values, most: MOST_GROUPS, ..question.clone() };
    let Window { since_us, until_us } = question.window;
    let until_before_us = before_us.saturating_add(until_us.saturating_sub(since_us));
    let window = Window { since_us: before_us, until_us: until_before_us };
    let earlier = Question { window, ..all.clone() };
    let (now, before) = (
        ask_all(reader, all, bounds).await?.groups,
        ask_all(reader, earlier, bounds).await?.groups,
    );
    let mut rows: BTreeMap<Vec<String>, Vec<Compared>> = BTreeMap::new();
    for (groups, later) in [(now, true), (before, false)] {
        for group in groups {
            let values = group.by.iter().map(text).collect();
            let none = || vec![Compared::default(); question.measures.len()];
            let row = rows.entry(values).or_insert_with(none);
            for (pair, number) in row.iter_mut().zip(group.measures) {
                *if later { &mut pair.now } else { &mut pair.before } = number;
            }
        }
    }
    let rows = rows.into_iter().map(|(values, measures)| ComparedRow { values, measures });
    let mut rows: Vec<_> = rows.collect();
    // A stable sort: ties stay in the order of their values.
    rows.sort_by(|a, b| order(question.order, a, b));
    Ok(rows)
}

fn order(order: Order, a: &ComparedRow, b: &ComparedRow) -> Ordering {
    let at = |row: &ComparedRow, place: usize| {
        row.measures.get(place).map_or((0.0, 0.0), |pair| (pair.now, pair.before))
    };
    let compared = |place| {
        let (a, b) = (at(a, place), at(b, place));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    };
    match order {
        Order::Most(place) => compared(place).reverse(),
        Order::Least(place) => compared(place),
        Order::Values => Ordering::Equal,
    }
}
