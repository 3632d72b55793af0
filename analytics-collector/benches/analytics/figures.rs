//! How is a figure told? One line of JSON each; `bench/analytics` makes a table and a verdict of them.

use std::time::Duration;

use serde_json::json;

/// What a figure has to come to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// Nothing was promised.
    None,
    /// It is not larger.
    AtMost(f64),
    /// It is not smaller.
    AtLeast(f64),
}

/// Tells one.
pub(crate) fn tell(part: &str, figure: &str, value: f64, unit: &str, goal: Goal) {
    let (at_most, at_least) = match goal {
        Goal::None => (None, None),
        Goal::AtMost(bound) => (Some(bound), None),
        Goal::AtLeast(bound) => (None, Some(bound)),
    };
    println!(
        "{}",
        json!({ "part": part, "figure": figure, "value": value, "unit": unit,
            "at_most": at_most, "at_least": at_least })
    );
}

/// The median and the 95th percentile of some times, the latter with a goal in milliseconds.
pub(crate) fn tell_times(part: &str, figure: &str, mut times: Vec<Duration>, goal: Goal) {
    times.sort_unstable();
    let at = |share: usize| {
        let place = (times.len() * share).div_ceil(100).saturating_sub(1);
        times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    tell(part, &format!("{figure}: p50 of {}", times.len()), at(50), "ms", Goal::None);
    tell(part, &format!("{figure}: p95"), at(95), "ms", goal);
}
