//! The hash of a set, and what refers to what.

use super::*;
use crate::fixtures::objects;

#[test]
fn the_hash_does_not_depend_on_the_order_or_the_way() {
    let lines = ["tier A subscription 1/1", "tier B subscription 2/1", "app x"];
    let forward = objects(&lines.join("\n"));
    let backward = objects(&lines.iter().rev().copied().collect::<Vec<_>>().join("\n"));
    assert_eq!(forward.hash(), backward.hash());
    let mut detour = objects(&format!("tier A subscription 9/9\n{}\napp y", lines.join("\n")));
    detour.remove(&"Application/y".parse().unwrap());
    assert_eq!(detour.hash(), forward.hash());
    for key in ["Tier/A", "Tier/B", "Application/x", "Application/x"] {
        detour.remove(&key.parse().unwrap());
    }
    assert_eq!(detour.hash(), StateHash::default());
    assert!(detour.is_empty() && detour.referrers.is_empty() && detour.claimants.is_empty());
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
    let before = objects("app a\napp b\ntier T subscription 1/1");
    let after = objects("app b\ntier T subscription 2/1\napp c");
    let (upserts, deletes) = before.difference(&after);
    let keys: Vec<&str> = upserts.iter().map(|object| object.key().as_str()).collect();
    assert_eq!(keys, ["Tier/T", "Application/c"]);
    assert_eq!(deletes, ["Application/a".parse().unwrap()]);
    let mut moved = before;
    moved.apply(upserts, &deletes);
    assert_eq!(moved.hash(), after.hash());
}
