//! Which calls is a question about?

use super::ask::MOST_GROUPS;
use crate::event::TOKEN;
use crate::question::{Condition, Dimension, Measure, Order, Question, Test, Window};

/// Which calls.
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
    /// All calls of a time.
    pub const fn of(window: Window) -> Self {
        Self { window, api: None, api_version: None, application: None }
    }

    /// The same as conditions, with further ones. Requests for tokens are no calls: they are left out
    /// unless a condition is about the type of the API.
    pub fn conditions(&self, also: Vec<Condition>) -> Vec<Condition> {
        let wanted = [
            (Dimension::Api, &self.api),
            (Dimension::ApiVersion, &self.api_version),
            (Dimension::Application, &self.application),
        ];
        let named = wanted.into_iter().filter_map(|(of, name)| Some((of, name.clone()?)));
        let named = named.map(|(of, name)| Condition { of, test: Test::OneOf(vec![name]) });
        let mut all: Vec<Condition> = named.chain(also).collect();
        // What has an API is a call: nothing more has to be read to know it.
        if self.api.is_none() && all.iter().all(|condition| condition.of != Dimension::ApiType) {
            let test = Test::NoneOf(vec![TOKEN.to_owned()]);
            all.push(Condition { of: Dimension::ApiType, test });
        }
        all
    }

    /// A question about these calls, most of the first measure first.
    pub(super) fn question(
        &self,
        Interval(interval_us): Interval,
        by: &[Dimension],
        measures: &[Measure],
    ) -> Question {
        Question {
            window: self.window,
            conditions: self.conditions(Vec::new()),
            interval_us,
            by: by.to_vec(),
            measures: measures.to_vec(),
            order: Order::Most(0),
            most: MOST_GROUPS,
        }
    }
}
