//! Are calls in the wave worse than they may be?

use std::time::Duration;

use turnpike_proto::admin::v1::{CallFigures, RolloutPlan};

use super::calls::OfApi;

/// How much slower calls may be whatever their share: below it a percentage says nothing.
const SLACK_US: u64 = 1000;
/// So few calls have no 99th percentile worth the name.
const CALLS_OF_P99: u64 = 500;

/// What calls may be like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Guard {
    pub(super) errors_percent: f64,
    /// None: how long calls take is not looked at.
    pub(super) latency_percent: Option<f64>,
    pub(super) watch: Duration,
    pub(super) minimum_calls: u64,
}

impl Guard {
    /// Of a plan that is complete.
    pub(super) fn of(plan: &RolloutPlan) -> Self {
        let guard = plan.guard.unwrap_or_default();
        let watch = guard.watch.and_then(|watch| Duration::try_from(watch).ok());
        Self {
            errors_percent: guard.errors_percent.unwrap_or_default(),
            latency_percent: guard.latency_percent,
            watch: watch.unwrap_or_default(),
            minimum_calls: guard.minimum_calls.unwrap_or_default().into(),
        }
    }

    /// What is wrong with the calls of one API, by the same limits; there have to be enough of them
    /// elsewhere, too.
    pub(super) fn broken_api(&self, of: &OfApi) -> Option<String> {
        let least = self.minimum_calls.max(1);
        let enough = of.rest.calls >= least;
        let why = enough.then(|| self.broken(&of.wave, Some(&of.rest))).flatten()?;
        Some(format!("Api/{}: {why}", of.api))
    }

    /// What is wrong with the calls of the wave beside those of `rest`; none: nothing, or there are
    /// too few to tell.
    pub(super) fn broken(&self, wave: &CallFigures, rest: Option<&CallFigures>) -> Option<String> {
        let least = self.minimum_calls.max(1);
        if wave.calls < least {
            return None;
        }
        let usual = rest.filter(|rest| rest.calls > 0).map_or(0.0, errors_percent);
        let found = errors_percent(wave);
        if found > usual + self.errors_percent {
            return Some(format!(
                "{found:.2} % of {} calls in the wave were answered 5xx, and {usual:.2} % elsewhere",
                wave.calls
            ));
        }
        let rest = rest.filter(|rest| rest.calls >= least)?;
        let more = self.latency_percent?;
        let p99 = wave.calls.min(rest.calls) >= CALLS_OF_P99;
        let slower =
            is_slower(wave.p50_us, rest.p50_us, more).then_some(("half", wave.p50_us, rest.p50_us));
        let slowest = (p99 && is_slower(wave.p99_us, rest.p99_us, more)).then_some((
            "99 %",
            wave.p99_us,
            rest.p99_us,
        ));
        let (share, here, there) = slower.or(slowest)?;
        Some(format!(
            "{share} of the calls in the wave took up to {here} µs, and {there} µs elsewhere"
        ))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share, not a count")]
fn errors_percent(figures: &CallFigures) -> f64 {
    figures.server_errors as f64 * 100.0 / figures.calls.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "compared within a few percent")]
fn is_slower(here_us: u64, there_us: u64, percent: f64) -> bool {
    here_us > there_us.saturating_add(SLACK_US)
        && here_us as f64 > there_us as f64 * (1.0 + percent / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Guard = Guard {
        errors_percent: 1.0,
        latency_percent: Some(20.0),
        watch: Duration::from_secs(30),
        minimum_calls: 100,
    };

    /// Calls, errors, median and 99th percentile in milliseconds; `rest` of 0 calls: there is none.
    #[track_caller]
    fn check(wave: [u64; 4], rest: [u64; 4], expected: &str) {
        let figures = |[calls, server_errors, p50, p99]: [u64; 4]| CallFigures {
            calls,
            server_errors,
            p50_us: p50 * 1000,
            p99_us: p99 * 1000,
            gateways: 1,
        };
        let rest = (rest[0] > 0).then(|| figures(rest));
        let said = GUARD.broken(&figures(wave), rest.as_ref()).unwrap_or_default();
        assert_eq!(said.split(" in ").next().unwrap(), expected);
    }

    #[test]
    fn too_few_calls_say_nothing() {
        check([99, 99, 500, 500], [1000, 0, 10, 10], "");
    }

    #[test]
    fn errors_beyond_those_elsewhere_are_too_many() {
        check([100, 2, 10, 10], [1000, 0, 10, 10], "2.00 % of 100 calls");
        check([100, 2, 10, 10], [0, 0, 0, 0], "2.00 % of 100 calls");
        check([1000, 10, 10, 10], [1000, 0, 10, 10], "");
    }

    #[test]
    fn errors_that_all_gateways_have_are_not_the_changes() {
        check([100, 50, 10, 10], [1000, 500, 10, 10], "");
    }

    #[test]
    fn a_median_that_is_a_fifth_longer_is_too_long() {
        check([100, 0, 13, 13], [100, 0, 10, 10], "half of the calls");
        check([100, 0, 12, 12], [100, 0, 10, 10], "");
    }

    #[test]
    fn the_slowest_calls_are_looked_at_when_there_are_enough() {
        check([500, 0, 10, 90], [500, 0, 10, 20], "99 % of the calls");
        check([499, 0, 10, 90], [500, 0, 10, 20], "");
    }

    #[test]
    fn less_than_a_millisecond_is_no_difference() {
        check([1000, 0, 1, 1], [1000, 0, 0, 0], "");
    }

    #[test]
    fn how_long_calls_take_is_not_judged_without_others() {
        check([1000, 0, 900, 900], [50, 0, 10, 10], "");
    }
}
