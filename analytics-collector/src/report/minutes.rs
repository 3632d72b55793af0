//! How many calls did every subject make in each of the last minutes?

use std::collections::HashMap;
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
        by: vec![
            Dimension::Api,
            Dimension::ApiVersion,
            Dimension::Application,
            Dimension::ConsumerKey,
        ],
        measures: vec![Measure::Calls],
        order: Order::Values,
        most: MOST,
    };
    let groups = reader.answer(&question).await?;
    let mut calls: HashMap<(i64, Subject), u64> = HashMap::new();
    for group in groups.iter().take(MOST) {
        let [counted] = numbers(&group.measures);
        let here = calls.entry((group.from_us.div_euclid(MINUTE_US), subject(group))).or_default();
        *here = here.saturating_add(counted);
    }
    let tally = |((minute, subject), calls)| Tally { minute, subject, calls };
    Ok(calls.into_iter().map(tally).collect())
}

/// An application is one, whichever clients it has.
fn subject(group: &Group) -> Subject {
    let [api, api_version, application, client] = texts(group);
    let client = if application.is_empty() { client } else { String::new() };
    Subject { api, api_version, application, client }
}
