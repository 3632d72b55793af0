//! How many calls did every subject make in each of the last minutes?

use std::sync::Arc;

use detect::span::MINUTE_US;

use super::ask::{numbers, texts};
use crate::event::{Subject, Tally};
use crate::question::{Condition, Dimension, Group, Measure, Order, Question, Test, Window};
use crate::store::{QueryError, Reader};

/// Subjects and minutes that are counted at most; further ones are not watched after a restart.
const MOST: usize = 1_000_000;

/// Counts the calls of a window by minute and subject; calls of no Api are left out.
pub async fn minutes(reader: &Arc<Reader>, window: Window) -> Result<Vec<Tally>, QueryError> {
    let question = Question {
        window,
        conditions: vec![Condition { of: Dimension::Api, test: Test::NoneOf(vec![String::new()]) }],
        interval_us: Some(MINUTE_US),
        by: vec![Dimension::Api, Dimension::ApiVersion, Dimension::Application],
        measures: vec![Measure::Calls],
        order: Order::Values,
        most: MOST,
    };
    let groups = reader.answer(&question).await?;
    Ok(groups.iter().take(MOST).map(tally).collect())
}

fn tally(group: &Group) -> Tally {
    let [api, api_version, application] = texts(group);
    let [calls] = numbers(&group.measures);
    let minute = group.from_us.div_euclid(MINUTE_US);
    Tally { minute, subject: Subject { api, api_version, application }, calls }
}
