//! Which counters the calls of an API have, and what becomes of them when something changes.

use std::net::IpAddr;
use std::sync::Arc;

use throttle::{Cost, Meter};

use super::probe::{changed, check as found, plan, rejected, without};
use super::*;
use crate::fixtures::{admitted, lines, resources};
use crate::{Asked, Carried, Counters, admit};

const NOW_US: u64 = 1_800_000_000_000_000;

/// A call that carries nothing, from somewhere.
struct From(IpAddr);

impl Asked for From {
    fn field(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn query(&self) -> Option<&str> {
        None
    }
}

impl Carried for From {
    fn address(&self) -> IpAddr {
        self.0
    }

    fn claim(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }
}

/// The meter of `call`: "api operation user address" of a limit of level advanced, where `operation` is
/// its place among those of the API.
fn meter(plan: &Plan, call: &str) -> Option<Arc<Meter>> {
    let words: Vec<&str> = call.split(' ').collect();
    let api = plan.api(words[0]).unwrap();
    let operation = &api.operations()[words[1].parse::<usize>().unwrap()];
    let of_api = || api.throttle.as_ref().and_then(|throttle| throttle.limits.as_ref());
    let limits = operation.limits.as_deref().or_else(of_api)?;
    match limits.of_call(&From(words[3].parse().unwrap())).0 {
        Counters::Together(meter) => Some(Arc::clone(meter)),
        Counters::Each(keyed) => Some(keyed.meter(keyed.subject(words[2]), NOW_US).unwrap()),
    }
}

/// Makes a call; how many more fit, or `-` where it does not, `free` where nothing is counted.
fn left(plan: &Plan, call: &str) -> String {
    let Some(meter) = meter(plan, call) else { return "free".to_owned() };
    let Ok(hold) = meter.hold(NOW_US, &Cost::CALL) else { return "-".to_owned() };
    let _ = hold.settle();
    meter.state(NOW_US).next().map_or("free".to_owned(), |state| state.remaining.to_string())
}

#[track_caller]
fn check(plan: &Plan, calls: &[(&str, &str)]) {
    for (call, expected) in calls {
        assert_eq!(left(plan, call), *expected, "{call}");
    }
}

const API: &str = "
    tier Two advanced 2/3600
    tier Nine advanced 9/3600
    api a 1 /a + throttle: {tier: Nine}, operations: [{method: GET, path: /x, tier: Two}, {method: GET, path: /y}, {method: GET, path: /z, tier: Unlimited}, {method: GET, path: /w}]
    api free 1 /free
    product p 1 /p + apis: [{name: a, version: '1'}]
    product q 1 /q + apis: [{name: a, version: '1'}], throttle: {tier: Two}
";

#[test]
fn an_operation_has_its_own_limits_or_shares_those_of_its_api() {
    let plan = plan(API);
    check(
        &plan,
        &[
            ("a:1 0 - ::1", "1"),
            ("a:1 0 - ::1", "0"),
            ("a:1 0 - ::1", "-"),
            ("a:1 1 - ::1", "8"),
            ("a:1 3 - ::1", "7"),
            ("a:1 2 - ::1", "free"),
            ("free:1 0 - ::1", "free"),
        ],
    );
}

#[test]
fn in_a_product_operations_count_as_at_their_api_and_the_rest_as_the_product_says() {
    let plan = plan(API);
    check(
        &plan,
        &[
            ("a:1 0 - ::1", "1"),
            ("p:1 0 - ::1", "0"),
            ("q:1 0 - ::1", "-"),
            ("p:1 1 - ::1", "free"),
            ("q:1 1 - ::1", "1"),
            ("a:1 1 - ::1", "8"),
        ],
    );
}

#[test]
fn a_changed_tier_and_a_changed_api_go_on_counting() {
    let first = plan(API);
    check(&first, &[("a:1 0 - ::1", "1"), ("a:1 1 - ::1", "8")]);
    let second = changed(&first, "tier Two advanced 5/3600");
    check(&second, &[("a:1 0 - ::1", "3"), ("q:1 0 - ::1", "2"), ("a:1 1 - ::1", "7")]);
    let written = API.replace("path: /y}", "path: /v}");
    let third = changed(&second, written.lines().find(|line| line.contains("api a")).unwrap());
    check(&third, &[("a:1 0 - ::1", "1"), ("a:1 1 - ::1", "6")]);
}

const USERS: &str = "
    tier Each advanced 2/3600 + perUser: true, conditions: [{when: [{addresses: ['10.0.0.0/8']}], quota: {requests: 1, per: 3600s}}, {when: [{addresses: ['11.0.0.0/8']}]}]
    api a 1 /a + throttle: {tier: Each}
";

#[test]
fn each_user_is_counted_by_itself_and_in_each_group() {
    let first = plan(USERS);
    check(
        &first,
        &[
            ("a:1 0 ann ::1", "1"),
            ("a:1 0 ben ::1", "1"),
            ("a:1 0 ann ::1", "0"),
            ("a:1 0 ann 10.0.0.1", "0"),
            ("a:1 0 ann 10.0.0.2", "-"),
            ("a:1 0 ben 10.0.0.1", "0"),
            ("a:1 0 ann 11.0.0.1", "free"),
        ],
    );
    let second = changed(&first, &USERS.lines().nth(1).unwrap().replace("2/3600", "3/3600"));
    check(&second, &[("a:1 0 ann ::1", "0"), ("a:1 0 ben ::1", "1"), ("a:1 0 ann 10.0.0.1", "-")]);
}

#[test]
fn without_its_tier_an_api_is_broken_and_not_unlimited() {
    let api = "api a 1 /a + throttle: {tier: Missing}";
    let first = changed(&Plan::empty(), api);
    found(&first, "/a/1/x", "a:1 broken /x");
    insta::assert_snapshot!(rejected(&first), @"Api/a:1 spec.throttle.tier: there is no tier Missing of level advanced (serving none)");
    let second = changed(&first, "tier Missing advanced 1/60");
    found(&second, "/a/1/x", "a:1 /x");
    let wrong = changed(&second, "tier Missing application 1/60");
    insta::assert_snapshot!(rejected(&wrong), @"Api/a:1 spec.throttle.tier: there is no tier Missing of level advanced (serving previous)");
}

#[test]
fn an_application_counts_its_users_where_its_tier_says_so() {
    let written = "tier Each application 1/60 + perUser: true\napp shop + tier: Each, keys: [{consumerKey: abc}]";
    let first = plan(written);
    let application =
        |plan: &Plan| Arc::clone(&plan.consumer("resident", "abc").unwrap().application);
    let users = application(&first).users.clone().unwrap();
    assert!(application(&first).meter.is_unlimited());
    let ann = users.meter(users.subject("ann"), NOW_US).unwrap();
    let _ = ann.hold(NOW_US, &Cost::CALL).unwrap().settle();
    let second =
        changed(&first, "app shop + tier: Each, keys: [{consumerKey: abc}], description: d");
    let users = application(&second).users.clone().unwrap();
    assert!(users.meter(users.subject("ann"), NOW_US).unwrap().hold(NOW_US, &Cost::CALL).is_err());
    let third = changed(&second, "tier Each application 1/60");
    assert!(application(&third).users.is_none() && !application(&third).meter.is_unlimited());
}

#[test]
fn what_has_no_limits_looks_at_one_meter_until_it_gets_some() {
    let written = "api a 1 /a + tiers: [Unlimited, T]\napp x\napp y\nsub s x a:1 Unlimited\nsub t y a:1 Unlimited\ntier T subscription 1/60";
    let first = plan(written);
    let meter = |plan: &Plan, app| Arc::clone(&plan.subscription(app, "a:1").unwrap().meter);
    assert!(Arc::ptr_eq(&meter(&first, "x"), &meter(&first, "y")));
    let second = changed(&first, "sub s x a:1 T\nsub t y a:1 T");
    let _ = meter(&second, "x").hold(NOW_US, &Cost::CALL).unwrap().settle();
    assert!(meter(&second, "x").hold(NOW_US, &Cost::CALL).is_err(), "it was used");
    assert!(meter(&second, "y").hold(NOW_US, &Cost::CALL).is_ok(), "it was not");
}

#[test]
fn tiers_that_exist_always_hold_until_a_resource_takes_their_name() {
    let shop = "api a 1 /a + tiers: [Gold]\napp shop + tier: 10PerMin\nsub s shop a:1 Gold";
    let amount = |plan: &Plan| {
        let meter = &plan.subscription("shop", "a:1").unwrap().meter;
        meter.config().limits().iter().map(throttle::Limit::amount).collect::<Vec<_>>()
    };
    let first = plan(shop);
    assert_eq!(amount(&first), [5_000]);
    let second = changed(&first, "tier Gold subscription 7/60");
    assert_eq!(amount(&second), [7]);
    assert_eq!(amount(&without(&second, &["Tier/Gold"])), [5_000]);
}

#[test]
fn limits_by_expressions_are_in_force_and_gone() {
    let custom = "custom c + key: \"'all'\", quota: {requests: 2, per: 60s}";
    let first = plan(custom);
    let names = |plan: &Plan| plan.customs().map(|it| it.name.to_string()).collect::<Vec<_>>();
    let meter = |plan: &Plan| {
        let counters = &plan.customs().next().unwrap().counters;
        counters.meter(counters.subject("all"), NOW_US).unwrap()
    };
    assert_eq!(names(&first), ["c"]);
    let _ = meter(&first).hold(NOW_US, &Cost::CALL).unwrap().settle();
    let second = changed(&first, &custom.replace("requests: 2", "requests: 5"));
    assert_eq!(meter(&second).state(NOW_US).next().unwrap().remaining, 4);
    assert!(names(&changed(&second, &format!("{custom}, disabled: true"))).is_empty());
    assert!(!without(&second, &["CustomThrottle/c"]).has_customs());
}

fn admission(before: &str, upserts: &str, deletes: &[&str]) -> String {
    let deletes: Vec<ResourceKey> = deletes.iter().map(|key| key.parse().unwrap()).collect();
    match admit(&admitted(before), &resources(upserts), &deletes) {
        Ok(admitted) => format!("{} changes", admitted.changes.len()),
        Err(problems) => lines(&problems),
    }
}

#[test]
fn tiers_are_of_the_level_of_their_place_and_stay_while_they_are_named() {
    let tiers = "throttle: {tier: T, unauthenticatedTier: 10KPerMin}";
    let api = format!("api a 1 /a + {tiers}, operations: [{{method: GET, path: /x, tier: Gold}}]");
    insta::assert_snapshot!(admission("", &format!("tier T subscription 1/60\n{api}"), &[]), @"
Api/a:1: spec.operations[0].tier: Tier/Gold is not of level advanced; choose a tier of that level
Api/a:1: spec.throttle.tier: Tier/T is not of level advanced; choose a tier of that level
Api/a:1: spec.throttle.unauthenticatedTier: Tier/10KPerMin is not of level subscription; choose a tier of that level
");
    insta::assert_snapshot!(admission("", "app a + tier: Gold\napp b + tier: 50PerMn", &[]), @"
Application/a: spec.tier: Tier/Gold is not of level application; choose a tier of that level
Application/b: spec.tier: there is no Tier `50PerMn`; did you mean `50PerMin`?
");
    insta::assert_snapshot!(admission(API, "", &["Tier/Two"]), @"Tier/Two: Api/a:1 and one other refer to it; remove what refers to it as well");
    let own = "tier Unauthenticated subscription 1/60\napi a 1 /a + throttle: {}";
    insta::assert_snapshot!(admission(own, "", &["Tier/Unauthenticated"]), @"Tier/Unauthenticated: Api/a:1 refers to it; remove what refers to it as well");
}

#[test]
fn what_backends_take_is_said_where_they_are() {
    insta::assert_snapshot!(admission("", "api a 1 /a + throttle: {maxTps: {}}", &[]), @"Api/a:1: spec.throttle.maxTps: it does not say how much the backends take; write `production`, `sandbox` or both");
    insta::assert_snapshot!(admission("", "api a 1 /a + throttle: {maxTps: {production: 0, per: 7200s}}", &[]), @"Api/a:1: spec.throttle.maxTps.per: what backends take is said per 1 millisecond to 1 hour; write for example `1s`");
    let product =
        "product p 1 /p + apis: [{name: a, version: '1'}], throttle: {maxTps: {sandbox: 1}}";
    let said = admission(API, product, &[]);
    assert!(
        said.starts_with("ApiProduct/p:1: spec.throttle.maxTps: a product has no backends"),
        "{said}"
    );
}

#[test]
fn there_are_so_many_limits_by_expressions_and_of_apis_that_are_there() {
    let custom = "key: \"'a'\", quota: {requests: 1, per: 60s}";
    insta::assert_snapshot!(admission("", &format!("custom c + {custom}, apis: ['a:1']"), &[]), @"CustomThrottle/c: spec.apis[0]: there is no Api `a:1`");
    let many: Vec<_> = (0..101).map(|number| format!("custom c{number} + {custom}")).collect();
    let said = admission("", &many.join("\n"), &[]);
    assert!(said.starts_with("CustomThrottle/c0: there are 100 already"), "{said}");
}
