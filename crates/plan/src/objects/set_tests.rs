//! The hash of a set, and what refers to what.

use super::*;
use crate::fixtures::objects;

#[test]
fn the_hash_does_not_depend_on_the_order_or_the_way() {
    let lines = ["tier A subscription 1/1", "tier B subscription 2/1", "app x", "sub s x a:1 A"];
    let forward = objects(&lines.join("\n"));
    let backward = objects(&lines.iter().rev().copied().collect::<Vec<_>>().join("\n"));
    assert_eq!(forward.hash(), backward.hash());
    let mut detour =
        objects(&format!("tier A subscription 9/9\nsub s y b:1 B\n{}\napp y", lines.join("\n")));
    detour.remove(&"Application/y".parse().unwrap());
    assert_eq!(detour.hash(), forward.hash());
    for key in ["Tier/A", "Tier/B", "Application/x", "Application/x", "Subscription/s"] {
        detour.remove(&key.parse().unwrap());
    }
    assert_eq!(detour.hash(), StateHash::default());
    assert!(
        detour.is_empty()
            && detour.referrers.is_empty()
            && detour.claimants.is_some_and(|it| it.is_empty())
    );
    assert!(detour.subscriptions.is_clean());
}

#[test]
fn the_hash_is_the_sum_of_digests_modulo_2_to_the_256() {
    let all = StateHash::from_bytes(&[0xff; 32]).unwrap();
    let mut one = [0; 32];
    one[0] = 1;
    let one = StateHash::from_bytes(&one).unwrap();
    assert_eq!(all.plus(one), StateHash::default());
    assert_eq!(StateHash::default().minus(one), all);
    assert_eq!(all.to_bytes(), [0xff; 32]);
    assert!(StateHash::from_bytes(&[0; 31]).is_none() && StateHash::from_bytes(&[0; 33]).is_none());
    // SHA-256("a", 0x00, "b"), written as it goes over the wire.
    let known = "59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138";
    assert_eq!(StateHash::of("a", b"b").to_string(), known);
}

#[test]
fn kinds_are_listed_apart_and_by_name() {
    let all = objects("app b\napp a\ntier T subscription 1/1\napi a 1 /a");
    let keys = |kind| -> Vec<String> {
        all.of_kind(kind).map(|object| object.key().to_string()).collect()
    };
    assert_eq!(keys(Kind::Application), ["Application/a", "Application/b"]);
    assert_eq!(keys(Kind::Tier), ["Tier/T"]);
    assert_eq!(keys(Kind::Certificate), [""; 0]);
}

#[test]
fn the_difference_leads_from_one_set_to_the_other() {
    let before = objects("app a\napp b\ntier T subscription 1/1\nsub s a x:1 T\nsub t a y:1 T");
    let after = objects("app b\ntier T subscription 2/1\napp c\nsub t a z:1 T\nsub u a y:1 T");
    let (upserts, deletes) = before.difference(&after);
    let keys: Vec<&str> = upserts.iter().map(|object| object.key().as_str()).collect();
    assert_eq!(keys, ["Tier/T", "Application/c", "Subscription/t", "Subscription/u"]);
    assert_eq!(deletes, ["Application/a", "Subscription/s"].map(|key| key.parse().unwrap()));
    let mut moved = before;
    moved.apply(upserts, &deletes);
    assert_eq!(moved.hash(), after.hash());
}

#[test]
fn whoever_names_a_thing_or_claims_it_is_known() {
    let mut all = objects(
        "app a + tier: B\nsub s a x:1 G\nsub t a y:1 S\nsub u b x:1 G\ndeny d + applications: [a]",
    );
    let check = |all: &Objects, key: &str, said: &[&str]| {
        let mut keys: Vec<String> =
            all.referrers(&key.parse().unwrap()).map(|key| key.to_string()).collect();
        keys.sort();
        assert_eq!(keys, said, "{key}");
    };
    check(&all, "Application/a", &["DenyPolicy/d", "Subscription/s", "Subscription/t"]);
    check(&all, "Api/x:1", &["Subscription/s", "Subscription/u"]);
    check(&all, "Tier/S", &["Subscription/t"]);
    check(&all, "Tier/B", &["Application/a"]);
    let thing = "the subscription of application a to API x:1";
    let claimants =
        |all: &Objects| all.claimants(thing).map(|key| key.to_string()).collect::<Vec<_>>();
    assert_eq!(claimants(&all), ["Subscription/s"]);
    let mut unnoted = Objects::admitted_elsewhere();
    unnoted.apply(all.iter(), &[]);
    assert_eq!((claimants(&unnoted), unnoted.hash()), (claimants(&all), all.hash()));
    let unreadable = Object::from_wire("Subscription/s".parse().unwrap(), "x".into());
    assert!(!unreadable.is_readable());
    all.insert(Arc::new(unreadable));
    assert!(claimants(&all).is_empty());
    check(&all, "Api/x:1", &["Subscription/u"]);
    let held = all.get(&"Subscription/s".parse().unwrap()).unwrap();
    assert!(!held.is_readable() && all.len() == 5);
}
