//! How were the calls of some gateways between two moments?

use std::collections::BTreeMap;

use turnpike_proto::admin::v1::CallFigures;
use turnpike_proto::config::v1::{ApiReport, CallSpan, Report};

/// Calls, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the number of calls is called so everywhere")]
pub(super) struct Calls {
    calls: u64,
    server_errors: u64,
    /// How many took up to so many microseconds, and longer than the entry before.
    spans: BTreeMap<u64, u64>,
    gateways: u32,
    /// The same of single APIs.
    apis: BTreeMap<String, Self>,
}

/// The calls of one API in the wave, and those elsewhere at the same time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OfApi {
    /// `name:version`.
    pub(super) api: String,
    pub(super) wave: CallFigures,
    pub(super) rest: CallFigures,
}

impl Calls {
    /// Those of one gateway since it started.
    pub(super) fn of(report: &Report) -> Self {
        let counted = |calls, server_errors, spans: &[CallSpan]| Self {
            calls,
            server_errors,
            spans: spans.iter().map(|span| (span.up_to_us, span.calls)).collect(),
            gateways: 1,
            apis: BTreeMap::new(),
        };
        let of_api =
            |one: &ApiReport| (one.api.clone(), counted(one.calls, one.server_errors, &one.spans));
        let apis = report.apis.iter().map(of_api).collect();
        Self { apis, ..counted(report.calls, report.server_errors, &report.spans) }
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
            apis: self.apis.iter().map(|(api, calls)| before.of_api(api, calls)).collect(),
        }
    }

    /// The calls of an API after those here.
    fn of_api(&self, api: &str, now: &Self) -> (String, Self) {
        let since = self.apis.get(api).map_or_else(|| now.clone(), |before| now.since(before));
        (api.to_owned(), since)
    }

    /// APIs of which there are calls here and in `rest`.
    pub(super) fn beside(&self, rest: &Self) -> Vec<OfApi> {
        let both = |(api, wave): (&String, &Self)| {
            let rest = rest.apis.get(api)?.figures();
            Some(OfApi { api: api.clone(), wave: wave.figures(), rest })
        };
        self.apis.iter().filter_map(both).collect()
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
        for (api, calls) in &other.apis {
            self.apis.entry(api.clone()).or_default().add(calls);
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
    use super::*;

    fn report(calls: u64, server_errors: u64, spans: &[(u64, u64)]) -> Report {
        let spans =
            spans.iter().map(|(up_to_us, calls)| CallSpan { up_to_us: *up_to_us, calls: *calls });
        Report { calls, server_errors, spans: spans.collect(), apis: Vec::new() }
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
    fn the_calls_of_an_api_are_told_apart_where_there_are_some_on_both_sides() {
        let of = |apis: &[(&str, u64, u64)]| {
            let apis = apis.iter().map(|(api, calls, server_errors)| ApiReport {
                api: (*api).to_owned(),
                calls: *calls,
                server_errors: *server_errors,
                spans: vec![CallSpan { up_to_us: 10, calls: *calls }],
            });
            Calls::of(&Report { apis: apis.collect(), ..report(1000, 0, &[]) })
        };
        let mut wave = of(&[("a:1", 150, 30), ("b:1", 5, 0)]).since(&of(&[("a:1", 50, 0)]));
        wave.add(&of(&[("a:1", 100, 0)]));
        let rest = of(&[("a:1", 70, 1), ("c:1", 9, 0)]);
        let found = wave.beside(&rest);
        let seen: Vec<_> = found
            .iter()
            .map(|of| (of.api.as_str(), of.wave.calls, of.wave.server_errors, of.rest.calls))
            .collect();
        assert_eq!(seen, [("a:1", 200, 30, 70)]);
        assert_eq!(wave.figures().calls, 1000);
    }

    #[test]
    fn without_calls_there_is_no_median() {
        check(&[(report(5, 0, &[(100, 5)]), report(5, 0, &[(100, 5)]))], (0, 0, 0, 0));
    }
}
