//! What becomes of objects that cannot be served.

use super::probe::{changed, check, plan, rejected, stored, without};
use super::*;
use crate::Objects;
use crate::fixtures::{lines, objects};

#[test]
fn what_does_not_compile_keeps_its_last_good_form() {
    let first = plan("api a 1 /a\napi b 1 /b");
    let second = changed(&first, "api a 1 /a + operations: [{method: GET, path: '/{id:['}]");
    check(&second, "/a/1/x", "a:1 /x");
    insta::assert_snapshot!(rejected(&second), @"Api/a:1 spec.operations[0].path: `{id:[` is not closed (serving previous)");
    assert_eq!(
        second.objects().hash(),
        objects("api a 1 /a + operations: [{method: GET, path: '/{id:['}]\napi b 1 /b").hash(),
    );
    let third = changed(&second, "api a 1 /new");
    check(&third, "/new/1/x", "a:1 /x");
    check(&third, "/a/1/x", "nothing");
    assert_eq!(rejected(&third), "");
}

#[test]
fn what_never_was_good_answers_503_and_not_404() {
    let bad = "api a 1 /a + operations: [{method: GET, path: '/{id:['}]";
    let first = changed(&Plan::empty(), bad);
    check(&first, "/a/1/x", "a:1 broken /x");
    insta::assert_snapshot!(rejected(&first), @"Api/a:1 spec.operations[0].path: `{id:[` is not closed (serving none)");
    let gone = without(&first, &["Api/a:1"]);
    check(&gone, "/a/1/x", "nothing");
    assert_eq!(rejected(&gone), "");
    let healed = changed(&first, "api a 1 /a");
    check(&healed, "/a/1/x", "a:1 /x");
    let moved = changed(&first, &bad.replace("/a ", "/b "));
    check(&moved, "/a/1", "nothing");
    check(&moved, "/b/1", "a:1 broken");
}

#[test]
fn without_its_tier_a_subscription_is_broken_and_not_unlimited() {
    let first = changed(
        &Plan::empty(),
        "app shop + tier: Big, keys: [{consumerKey: abc}]\nsub s shop a:1 Top",
    );
    assert!(first.subscription("shop", "a:1").unwrap().broken.is_some());
    assert!(first.consumer("resident", "abc").unwrap().application.broken.is_some());
    insta::assert_snapshot!(rejected(&first), @"
Application/shop spec.tier: there is no tier Big of level application (serving none)
Subscription/s spec.tier: there is no tier Top of level subscription (serving none)
");
    // What it missed has come: it is tried again although nobody touched it.
    let second = changed(&first, "tier Top subscription 1/1\ntier Big application 1/1");
    assert!(second.subscription("shop", "a:1").unwrap().broken.is_none());
    assert!(second.consumer("resident", "abc").unwrap().application.broken.is_none());
    assert_eq!(rejected(&second), "");
}

#[test]
fn two_subscriptions_do_not_join_the_same_two() {
    let gold = "tier Gold subscription 2/60\nsub s shop a:1 Gold";
    let first = changed(&changed(&Plan::empty(), gold), "sub t shop a:1 Gold");
    insta::assert_snapshot!(rejected(&first), @"Subscription/t spec.api: Subscription/s joins the same application and API already (serving none)");
    assert_eq!(&*first.subscription("shop", "a:1").unwrap().name, "s");
    let moved = changed(&first, "sub t shop b:1 Gold");
    let back = changed(&moved, "sub t shop a:1 Gold");
    insta::assert_snapshot!(rejected(&back), @"Subscription/t spec.api: Subscription/s joins the same application and API already (serving previous)");
    assert_eq!(&*back.subscription("shop", "b:1").unwrap().name, "t");
    let free = without(&back, &["Subscription/s"]);
    assert_eq!(rejected(&free), "");
    assert_eq!(&*free.subscription("shop", "a:1").unwrap().name, "t");
    assert!(free.subscription("shop", "b:1").is_none());
}

#[test]
fn a_subscription_keeps_its_limits_when_its_tier_goes() {
    let first = changed(&Plan::empty(), "tier Top subscription 2/60\nsub s shop a:1 Top");
    let second = without(&first, &["Tier/Top"]);
    insta::assert_snapshot!(rejected(&second), @"Subscription/s spec.tier: there is no tier Top of level subscription (serving previous)");
    let held = second.subscription("shop", "a:1").unwrap();
    assert!(held.broken.is_none() && !held.meter.is_unlimited());
}

#[test]
fn two_apis_may_swap_their_contexts_in_one_change() {
    let first = plan("api a 1 /a\napi b 1 /b");
    let swapped = changed(&first, "api a 1 /b\napi b 1 /a");
    check(&swapped, "/a/1", "b:1");
    check(&swapped, "/b/1", "a:1");
    assert_eq!(rejected(&swapped), "");
}

#[test]
fn a_taken_place_stays_taken_until_it_is_free() {
    let first = plan("api a 1 /a\napi b 1 /b\napp x + keys: [{consumerKey: k}]\nkm one https://i");
    let second = changed(&first, "api b 1 /a\napp y + keys: [{consumerKey: k}]\nkm two https://i");
    check(&second, "/a/1", "a:1");
    check(&second, "/b/1", "b:1");
    insta::assert_snapshot!(rejected(&second), @"
KeyManager/two spec.issuer: its issuer is the one of KeyManager/one (serving none)
Api/b:1 spec.context: its path is served by Api/a:1 (serving previous)
Application/y spec.keys[0].consumerKey: its consumer key is of Application/x (serving none)
");
    let third = without(&second, &["Api/a:1", "Application/x", "KeyManager/one"]);
    check(&third, "/a/1", "b:1");
    check(&third, "/b/1", "nothing");
    assert_eq!(&*third.consumer("resident", "k").unwrap().application.name, "y");
    assert_eq!(&*third.key_manager_by_issuer("https://i").unwrap().name, "two");
    assert_eq!(rejected(&third), "");
}

#[test]
fn garbage_is_held_counted_and_told() {
    let upserts = [
        (ResourceKey::from_wire("Api/a:1"), Bytes::from_static(b"\xff\xff")),
        (ResourceKey::from_wire("Secret/s"), Bytes::from_static(b"\xff")),
        (ResourceKey::from_wire("Blueprint/p"), Bytes::from_static(b"x")),
        (ResourceKey::from_wire("no key at all"), Bytes::new()),
        (
            ResourceKey::from_wire("Tier/other"),
            stored(&objects("tier t subscription 1/1"))[0].1.clone(),
        ),
    ];
    let (plan, told) = Plan::empty().next(&upserts, &[]);
    assert_eq!((plan.objects().len(), told.len()), (5, 5));
    insta::assert_snapshot!(rejected(&plan), @"
Blueprint/p : its kind is not known to this version (serving none)
no key at all : its kind is not known to this version (serving none)
Tier/other : it cannot be read as what it is called (serving none)
Secret/s : it cannot be read as what it is called (serving none)
Api/a:1 : it cannot be read as what it is called (serving none)
");
    let keys: Vec<ResourceKey> = upserts.iter().map(|(key, _)| key.clone()).collect();
    let (empty, told) = plan.next(&[], &keys);
    assert_eq!((empty.objects().hash(), told.len()), (Objects::new().hash(), 0));
}

#[test]
fn a_listener_certificate_follows_its_secret() {
    let made = rcgen::generate_simple_self_signed(vec!["API.example.com".to_owned()]).unwrap();
    let json = serde_json::json!([
        {"apiVersion": "turnpike/v1", "kind": "Certificate", "metadata": {"name": "c"},
         "spec": {"chain": made.cert.pem(), "keySecret": "key"}},
        {"apiVersion": "turnpike/v1", "kind": "Certificate", "metadata": {"name": "ca"},
         "spec": {"chain": made.cert.pem(), "use": "backend_ca"}},
        {"apiVersion": "turnpike/v1", "kind": "Secret", "metadata": {"name": "key"},
         "spec": {"value": made.signing_key.serialize_pem()}},
    ]);
    let (read, problems) = crate::read_document(&json.to_string(), "");
    assert!(problems.is_empty(), "{}", lines(&problems));
    let all: Vec<_> =
        read.into_iter().map(|one| (crate::key(&one).unwrap(), crate::encode(&one))).collect();
    let (first, told) = Plan::empty().next(&all[..2], &[]);
    assert_eq!(told.len(), 1);
    assert_eq!(first.listener_certificates().count(), 0);
    assert_eq!(first.backend_authorities().count(), 1);
    let (second, told) = first.next(&all[2..], &[]);
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(second.listener_certificates().next().unwrap().hosts, ["api.example.com"]);
}
