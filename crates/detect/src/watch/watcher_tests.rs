//! The stories of WSO2's own tests of its alerts: what is told, and what is not?

use super::*;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

fn usual() -> Call<'static> {
    Call {
        api: "search",
        api_version: "1.0.0",
        operation: "GET /search",
        application: "app1",
        user: "svm",
        client: "key1",
        address: Some("192.0.2.1".parse().unwrap()),
        status: 200,
        total_us: 12_000,
        backend_us: 9_000,
        ..Call::default()
    }
}

/// What is told about these calls, each so long after the one before.
#[track_caller]
fn check<'c>(calls: impl IntoIterator<Item = (i64, Call<'c>)>, expected: &[(usize, &str)]) {
    let mut watch = Watch::new(Rules::default());
    let mut at_us = 19_000 * DAY;
    let mut told = Vec::new();
    for (number, (gap_us, call)) in calls.into_iter().enumerate() {
        at_us += gap_us;
        let found = watch.call(&Call { at_us, ..call });
        told.extend(found.into_iter().map(|finding| (number, finding.alarm.name())));
    }
    assert_eq!(told, expected);
}

fn times<'c>(count: usize, gap_us: i64, call: Call<'c>) -> impl Iterator<Item = (i64, Call<'c>)> {
    std::iter::repeat_n((gap_us, call), count)
}

#[test]
fn a_hundred_calls_in_a_minute_are_too_many_for_who_made_ten() {
    let ten = || times(1, MINUTE, usual()).chain(times(9, SECOND / 10, usual()));
    let calls = ten().chain(ten()).chain(ten());
    let burst = times(1, MINUTE, usual()).chain(times(99, SECOND / 10, usual()));
    // Ten a minute spread by about three: thirty are too many.
    check(calls.chain(burst), &[(58, "AbnormalRequestsPerMin")]);
}

#[test]
fn two_slow_answers_in_a_minute_are_told_and_usual_ones_are_not() {
    let usual_ones = || {
        (0..22).map(|n| {
            let total_us = 11_000 + (n % 4) * 1000;
            (MINUTE, Call { total_us, backend_us: total_us - 4000, ..usual() })
        })
    };
    let slow = |total_us, backend_us| times(2, SECOND, Call { total_us, backend_us, ..usual() });
    check(usual_ones().chain(slow(14_000, 9_000)), &[]);
    check(usual_ones().chain(slow(220_000, 5_000)), &[(23, "AbnormalResponseTime")]);
    let both = [(23, "AbnormalResponseTime"), (23, "AbnormalBackendTime")];
    check(usual_ones().chain(slow(170_000, 165_000)), &both);
    check(usual_ones().chain(slow(220_000, 5_000).take(1)), &[]);
}

#[test]
fn who_used_less_for_five_days_is_told_and_for_four_is_not() {
    let a_day = |count: usize| {
        times(1, DAY, usual()).chain(times(count - 1, 0, usual())).collect::<Vec<_>>()
    };
    let story = |busy: usize, quiet: usize| {
        let days = std::iter::repeat_n(3, busy).chain(std::iter::repeat_n(1, quiet));
        days.chain([1]).flat_map(a_day).collect::<Vec<_>>()
    };
    check(story(30, 5), &[(95, "AbnormalTierUsage")]);
    check(story(31, 4), &[]);
}

#[test]
fn steps_that_nobody_took_are_told_after_five_hundred() {
    let rest = || times(502, SECOND, usual());
    let to = |operation| (SECOND, Call { operation, ..usual() });
    check(rest().chain([to("GET /search")]), &[]);
    check(times(100, SECOND, usual()).chain([to("GET /get_fraud")]), &[]);
    let fraud = [to("GET /get_fraud"), to("POST /pay"), to("GET /fraud")];
    let expected = [502, 503, 504].map(|at| (at, "RequestPatternChanged"));
    check(rest().chain(fraud), &expected);
}

#[test]
fn an_address_is_told_when_it_is_new_and_when_it_returns() {
    let from = |address: &str, gap_us| {
        let address = Some(address.parse().unwrap());
        (gap_us, Call { address, ..usual() })
    };
    let learnt = || times(663, SECOND, usual());
    let other = (SECOND, Call { client: "key2", user: "ann", ..usual() });
    check(learnt().chain([other]), &[]);
    check(learnt().chain([from("192.168.7.1", SECOND)]), &[(663, "UnusualIPAccess")]);
    let returned = [from("192.168.7.1", SECOND), from("192.0.2.1", 31 * DAY)];
    check(learnt().chain(returned), &[(663, "UnusualIPAccess"), (664, "UnusualIPAccess")]);
}

#[test]
fn who_meets_a_limit_again_and_again_is_told() {
    let refused = |fault| Call { status: 429, fault, total_us: 100, backend_us: 0, ..usual() };
    check(times(10, MINUTE, refused(900_804)), &[]);
    let expected = [(10, "FrequentTierLimitHitting")];
    check(times(12, MINUTE, refused(900_804)), &expected);
    check(times(12, MINUTE, refused(900_803)), &expected);
    check(times(12, MINUTE, refused(900_805)), &[]);
    check(times(40, 10 * MINUTE, refused(900_804)), &[]);
}

#[test]
fn five_failures_in_a_row_are_told() {
    let failed = || times(5, SECOND, Call { status: 503, ..usual() });
    check(failed().take(4).chain(times(1, SECOND, usual())).chain(failed().take(4)), &[]);
    check(failed(), &[(4, "ApiHealthMonitor")]);
    // Told once within ten minutes.
    check(failed().chain(failed()), &[(4, "ApiHealthMonitor")]);
}

#[test]
fn a_renewal_out_of_rhythm_is_told() {
    let mut watch = Watch::new(Rules::default());
    let mut renew = |ms: i64| {
        let renewal = Renewal { at_us: ms * 1000, user: "ann", client: "key1", scope: "a" };
        watch.renewal(&renewal).map(|finding| finding.message)
    };
    for ms in [90, 190, 295, 385, 400, 502, 652] {
        assert_eq!(renew(ms), None, "{ms}");
    }
    let told = "a token of user ann of client key1 was renewed later than ever";
    assert_eq!(renew(55_550).as_deref(), Some(told));
}

#[test]
fn fixed_limits_replace_what_was_learnt() {
    let rules = Rules { response_us: Some(50_000), calls_per_minute: Some(3), ..Rules::default() };
    let mut watch = Watch::new(rules);
    let mut told = Vec::new();
    for number in 0..5 {
        let slow = Call { total_us: 60_000, at_us: number * SECOND, ..usual() };
        told.extend(watch.call(&slow).into_iter().map(|finding| finding.alarm.name()));
    }
    let expected = ["AbnormalResponseTime", "AbnormalRequestsPerMin", "ApiHealthMonitor"];
    assert_eq!(told, expected);
}
