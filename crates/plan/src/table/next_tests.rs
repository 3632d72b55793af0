//! What a plan answers, and what it carries over.

use std::collections::BTreeMap;

use super::probe::{changed, check, plan, stored, without};
use super::*;
use crate::fixtures::admitted;
use crate::{OperationMatch, Wants, slice};

#[test]
fn the_longest_context_wins_and_the_version_follows() {
    let plan = plan(
        "
        api orders 1.0 /orders
        api orders 2.0 /orders + defaultVersion: true
        api items 1.0 /orders/items
        api deep 1.0 /a/b/c/d + defaultVersion: true
        ",
    );
    check(&plan, "/orders/1.0/x", "orders:1.0 /x");
    check(&plan, "/orders/1.0", "orders:1.0");
    check(&plan, "/orders/2.0/", "orders:2.0 /");
    check(&plan, "/orders/3.0/x", "orders:2.0 /3.0/x");
    check(&plan, "/orders", "orders:2.0");
    check(&plan, "/orders?x", "nothing");
    check(&plan, "/ordersx", "nothing");
    check(&plan, "/orders/items/1.0/x", "items:1.0 /x");
    check(&plan, "/orders/items/2.0/x", "orders:2.0 /items/2.0/x");
    check(&plan, "/a/b/c/d/e", "deep:1.0 /e");
    check(&plan, "/a/b/c", "nothing");
    check(&plan, "/a/b/c/d", "deep:1.0");
    check(&plan, "", "nothing");
    check(&plan, "/", "nothing");
    check(&plan, "orders/1.0", "nothing");
    check(&plan, "//orders/1.0", "nothing");
}

#[test]
fn a_context_says_where_its_version_stands() {
    let plan = plan(
        "
        api a 1.0 \"/a/{version}/b\" + defaultVersion: true
        api b 1.0 \"/{version}/b\"
        api b 2.0 \"/{version}/b\"
        ",
    );
    check(&plan, "/a/1.0/b/x", "a:1.0 /x");
    check(&plan, "/a/b/x", "a:1.0 /x");
    check(&plan, "/a/{version}/b/x", "nothing");
    check(&plan, "/1.0/b", "b:1.0");
    check(&plan, "/2.0/b", "b:2.0");
    check(&plan, "/b", "nothing");
}

#[test]
fn the_default_version_of_the_root_gets_what_nobody_else_serves() {
    let plan = plan(
        "
        api root 1.0 / + defaultVersion: true
        api root 2.0 /
        api orders 1.0 /orders
        ",
    );
    check(&plan, "/", "root:1.0 /");
    check(&plan, "/a/b", "root:1.0 /a/b");
    check(&plan, "///a", "root:1.0 ///a");
    check(&plan, "/1.0/a", "root:1.0 /a");
    check(&plan, "/2.0/a", "root:2.0 /a");
    check(&plan, "/orders/1.0/a", "orders:1.0 /a");
    check(&plan, "/orders/a", "root:1.0 /orders/a");
    check(&plan, "a", "nothing");
}

#[test]
fn the_life_of_an_api_decides_whether_it_is_found() {
    let plan = plan(
        "
        api a 1 /a + lifecycle: CREATED
        api a 2 /a + lifecycle: RETIRED
        api a 3 /a + lifecycle: BLOCKED
        api a 4 /a + lifecycle: DEPRECATED
        api a 5 /a + defaultVersion: true, lifecycle: PROTOTYPED
        ",
    );
    check(&plan, "/a/1/x", "nothing");
    check(&plan, "/a/2/x", "nothing");
    check(&plan, "/a/3/x", "a:3 BLOCKED /x");
    check(&plan, "/a/4/x", "a:4 DEPRECATED /x");
    check(&plan, "/a/5/x", "a:5 PROTOTYPED /x");
    check(&plan, "/a/6/x", "a:5 PROTOTYPED /6/x");
}

#[test]
fn virtual_hosts_restrict_the_groups_that_have_some() {
    let plan = plan(
        "
        group eu + virtualHosts: [api.example.eu, '*.shop.example']
        api a 1 /a + gateways: [eu]
        api b 1 /b
        api c 1 /c + gateways: [eu, default]
        ",
    );
    check(&plan, "api.example.eu /a/1", "a:1");
    check(&plan, "API.example.EU:8243 /a/1", "a:1");
    check(&plan, "api.example.eu. /a/1", "a:1");
    check(&plan, "x.shop.example /a/1", "a:1");
    check(&plan, "x.y.shop.example /a/1", "nothing");
    check(&plan, "shop.example /a/1", "nothing");
    check(&plan, "127.0.0.1:8280 /a/1", "nothing");
    check(&plan, "[::1]:8280 /b/1", "b:1");
    check(&plan, "anything /c/1", "c:1");
}

#[test]
fn what_is_not_published_is_found_by_those_who_test_it() {
    let plan = plan(
        "
        api a 1 /a + lifecycle: CREATED
        api b 1 /b + lifecycle: RETIRED
        api c 1 /c
        ",
    );
    let found = |path: &'static str| {
        let hit = plan.find_unpublished("any", path);
        hit.map_or_else(|| "nothing".to_owned(), |hit| format!("{} {}", hit.api.id, hit.rest))
    };
    check(&plan, "/a/1/x", "nothing");
    assert_eq!(found("/a/1/x"), "a:1 /x");
    assert_eq!(found("/b/1/x"), "nothing");
    assert_eq!(found("/c/1/x"), "c:1 /x");
}

#[test]
fn how_often_an_api_was_tried_out_stays_known_when_it_changes() {
    let plan = plan("api a 1 /a");
    let meter = std::sync::Arc::clone(plan.api("a:1").unwrap().test_meter());
    let changed = changed(&plan, "api a 1 /a + lifecycle: PROTOTYPED");
    assert!(std::sync::Arc::ptr_eq(&meter, changed.api("a:1").unwrap().test_meter()));
}

#[test]
fn operations_are_found_below_the_api() {
    let plan = plan(
        "api a 1 /a + operations: [{method: GET, path: '/{id}', scopes: [r], id: one}, {method: GET, path: /open, auth: none}]",
    );
    let api = plan.find("h", "/a/1").unwrap().api;
    let OperationMatch::Found(one) = api.operation("GET", "/7") else { panic!() };
    assert_eq!(
        (&*one.id, &*one.path, one.wants == Wants::Nobody, &*one.scopes[0]),
        ("one", "/{id}", false, "r")
    );
    let OperationMatch::Found(open) = api.operation("GET", "/open") else { panic!() };
    assert_eq!(open.wants, Wants::Nobody);
    let OperationMatch::MethodNotAllowed(allow) = api.operation("PUT", "/7") else { panic!() };
    assert_eq!(allow, ["GET", "HEAD"]);
    assert!(matches!(api.operation("GET", "/7/8"), OperationMatch::NotFound));
}

const SHOP: &str = "
    tier Gold subscription 2/60
    tier Big application 3/60
    api orders 1.0 /orders + tiers: [Gold]
    app shop + tier: Big, keys: [{consumerKey: abc}, {consumerKey: def, type: sandbox}]
    sub shop-orders shop orders:1.0 Gold
";

#[test]
fn callers_are_looked_up_by_their_key() {
    let plan = plan(SHOP);
    let consumer = plan.consumer("resident", "def").unwrap();
    assert_eq!(&*consumer.application.name, "shop");
    assert_eq!(consumer.key_type, crate::KeyType::Sandbox);
    assert!(plan.consumer("resident", "x").is_none());
    assert!(plan.consumer("okta", "abc").is_none());
    let right = plan.subscription("shop", "orders:1.0").unwrap();
    assert_eq!((&*right.name, &*right.tier), ("shop-orders", "Gold"));
    assert!(plan.subscription("shop", "orders:2.0").is_none());
    assert!(plan.resident().issuer.is_empty());
    assert_eq!(&*plan.key_manager("resident").unwrap().name, "resident");
}

/// How many calls the application's and the subscription's meter still admit now.
fn room(plan: &Plan) -> (u64, u64) {
    let left = |meter: &throttle::Meter| {
        let mut quotas = meter.state(1_000).filter(|state| !state.limit.is_rate());
        quotas.next().map_or(99, |state| state.remaining)
    };
    let application = &plan.consumer("resident", "abc").unwrap().application;
    (left(&application.meter), left(&plan.subscription("shop", "orders:1.0").unwrap().meter))
}

fn call(plan: &Plan) {
    plan.subscription("shop", "orders:1.0")
        .unwrap()
        .meter
        .hold(1_000, &throttle::Cost::CALL)
        .unwrap()
        .settle();
    plan.consumer("resident", "abc")
        .unwrap()
        .application
        .meter
        .hold(1_000, &throttle::Cost::CALL)
        .unwrap()
        .settle();
}

#[test]
fn counters_survive_every_change_that_keeps_their_owner() {
    let first = plan(SHOP);
    call(&first);
    assert_eq!(room(&first), (2, 1));
    let other = changed(&first, "api pay 1.0 /pay\napp web");
    assert_eq!(room(&other), (2, 1));
    let touched = changed(
        &other,
        "app shop + tier: Big, description: x, keys: [{consumerKey: abc}]
         sub shop-orders shop orders:1.0 Gold + state: BLOCKED",
    );
    assert_eq!(room(&touched), (2, 1));
    let wider = changed(&touched, "tier Gold subscription 10/60\ntier Big application 10/60");
    assert_eq!(room(&wider), (9, 9));
    call(&first);
    assert_eq!(room(&first), (1, 0), "the old generation counts by itself");
}

#[test]
fn calls_that_come_while_the_next_plan_is_made_count_for_it() {
    let first = plan(SHOP);
    // Nobody has called yet: there is no meter that the next plans could take over.
    let other = changed(&first, "app web");
    let blocked = changed(&first, "sub shop-orders shop orders:1.0 Gold + state: BLOCKED");
    let wider = changed(&first, "tier Gold subscription 10/60");
    let again = changed(&first, "tier Gold subscription 2/60 + description: x");
    call(&first);
    assert_eq!(room(&other), (2, 1));
    assert_eq!(room(&again), (2, 1));
    assert_eq!(room(&blocked), (2, 1));
    assert_eq!(room(&wider), (2, 10), "other limits take over what was counted when they came");
}

#[test]
fn another_subscription_counts_from_the_start() {
    let first = plan(SHOP);
    call(&first);
    let gone = without(&first, &["Subscription/shop-orders"]);
    assert!(gone.subscription("shop", "orders:1.0").is_none());
    let again = changed(&gone, "sub shop-orders shop orders:1.0 Gold");
    assert_eq!(room(&again), (2, 2));
    let renamed = changed(&gone, "sub other shop orders:1.0 Gold");
    assert_eq!(room(&renamed), (2, 2));
    assert_eq!(&*renamed.subscription("shop", "orders:1.0").unwrap().name, "other");
    assert_eq!(room(&first), (2, 1));
}

#[test]
fn rights_are_found_by_what_a_call_has_at_hand() {
    let first =
        plan(&format!("{SHOP}\napi orders 2.0 /orders\napp web + keys: [{{consumerKey: w}}]"));
    let called = |plan: &Plan, client: &str, api: &str| {
        let consumer = plan.consumer("resident", client).unwrap();
        let found = plan.right(&consumer.application, plan.api(api).unwrap());
        found.map(|it| it.name.to_string()).unwrap_or_default()
    };
    assert_eq!(called(&first, "abc", "orders:1.0"), "shop-orders");
    assert_eq!(called(&first, "abc", "orders:2.0"), "");
    assert_eq!(called(&first, "w", "orders:1.0"), "");
    // Application and API come and go, and what joins them stays.
    let touched = changed(
        &first,
        "app shop + description: x, keys: [{consumerKey: abc}]\napi orders 1.0 /moved + tiers: [Gold]",
    );
    assert_eq!(called(&touched, "abc", "orders:1.0"), "shop-orders");
    let alone = without(&touched, &["Application/shop", "Api/orders:1.0"]);
    assert!(alone.subscription("shop", "orders:1.0").is_some());
    let back = changed(&alone, "app shop + keys: [{consumerKey: abc}]\napi orders 1.0 /orders");
    assert_eq!(called(&back, "abc", "orders:1.0"), "shop-orders");
    // What an older plan knew of them means nobody else in a newer one.
    let old = first.consumer("resident", "abc").unwrap();
    let none = without(&alone, &["Subscription/shop-orders"]);
    let others = changed(
        &none,
        "app new + keys: [{consumerKey: abc}]\napi new 1.0 /new\nsub n new new:1.0 Gold",
    );
    assert_eq!(called(&others, "abc", "new:1.0"), "n");
    let (api, was) = (others.api("new:1.0").unwrap(), first.api("orders:1.0").unwrap());
    assert!(others.right(&old.application, api).is_none());
    let new = others.consumer("resident", "abc").unwrap();
    assert!(others.right(&new.application, was).is_none());
}

#[test]
fn two_subscriptions_to_what_is_not_there_yet_wait_for_the_same() {
    let gold = "tier Gold subscription 2/60";
    let first =
        changed(&Plan::empty(), &format!("{gold}\nsub a shop x:1 Gold\nsub b shop y:1 Gold"));
    let second = changed(&first, "app shop + keys: [{consumerKey: abc}]\napi x 1 /x\napi y 1 /y");
    let application = &second.consumer("resident", "abc").unwrap().application;
    for (api, name) in [("x:1", "a"), ("y:1", "b")] {
        let found = second.right(application, second.api(api).unwrap()).unwrap();
        assert_eq!((&*found.name, !found.meter.is_unlimited()), (name, true));
    }
}

#[test]
fn a_slice_makes_the_same_plan_for_what_it_holds() {
    let all = admitted(SHOP);
    let (plan, told) = Plan::empty().replaced(&stored(&slice(&all, &BTreeMap::new())));
    assert!(told.is_empty());
    check(&plan, "/orders/1.0/x", "orders:1.0 /x");
    assert_eq!(room(&plan), (3, 2));
}

/// Incident: apisix#13303, where a compacted history made every node build its routers anew.
#[test]
fn what_is_sent_again_as_it_was_keeps_its_compiled_form() {
    let plan = plan(&format!("{SHOP} api pay 1 /pay"));
    let all: Vec<_> = plan
        .objects()
        .iter()
        .map(|object| (object.key().clone(), object.bytes().clone()))
        .collect();
    let form = |plan: &Plan, path: &str| {
        let OperationMatch::Found(operation) =
            plan.find("h", path).unwrap().api.operation("GET", "/x")
        else {
            panic!("no operation")
        };
        std::sync::Arc::clone(operation)
    };
    let paths = ["/orders/1.0", "/pay/1"];
    let before = paths.map(|path| form(&plan, path));
    let (again, rejected) = plan.replaced(&all);
    assert!(rejected.is_empty());
    for (path, before) in paths.into_iter().zip(&before) {
        assert!(std::sync::Arc::ptr_eq(&form(&again, path), before), "{path}");
    }

    let mut other = all;
    other.retain(|(key, _)| key.as_str() != "Api/pay:1");
    let (without, _) = plan.replaced(&other);
    assert!(
        std::sync::Arc::ptr_eq(&form(&without, paths[0]), &before[0]),
        "only what differs is touched"
    );
    assert!(without.find("h", paths[1]).is_none());
}

#[test]
fn an_api_is_there_once_under_its_id_until_it_is_taken_out() {
    let there = |plan: &Plan, ids: &[&str]| {
        let mut all: Vec<&str> = plan.apis().map(|api| &*api.id).collect();
        all.sort_unstable();
        assert_eq!(all, ids);
        assert!(ids.iter().all(|id| plan.api(id).is_some_and(|api| *api.id == **id)));
        assert!(plan.api("none:1").is_none());
    };
    let first = plan("api a 1 /a\napi a 2 /a\napi b 1 /b");
    there(&first, &["a:1", "a:2", "b:1"]);
    let second = changed(&first, "api b 1 /moved\napi c 1 /c");
    there(&second, &["a:1", "a:2", "b:1", "c:1"]);
    assert_eq!(&*second.api("b:1").unwrap().context, "/moved");
    there(&without(&second, &["Api/a:1", "Api/b:1"]), &["a:2", "c:1"]);
    there(&first, &["a:1", "a:2", "b:1"]);
}
