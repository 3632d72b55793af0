//! What is asked so often that it has a name?
//!
//! A view is a question whose dimensions and measures are fixed.

use super::filter::{Filter, Interval};
use crate::question::{Amount, Condition, Dimension, Measure, Question, Test};

/// A question with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Which devices, operating systems and programs call.
    Devices,
    /// How backends answer.
    Backends,
    /// How often the cache answered.
    Cache,
    /// Which limits refused calls.
    Throttled,
}

impl View {
    /// The question about some calls, of which further conditions hold too.
    pub fn question(self, filter: &Filter, also: Vec<Condition>, interval: Interval) -> Question {
        let (by, measures): (&[Dimension], &[Measure]) = match self {
            Self::Devices => (
                &[Dimension::Device, Dimension::OperatingSystem, Dimension::Agent],
                &[Measure::Calls, Measure::Errors, Measure::Distinct(Dimension::ClientIp)],
            ),
            Self::Backends => (
                &[Dimension::Backend, Dimension::Api, Dimension::ApiVersion],
                &[
                    Measure::Calls,
                    Measure::ServerErrors,
                    Measure::Mean(Amount::Backend),
                    Measure::Quantile(Amount::Backend, 500),
                    Measure::Quantile(Amount::Backend, 990),
                    Measure::Max(Amount::Backend),
                ],
            ),
            Self::Cache => (
                &[Dimension::Api, Dimension::ApiVersion],
                &[Measure::Calls, Measure::Cached, Measure::Quantile(Amount::Total, 500)],
            ),
            Self::Throttled => (
                &[
                    Dimension::Api,
                    Dimension::ApiVersion,
                    Dimension::Application,
                    Dimension::Tier,
                    Dimension::FaultSubtype,
                ],
                &[Measure::Throttled, Measure::Last],
            ),
        };
        let conditions = filter.conditions(also.into_iter().chain(self.condition()).collect());
        Question { conditions, ..filter.question(interval, by, measures) }
    }

    fn condition(self) -> Option<Condition> {
        let (of, test) = match self {
            Self::Backends => (Dimension::Backend, Test::NoneOf(vec![String::new()])),
            Self::Throttled => (Dimension::FaultType, Test::OneOf(vec!["THROTTLED".to_owned()])),
            Self::Devices | Self::Cache => return None,
        };
        Some(Condition { of, test })
    }
}
