//! The stories of WSO2's own tests of its alerts: what is told, and what is not?

use std::time::Duration;

use super::*;
use crate::watch::rules::{Mode, Override, Setting};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
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

fn rules(settings: &[(Alarm, Setting<Duration>)]) -> Rules {
    let mut rules = Rules::default();
    for (alarm, setting) in settings {
        rules.set(*alarm, setting).unwrap();
    }
    rules
}

fn fixed(threshold: f64) -> Setting<Duration> {
    Setting { mode: Some(Mode::Fixed), threshold: Some(threshold), ..Setting::default() }
}

/// What is told about these calls, each so long after the one before, with the number of the call. Those of a minute
/// say the same when they are shown together.
#[track_caller]
fn check_with<'c>(
    rules: Rules,
    calls: impl IntoIterator<Item = (i64, Call<'c>)>,
    expected: &[(usize, &str)],
) {
    let (mut watch, mut together) = (Watch::new(rules.clone()), Watch::new(rules));
    let mut at_us = 19_000 * DAY;
    let (mut told, mut of_calls, mut told_together) = (Vec::new(), Vec::new(), Vec::new());
    let mut of_minute: Vec<(usize, Call<'c>)> = Vec::new();
    let mut show = |together: &mut Watch, of_minute: &mut Vec<(usize, Call<'c>)>| {
        let (numbers, calls): (Vec<_>, Vec<_>) = of_minute.drain(..).unzip();
        together.calls(&calls, |at, it| told_together.push((numbers[at], it.alarm.name())));
    };
    for (number, (gap_us, call)) in calls.into_iter().enumerate() {
        let minutes = (at_us + gap_us).div_euclid(MINUTE) - at_us.div_euclid(MINUTE);
        if minutes > 0 {
            show(&mut together, &mut of_minute);
        }
        let mut found = Vec::new();
        for minute in 1..=minutes.min(2 * 24 * 60) {
            let silent = together.pass(at_us + minute * MINUTE);
            found.extend(watch.pass(at_us + minute * MINUTE));
            assert_eq!(silent, found[found.len() - silent.len()..]);
        }
        told.extend(found.into_iter().map(|finding| (number, finding.alarm.name())));
        at_us += gap_us;
        let call = Call { at_us, ..call };
        of_minute.push((number, call));
        let found = watch.call(&call);
        of_calls.extend(found.iter().map(|finding| (number, finding.alarm.name())));
        told.extend(found.into_iter().map(|finding| (number, finding.alarm.name())));
    }
    show(&mut together, &mut of_minute);
    assert_eq!(told_together, of_calls, "shown together");
    assert_eq!(told, expected);
}

#[track_caller]
fn check<'c>(calls: impl IntoIterator<Item = (i64, Call<'c>)>, expected: &[(usize, &str)]) {
    check_with(Rules::default(), calls, expected);
}

fn times(count: usize, gap_us: i64, call: Call<'_>) -> impl Iterator<Item = (i64, Call<'_>)> {
    std::iter::repeat_n((gap_us, call), count)
}

/// Three times ten calls five seconds apart, and then a hundred in one minute.
#[test]
fn a_hundred_calls_in_a_minute_are_too_many_for_who_made_thirty() {
    let ten = || times(1, 5 * SECOND, usual()).chain(times(9, 0, usual()));
    let calls = || ten().chain(ten()).chain(ten());
    let burst = || times(1, MINUTE, usual()).chain(times(99, SECOND / 10, usual()));
    let learnt = Setting { learning: Some(1), ..Setting::default() };
    let rules = rules(&[(Alarm::AbnormalRequestsPerMin, learnt)]);
    check_with(rules, calls().chain(burst()), &[(125, "AbnormalRequestsPerMin")]);
    // A client that is known for one minute is not judged where nothing else is set.
    check(calls().chain(burst()), &[]);
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

/// 35 days: `svm` of two applications and `boost` go down to 2 a day for five days, `tree` for four.
#[test]
fn who_used_less_for_five_days_is_told_and_for_four_is_not() {
    let mut calls = Vec::new();
    for day in 0..=35 {
        let less = |from| if day >= from { 2 } else { 10 };
        let svm = Call { api: "svm", ..usual() };
        let tree = Call { api: "tree", ..usual() };
        let other = Call { application: "app2", ..svm };
        let boost = Call { api: "boost", api_version: "1.1.0", ..usual() };
        for (n, (api, count)) in
            [(svm, less(30)), (tree, less(31)), (other, less(30)), (boost, less(30))]
                .into_iter()
                .enumerate()
        {
            let gap = if n == 0 && day > 0 { DAY } else { 0 };
            calls.extend(times(1, gap, api).chain(times(count - 1, 0, api)));
        }
    }
    // Three on the 36th day: at the first call of each.
    let first = calls.len() - 8;
    let expected = [first, first + 4, first + 6].map(|at| (at, "AbnormalTierUsage"));
    check(calls, &expected);
}

#[test]
fn steps_that_nobody_took_are_told_after_five_hundred() {
    let rest = || times(502, SECOND, usual());
    let to = |operation| (SECOND, Call { operation, ..usual() });
    check(rest().chain([to("GET /search")]), &[]);
    let fraud = || [to("GET /get_fraud"), to("POST /pay"), to("GET /fraud")];
    check(times(496, SECOND, usual()).chain(fraud()), &[]);
    check(rest().chain(fraud()), &[(504, "RequestPatternChanged")]);
    // One slip is not told, where nothing else is set.
    check(rest().chain([to("GET /get_fraud"), to("GET /search")]), &[]);
    let rules = rules(&[(Alarm::RequestPatternChanged, fixed(0.05))]);
    let expected = [502, 503, 504].map(|at| (at, "RequestPatternChanged"));
    check_with(rules, rest().chain(fraud()), &expected);
}

#[test]
fn an_address_is_told_when_it_is_new_and_when_it_returns() {
    let from = |address: &str, gap_us| {
        let address = Some(address.parse().unwrap());
        (gap_us, Call { address, ..usual() })
    };
    let learnt = || times(663, SECOND, usual());
    let other = (SECOND, Call { client: "key2", user: "ann", ..usual() });
    // The first call of a client that is not known.
    check(learnt().chain([other]), &[]);
    check(learnt().chain([from("192.168.7.1", SECOND)]), &[(663, "UnusualIPAccess")]);
    let later = 44 * MINUTE;
    let returned = [from("192.168.7.1", SECOND), from("192.0.2.1", 30 * DAY + later)];
    check(learnt().chain(returned), &[(663, "UnusualIPAccess"), (664, "UnusualIPAccess")]);
}

#[test]
fn who_comes_from_everywhere_is_not_told_for_it_but_by_a_threshold() {
    let moving = (0..2000_u32).map(|n| {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + (n / 20) % 8000);
        (MINUTE, Call { address: Some(address.into()), ..usual() })
    });
    let mut watch = Watch::new(Rules::default());
    let told = |watch: &mut Watch| -> usize {
        let calls = moving.clone().zip(1..);
        calls.map(|((gap, call), n)| watch.call(&Call { at_us: n * gap, ..call }).len()).sum()
    };
    // The first few, until it is known for that.
    assert!(told(&mut watch) < 20);
    let mut strict = Watch::new(rules(&[(Alarm::UnusualIpAccess, fixed(30.0))]));
    assert_eq!(told(&mut strict), 75);
}

/// 38 refusals for one application and one person; later another publisher's API for the application.
#[test]
fn who_meets_a_limit_again_and_again_is_told() {
    let refused = |fault| Call { status: 429, fault, total_us: 100, backend_us: 0, ..usual() };
    let deep = |fault| Call { api: "deeplearning", ..refused(fault) };
    let told = "FrequentTierLimitHitting";
    check(times(10, MINUTE, refused(900_804)), &[]);
    check(
        times(19, SECOND, deep(900_804)).chain(times(19, SECOND, deep(900_803))),
        &[(10, told), (29, told)],
    );
    let other = Call { api: "publisher2", ..refused(900_804) };
    let both = times(19, SECOND, deep(900_804)).chain(times(19, SECOND, other));
    check(both, &[(10, told), (29, told)]);
    check(times(12, MINUTE, refused(900_805)), &[]);
    check(times(40, 10 * MINUTE, refused(900_804)), &[]);
}

#[test]
fn an_api_that_fails_five_times_in_a_row_is_told_and_when_it_is_back() {
    let told = "ApiHealthMonitor";
    let failed = || times(5, SECOND, Call { status: 503, ..usual() });
    check(failed().take(4).chain(times(1, SECOND, usual())).chain(failed().take(4)), &[]);
    check(failed(), &[(4, told)]);
    // Told once within ten minutes.
    check(failed().chain(failed()), &[(4, told)]);
    let good = times(12, MINUTE, usual());
    check(failed().chain(good), &[(4, told), (14, "ApiAvailability")]);
}

#[test]
fn an_api_that_is_slow_five_times_in_a_row_is_told() {
    let rules = rules(&[(Alarm::AbnormalResponseTime, fixed(50.0))]);
    let slow = times(5, SECOND, Call { total_us: 60_000, ..usual() });
    check_with(rules, slow, &[(0, "AbnormalResponseTime"), (4, "ApiHealthMonitor")]);
}

#[test]
fn a_client_that_calls_too_little_or_no_more_is_told() {
    let busy = |minutes| times(minutes * 10, MINUTE / 10, usual());
    let told = "AbnormalRequestsPerMin";
    let two_days = 2 * 24 * 60;
    let few = times(60, MINUTE, usual());
    check(busy(two_days).chain(few), &[(two_days * 10 + 14, told)]);
    let away = times(1, 30 * MINUTE, usual());
    check(busy(two_days).chain(away), &[(two_days * 10, told)]);
}

/// Six tokens within half a second, one soon after, and one after nearly a minute, at these moments.
#[test]
fn a_renewal_out_of_rhythm_is_told() {
    let learnt = Setting { learning: Some(5), ..Setting::default() };
    let mut watch = Watch::new(rules(&[(Alarm::AbnormalRefresh, learnt)]));
    let mut renew = |ms: i64| {
        let renewal = Renewal { at_us: ms * 1000, user: "ann", client: "key1", scope: "a" };
        watch.renewal(&renewal).pop().map(|finding| finding.message)
    };
    for ms in [90, 190, 295, 385, 400, 502, 652] {
        assert_eq!(renew(ms), None, "{ms}");
    }
    let told = "User ann of client key1 renewed a token later than ever.";
    assert_eq!(renew(55_550).as_deref(), Some(told));
    assert_eq!(renew(65_550), None);
}

#[test]
fn a_storm_of_tokens_is_told_though_each_person_has_but_one() {
    let mut watch = Watch::new(Rules::default());
    let mut told = Vec::new();
    for minute in 0..60 {
        for n in 0..if minute == 50 { 200 } else { 5 } {
            let user = format!("u{minute}-{n}");
            let at_us = minute * MINUTE + n;
            let renewal = Renewal { at_us, user: &user, client: "key1", scope: "a" };
            told.extend(watch.renewal(&renewal).into_iter().map(|it| (minute, it.message)));
        }
    }
    assert_eq!(told, [(50, "Client key1 asked for more than 20 tokens in a minute.".to_owned())]);
}

#[test]
fn who_goes_through_all_objects_is_told() {
    let paths: Vec<String> = (0..5000).map(|n| format!("/items/{n}")).collect();
    let item = |path| Call { path, operation: "GET /items/{id}", ..usual() };
    let at_work = paths.iter().cycle().take(6 * 24 * 60).map(|path| (MINUTE, item(path)));
    let sweep = paths.iter().take(1000).map(|path| (SECOND / 10, item(path)));
    let mut watch = Watch::new(Rules::default());
    let mut at_us = 0;
    let mut told = Vec::new();
    for (gap, call) in at_work.chain(sweep) {
        at_us += gap;
        told.extend(watch.call(&Call { at_us, ..call }).into_iter().map(|it| it.alarm));
    }
    assert!(told.contains(&Alarm::ObjectEnumeration), "{told:?}");
    assert!(!told.contains(&Alarm::RequestPatternChanged), "{told:?}");
}

#[test]
fn an_address_that_tries_everything_is_told() {
    let paths: Vec<String> = (0..40).map(|n| format!("/admin/{n}")).collect();
    let tries = paths.iter().map(|path| {
        (SECOND, Call { path, status: 404, address: usual().address, ..Call::default() })
    });
    check(tries.clone(), &[(30, "BotDetection")]);
    check(tries.map(|(gap, call)| (gap, Call { path: "/", ..call })), &[]);
}

#[test]
fn a_key_that_is_used_from_everywhere_is_told() {
    let calls =
        (0..50_u8).map(|n| (SECOND, Call { address: Some([198, 51, n, 1].into()), ..usual() }));
    check(calls, &[(40, "KeySharing")]);
}

#[test]
fn a_rule_for_one_api_holds_for_it_alone() {
    let mut rules = rules(&[(Alarm::ApiHealthMonitor, fixed(5.0))]);
    let off = Setting { enabled: Some(false), ..Setting::<Duration>::default() };
    let (api, application) = ("search".to_owned(), String::new());
    let own = Override { api, application, alarm: Alarm::ApiHealthMonitor, setting: off };
    rules.set_for(&own).unwrap();
    let failed = |api| times(5, SECOND, Call { api, status: 503, ..usual() });
    check_with(rules, failed("search").chain(failed("orders")), &[(9, "ApiHealthMonitor")]);
}

#[test]
fn a_rule_for_an_application_holds_for_it_at_every_api() {
    let alarm = Alarm::AbnormalRequestsPerMin;
    let mut rules = rules(&[(alarm, fixed(5.0))]);
    let (api, application) = (String::new(), "app2".to_owned());
    let own = Override { api, application, alarm, setting: fixed(2.0) };
    rules.set_for(&own).unwrap();
    let of = |application, api| times(4, SECOND, Call { api, application, ..usual() });
    let told = "AbnormalRequestsPerMin";
    let calls = of("app1", "search").chain(of("app2", "search")).chain(of("app2", "orders"));
    check_with(rules, calls, &[(6, told), (10, told)]);
}

#[test]
fn who_is_turned_away_already_is_not_told_again() {
    let rules = || rules(&[(Alarm::AbnormalRequestsPerMin, fixed(10.0))]);
    let refused = |client| Call {
        application: "",
        client,
        status: 403,
        fault: 900_805,
        total_us: 100,
        backend_us: 0,
        ..usual()
    };
    let flood = || times(500, SECOND / 10, refused("key1"));
    let rush = times(11, SECOND, usual());
    check_with(rules(), rush.chain(flood()), &[(10, "AbnormalRequestsPerMin")]);
    // Neither is an address that goes on trying, nor one that goes through all objects.
    let paths: Vec<String> = (0..2000).map(|n| format!("/items/{n}")).collect();
    let tries = paths.iter().map(|path| (SECOND / 10, Call { path, ..refused("key2") }));
    check_with(rules(), tries, &[]);
}

#[test]
fn an_exact_count_goes_on_after_a_restart_and_is_told_once() {
    let rules = || rules(&[(Alarm::AbnormalRequestsPerMin, fixed(3.0))]);
    let call = |n| Call { at_us: DAY + n * SECOND, ..usual() };
    let mut watch = Watch::new(rules());
    assert_eq!(watch.recall(&call(0), 2), []);
    assert_eq!(watch.call(&call(1)), []);
    let told = watch.call(&call(2));
    let [told] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(told.message, "app1 made more than 3 calls to search:1.0.0 in a minute.");
    // What was too many before is found again, unless it was told.
    let mut again = Watch::new(rules());
    let found = again.recall(&call(0), 4);
    assert_eq!(found.iter().map(|it| &it.about).collect::<Vec<_>>(), [&told.about]);
    let mut knows = Watch::new(rules());
    let about = told.about.iter().rev().map(|(name, value)| (*name, value.as_str())).collect();
    knows.was_told(told.alarm, DAY, about);
    assert_eq!(knows.recall(&call(0), 4), []);
}

#[test]
fn what_was_learnt_is_known_after_a_restart() {
    let failed = Call { status: 503, ..usual() };
    let calls = times(700, SECOND, usual()).chain(times(5, SECOND, failed));
    let more = [("192.168.7.1", 1), ("192.0.2.1", 2)];
    let (mut one, mut at_us) = (Watch::new(Rules::default()), DAY);
    for (gap, call) in calls {
        at_us += gap;
        one.call(&Call { at_us, ..call });
    }
    let kept = serde_json::to_string(&one.state()).unwrap();
    let mut other = Watch::resume(Rules::default(), serde_json::from_str(&kept).unwrap());
    for (address, n) in more {
        let address = Some(address.parse().unwrap());
        let call = Call { address, at_us: at_us + n, status: 503, ..usual() };
        let (found, again) = (one.call(&call), other.call(&call));
        assert_eq!(found, again);
        assert_eq!(again.len(), usize::from(n == 1));
    }
}

const ZURICH: Option<(f64, f64)> = Some((47.4, 8.5));
const NEW_YORK: Option<(f64, f64)> = Some((40.7, -74.0));
const HAMBURG: Option<(f64, f64)> = Some((53.5, 10.0));

fn at(position: Option<(f64, f64)>, network: u32) -> Call<'static> {
    Call { position, network, ..usual() }
}

#[test]
fn a_person_who_is_in_two_places_at_once_is_told() {
    let told = "ImpossibleTravel";
    check([(0, at(ZURICH, 1)), (HOUR, at(NEW_YORK, 2))], &[(1, told)]);
    check([(0, at(ZURICH, 1)), (9 * HOUR, at(NEW_YORK, 2))], &[]);
    check([(0, at(ZURICH, 1)), (HOUR, at(None, 2))], &[]);
    // Whichever client they use.
    let other = Call { client: "key2", ..at(NEW_YORK, 2) };
    check([(0, at(ZURICH, 1)), (HOUR, other)], &[(1, told)]);
}

#[test]
fn a_tunnel_a_moving_network_and_a_program_are_not_told() {
    let flips = [ZURICH, NEW_YORK].into_iter().cycle().take(40);
    let flips = || flips.clone().map(|position| (11 * MINUTE, at(position, 0)));
    check(flips(), &[(1, "ImpossibleTravel")]);
    check([(0, at(ZURICH, 1)), (MINUTE, at(HAMBURG, 1))], &[]);
    check([(0, at(ZURICH, 1)), (MINUTE, at(HAMBURG, 2))], &[(1, "ImpossibleTravel")]);
    let program = |position| Call { user: "key1", ..at(position, 0) };
    check([(0, program(ZURICH)), (MINUTE, program(NEW_YORK))], &[]);
    // By a speed that is set each journey is told, and those of programs too.
    let rules = || rules(&[(Alarm::ImpossibleTravel, fixed(900.0))]);
    let each: Vec<(usize, &str)> = (1..40).map(|call| (call, "ImpossibleTravel")).collect();
    check_with(rules(), flips(), &each);
    let both = [(0, program(ZURICH)), (MINUTE, program(NEW_YORK))];
    check_with(rules(), both, &[(1, "ImpossibleTravel")]);
    let slow = rules_of_speed(100.0);
    check_with(slow, [(0, at(ZURICH, 1)), (9 * HOUR, at(NEW_YORK, 2))], &[(1, "ImpossibleTravel")]);
}

fn rules_of_speed(kmh: f64) -> Rules {
    rules(&[(Alarm::ImpossibleTravel, Setting { threshold: Some(kmh), ..Setting::default() })])
}

#[test]
fn an_event_that_stands_for_many_calls_counts_as_many() {
    let sampled = |status| Call { weight: if status == 200 { 100 } else { 1 }, status, ..usual() };
    // A minute of 1000 calls, of which three fail: each failure is reported, and no alarm.
    let minute = || times(1, MINUTE, sampled(200)).chain(times(9, 0, sampled(200)));
    let few = || times(3, SECOND, sampled(503));
    check((0..40).flat_map(|_| minute().chain(few())), &[]);
    // The same three among as many calls as events are many.
    let unsampled = |status| Call { status, ..usual() };
    let minute = || times(1, MINUTE, unsampled(200)).chain(times(9, 0, unsampled(200)));
    let failed = times(4, SECOND, unsampled(503));
    check((0..40).flat_map(|_| minute()).chain(failed), &[(402, "AbnormalErrorRate")]);
    let rules = rules(&[(Alarm::AbnormalRequestsPerMin, fixed(1000.0))]);
    let many = times(11, 0, sampled(200));
    check_with(rules, many, &[(10, "AbnormalRequestsPerMin")]);
}
