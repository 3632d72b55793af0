//! Which calls policies refuse, and what that costs.

use std::fmt::Write as _;

use imbl::OrdMap;

use super::probe::{changed, plan, stored, without};
use crate::fixtures::{admitted, lines, resources};
use crate::{Plan, ResourceKey, Visit, Visitor};

/// An API, a product with it, and two applications.
const SHOP: &str = "
    api orders 1.0 /orders
    api orders 2.0 /orders
    api pay 1.0 /pay
    product all 1.0 /all + apis: [{name: orders, version: '1.0'}]
    app shop
    app web
";
const NOW: i64 = 1_800_000_000;

/// `call` is "api address [application client user]", `-` for what is not known; the answer is the
/// policy that refuses it, or "passes".
fn said(plan: &Plan, call: &str) -> String {
    let mut words = call.split_whitespace().map(|word| (word != "-").then_some(word));
    let called = words.next().flatten().and_then(|id| plan.api(id)).unwrap();
    let member = called.operations().iter().find_map(|operation| operation.member.as_ref());
    let visit = Visit {
        called,
        home: member.unwrap_or(called),
        address: words.next().flatten().unwrap().parse().unwrap(),
        now_unix: NOW,
    };
    let (application, client, user) =
        (words.next().flatten(), words.next().flatten(), words.next().flatten());
    let users: Vec<&str> = user.into_iter().collect();
    let visitor = Visitor { application, client, users: &users };
    let found = plan.denied_place(&visit).or_else(|| plan.denied_caller(&visit, &visitor));
    found.map_or_else(|| "passes".to_owned(), |policy| policy.name.to_string())
}

/// The calls in `refused` are refused by `policy`, alone beside the shop, and those in `pass` are not.
#[track_caller]
fn check(policy: &str, refused: &[&str], pass: &[&str]) {
    let plan = plan(&format!("{SHOP}\ndeny d + {policy}"));
    assert!(plan.denies());
    for call in refused {
        assert_eq!(said(&plan, call), "d", "{policy} with {call}");
    }
    for call in pass {
        assert_eq!(said(&plan, call), "passes", "{policy} with {call}");
    }
    // Whoever lifts it finds nothing left of it.
    let lifted = without(&plan, &["DenyPolicy/d"]);
    assert!(!lifted.denies());
    for call in refused {
        assert_eq!(said(&lifted, call), "passes", "{policy}");
    }
    let denials = &lifted.denials;
    let tables = [&denials.users, &denials.clients, &denials.applications, &denials.apis];
    assert!(tables.iter().all(|table| table.is_empty()) && denials.versions.is_empty());
    assert!(denials.v4.is_empty() && denials.v6.is_empty());
}

#[test]
fn an_api_is_refused_in_one_version_or_in_all_and_through_products() {
    check("apis: ['orders:1.0']", &["orders:1.0 1.1.1.1", "all:1.0 1.1.1.1"], &["orders:2.0 ::1"]);
    check("apis: ['orders:*']", &["orders:2.0 ::1", "all:1.0 ::1"], &["pay:1.0 ::1"]);
    check("apis: ['all:1.0']", &["all:1.0 ::1"], &["orders:1.0 ::1"]);
}

#[test]
fn addresses_are_refused_with_both_ends_of_a_range() {
    check(
        "addresses: [10.0.0.5-10.0.0.9, 'fe80::/10', 192.0.2.1]",
        &["pay:1.0 10.0.0.5", "pay:1.0 10.0.0.9", "pay:1.0 fe80::7", "pay:1.0 192.0.2.1"],
        &["pay:1.0 10.0.0.4", "pay:1.0 10.0.0.10", "pay:1.0 fec0::", "pay:1.0 192.0.2.2"],
    );
    check("addresses: [10.0.0.1]", &["pay:1.0 ::ffff:10.0.0.1"], &["pay:1.0 ::10.0.0.1"]);
}

#[test]
fn several_addresses_that_are_not_refused_are_all_let_through() {
    check(
        "notAddresses: [10.0.0.0/8, 192.0.2.1]",
        &["pay:1.0 11.0.0.1", "pay:1.0 ::1"],
        &["pay:1.0 10.1.2.3", "pay:1.0 192.0.2.1"],
    );
    check(
        "addresses: [10.0.0.0/8], notAddresses: [10.0.0.0/16]",
        &["pay:1.0 10.1.0.0"],
        &["pay:1.0 10.0.255.255", "pay:1.0 11.0.0.0"],
    );
}

#[test]
fn callers_are_refused_by_each_of_their_names() {
    check("applications: [shop]", &["pay:1.0 ::1 shop k ann"], &["pay:1.0 ::1 web k ann"]);
    check("clients: [k]", &["pay:1.0 ::1 - k"], &["pay:1.0 ::1 k - k"]);
    check("users: [ann, ben]", &["pay:1.0 ::1 shop k ben"], &["pay:1.0 ::1 ben", "pay:1.0 ::1"]);
}

#[test]
fn all_that_is_named_has_to_hold() {
    check(
        "users: [ann], apis: ['pay:1.0', 'orders:2.0'], addresses: [10.0.0.0/8]",
        &["pay:1.0 10.0.0.1 shop k ann", "orders:2.0 10.0.0.1 - - ann"],
        &[
            "orders:1.0 10.0.0.1 shop k ann",
            "pay:1.0 11.0.0.1 shop k ann",
            "pay:1.0 10.0.0.1 shop k ben",
            "pay:1.0 10.0.0.1",
        ],
    );
    check(
        "applications: [shop], clients: [k]",
        &["pay:1.0 ::1 shop k"],
        &["pay:1.0 ::1 shop j", "pay:1.0 ::1 web k"],
    );
    check(
        "apis: ['pay:1.0'], addresses: ['::1']",
        &["pay:1.0 ::1"],
        &["pay:1.0 ::2", "orders:1.0 ::1"],
    );
}

#[test]
fn a_policy_that_is_disabled_or_over_refuses_nothing() {
    check("addresses: ['::1'], disabled: true", &[], &["pay:1.0 ::1"]);
    check("users: [ann], expiresAt: '2027-01-15T08:00:00Z'", &[], &["pay:1.0 ::1 - - ann"]);
    check("addresses: ['::1'], expiresAt: '2027-01-15T08:00:00.5Z'", &["pay:1.0 ::1"], &[]);
    check("apis: ['pay:1.0'], expiresAt: '2027-01-15T08:00:01Z'", &["pay:1.0 ::1"], &[]);
}

#[test]
fn a_changed_policy_refuses_what_it_says_now() {
    let before = plan(&format!("{SHOP}\ndeny d + addresses: [10.0.0.0/8]"));
    let after = changed(&before, "deny d + users: [ann]");
    assert_eq!(said(&after, "pay:1.0 10.0.0.1"), "passes");
    assert_eq!(said(&after, "pay:1.0 10.0.0.1 - - ann"), "d");
    assert_eq!(said(&before, "pay:1.0 10.0.0.1"), "d", "a plan does not change");
    // What cannot be read leaves the last good form in force.
    let broken = changed(&after, "deny d");
    assert_eq!(said(&broken, "pay:1.0 10.0.0.1 - - ann"), "d");
    assert_eq!(broken.rejected().len(), 1);
}

#[test]
fn ten_thousand_policies_are_looked_through_in_a_few_steps() {
    let mut policies = format!("{SHOP}\n");
    for number in 0..10_000_u32 {
        let (high, low) = (number / 256, number % 256);
        let what = match number % 4 {
            0 => format!("addresses: [10.{high}.{low}.0/24]"),
            1 => format!("addresses: [10.{high}.{low}.1-10.{high}.{low}.200]"),
            2 => format!("users: [user{number}]"),
            _ => format!("clients: [client{number}]"),
        };
        writeln!(policies, "deny d{number} + {what}").unwrap();
    }
    let (plan, rejected) = Plan::empty().replaced(&stored(&admitted(&policies)));
    assert!(rejected.is_empty());
    assert_eq!(said(&plan, "pay:1.0 10.0.4.200"), "d4");
    assert_eq!(said(&plan, "pay:1.0 10.0.5.0"), "passes");
    assert_eq!(said(&plan, "pay:1.0 10.0.5.200"), "d5");
    assert_eq!(said(&plan, "pay:1.0 10.0.5.201 - client9999 ann"), "d9999");
    // One step per length of network, whatever the number of policies.
    assert!(plan.denials.v4.len() <= 32, "{}", plan.denials.v4.len());
    assert!(plan.denials.v6.is_empty());
    let most = plan.denials.v4.values().flat_map(|networks| networks.values());
    assert_eq!(most.map(OrdMap::len).max(), Some(1), "a network lies with its own policies alone");
}

/// What admission says to a policy in the shop.
fn admission(upserts: &str, deletes: &[&str]) -> String {
    let before = admitted(&format!("{SHOP}\ndeny d + apis: ['orders:1.0'], applications: [shop]"));
    let deletes: Vec<ResourceKey> = deletes.iter().map(|key| key.parse().unwrap()).collect();
    match crate::admit(&before, &resources(upserts), &deletes) {
        Ok(_) => "admitted".to_owned(),
        Err(problems) => lines(&problems),
    }
}

#[test]
fn what_would_refuse_nobody_or_everybody_is_no_policy() {
    insta::assert_snapshot!(admission("deny e", &[]), @"DenyPolicy/e: spec: a policy that names nothing would refuse every call; name apis, applications, users, clients, addresses or notAddresses");
    insta::assert_snapshot!(admission("deny e + disabled: true, reason: none", &[]), @"DenyPolicy/e: spec: a policy that names nothing would refuse every call; name apis, applications, users, clients, addresses or notAddresses");
    insta::assert_snapshot!(
        admission("deny e + addresses: [10.0.0.0/16], notAddresses: [10.0.0.0/8]", &[]),
        @"DenyPolicy/e: spec.notAddresses: no address is left that is refused"
    );
    insta::assert_snapshot!(
        admission("deny e + addresses: [10.0.0.1/8, ten, 10.0.0.9-10.0.0.1], users: ['']", &[]),
        @"
    DenyPolicy/e: spec.users[0]: `` has not 1 to 512 bytes on one line
    DenyPolicy/e: spec.addresses[0]: `10.0.0.1/8` has bits that are not of its network; write the first address of the network, or one address without `/`
    DenyPolicy/e: spec.addresses[1]: `ten` is no address, network or range; write for example 192.0.2.7, 192.0.2.0/24 or 192.0.2.7-192.0.2.90
    DenyPolicy/e: spec.addresses[2]: `10.0.0.9-10.0.0.1` goes from no address up to another of its kind; write the lower address first
    "
    );
}

#[test]
fn a_policy_names_what_is_there_and_keeps_it_there() {
    insta::assert_snapshot!(
        admission("deny e + apis: ['order:1.0', 'pay', 'none:*'], applications: [shp]", &[]),
        @"
    DenyPolicy/e: spec.apis[1]: `pay` names no API; write `name:version`, or `name:*` for all
    DenyPolicy/e: spec.apis[0]: there is no Api `order:1.0`; did you mean `orders:1.0`?
    DenyPolicy/e: spec.applications[0]: there is no Application `shp`; did you mean `shop`?
    "
    );
    insta::assert_snapshot!(admission("deny e + apis: ['all:1.0'], users: [nobody]", &[]), @"admitted");
    insta::assert_snapshot!(admission("", &["Application/shop"]), @"Application/shop: DenyPolicy/d refers to it; remove what refers to it as well");
}
