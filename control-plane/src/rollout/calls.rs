//! How were the calls of some gateways between two moments?

use std::collections::BTreeMap;

use turnpike_proto::admin::v1::CallFigures;
use turnpike_proto::config::v1::Report;

/// Calls, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the number of calls is called so everywhere")]
pub(super) struct Calls {
    calls: u64,
    server_errors: u64,
    /// How many took up to so many microseconds, and longer than the entry before.
    spans: BTreeMap<u64, u64>,
    gateways: u32,
}

impl Calls {
    /// Those of one gateway since it started.
    pub(super) fn of(report: &Report) -> Self {
        Self {
            calls: report.calls,
            server_errors: report.server_errors,
            spans: report.spans.iter().map(|span| (span.up_to_us, span.calls)).collect(),
            gateways: 1,
        }
    }

    /// Those after `before`. Who has counted less since then has started again, and everything that
    /// it counts is new.
    pub(super) fn since(&self, before: &Self) -> Self {
        if self.calls < before.calls || self.server_errors < before.server_errors {
            return self.clone();
        }
        let span = |(up_to, calls): (&u64, &u64)| {
            (*up_to, calls.saturating_sub(before.spans.get(up_to).copied().unwrap_or(0)))
        };
        Self {
            calls: self.calls.saturating_sub(before.calls),
            server_errors: self.server_errors.saturating_sub(before.server_errors),
            spans: self.spans.iter().map(span).collect(),
            gateways: self.gateways,
        }
    }

    /// Together with those of others.
    pub(super) fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.server_errors = self.server_errors.saturating_add(other.server_errors);
        self.gateways = self.gateways.saturating_add(other.gateways);
        for (up_to, calls) in &other.spans {
            let all = self.spans.entry(*up_to).or_default();
            *all = all.saturating_add(*calls);
        }
    }

    /// What people and guards look at.
    pub(super) fn figures(&self) -> CallFigures {
        CallFigures {
            calls: self.calls,
            server_errors: self.server_errors,
            p50_us: self.within(50),
            p99_us: self.within(99),
            gateways: self.gateways,
        }
    }

    /// In how many microseconds so many percent of the calls were done; 0: there were none.
    fn within(&self, percent: u64) -> u64 {
        let all = self.spans.values().fold(0_u64, |sum, calls| sum.saturating_add(*calls));
        let wanted = all.saturating_mul(percent).div_ceil(100);
        let mut seen = 0_u64;
        for (up_to, calls) in self.spans.iter().filter(|(_, calls)| **calls > 0) {
            seen = seen.saturating_add(*calls);
            if seen >= wanted {
                return *up_to;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use turnpike_proto::config::v1::CallSpan;

    use super::*;

    fn report(calls: u64, server_errors: u64, spans: &[(u64, u64)]) -> Report {
        let spans =
            spans.iter().map(|(up_to_us, calls)| CallSpan { up_to_us: *up_to_us, calls: *calls });
        Report { calls, server_errors, spans: spans.collect() }
    }

    /// Two gateways counted `before` and then `after`: calls, errors, median, 99th percentile.
    #[track_caller]
    fn check(pairs: &[(Report, Report)], expected: (u64, u64, u64, u64)) {
        let mut all = Calls::default();
        for (before, after) in pairs {
            all.add(&Calls::of(after).since(&Calls::of(before)));
        }
        let figures = all.figures();
        let seen = (figures.calls, figures.server_errors, figures.p50_us, figures.p99_us);
        assert_eq!(seen, expected);
    }

    #[test]
    fn only_what_happened_between_the_two_counts() {
        let before = report(1000, 10, &[(100, 500), (50_000, 500)]);
        let after = report(1100, 12, &[(100, 598), (50_000, 502)]);
        check(&[(before, after)], (100, 2, 100, 50_000));
    }

    #[test]
    fn gateways_are_added_up() {
        let nothing = || report(0, 0, &[]);
        let (one, two) = (report(10, 1, &[(100, 10)]), report(30, 0, &[(200, 30)]));
        check(&[(nothing(), one), (nothing(), two)], (40, 1, 200, 200));
    }

    #[test]
    fn who_has_started_again_counts_from_nothing() {
        check(&[(report(1000, 5, &[(100, 1000)]), report(7, 1, &[(300, 7)]))], (7, 1, 300, 300));
    }

    #[test]
    fn without_calls_there_is_no_median() {
        check(&[(report(5, 0, &[(100, 5)]), report(5, 0, &[(100, 5)]))], (0, 0, 0, 0));
    }
}
