//! The second call with a credential, and every one after it.

use allocation_counter::measure;
use serde_json::json;

use crate::ground::{API_KEY, Ground, received};

/// Calls twice and compares what was taken from the heap.
#[track_caller]
fn check(ground: &Ground, path: &str, fields: &[(&str, &str)]) {
    let received = received(path, fields);
    ground.judge(&received);
    let known = ground.known();
    let again = measure(|| (0..100).for_each(|_| ground.judge(&received)));
    assert_eq!((again.count_total, again.bytes_total), (0, 0), "{path} {fields:?}");
    if fields.iter().any(|(name, _)| *name == "authorization") {
        assert_eq!(ground.known() - known, 100, "{path}: it was known");
    }
}

#[test]
fn a_known_token_takes_nothing_from_the_heap() {
    let ground = Ground::new();
    let bearer = format!("Bearer {}", ground.token(&json!({})));
    check(&ground, "/orders/1.0/echo", &[("authorization", &bearer)]);
    check(&ground, "/orders/1.0/items/7?a=b", &[("authorization", &bearer)]);
    let proxied = [("authorization", &*bearer), ("x-forwarded-for", "203.0.113.9")];
    check(&ground, "/orders/1.0/echo", &proxied);
    let restricted = json!({ "km": { "rst": { "ip": ["192.0.2.0/28"], "ref": ["a.example"] } } });
    let bearer = format!("Bearer {}", ground.token(&restricted));
    let fields = [("authorization", &*bearer), ("origin", "https://a.example")];
    check(&ground, "/orders/1.0/items/8", &fields);
}

#[test]
fn an_api_key_takes_nothing_from_the_heap() {
    let fields = [("apikey", API_KEY), ("referer", "https://a.shop.example/cart")];
    check(&Ground::new(), "/orders/1.0/items/7", &fields);
}

#[test]
fn what_has_ended_is_looked_up_without_the_heap() {
    let ground = Ground::new();
    let bearer = format!("Bearer {}", ground.token(&json!({ "km": { "fam": "f" } })));
    let received = received("/orders/1.0/echo", &[("authorization", &bearer)]);
    ground.judge(&received);
    for number in 0..100 {
        ground.end(&format!("other {number}"));
        let asked = measure(|| ground.judge(&received));
        assert_eq!((asked.count_total, asked.bytes_total), (0, 0), "after {number}");
    }
    assert_eq!((ground.verified(), ground.known()), (1, 100));
}

#[test]
fn the_first_call_is_counted() {
    let ground = Ground::new();
    let bearer = format!("Bearer {}", ground.token(&json!({})));
    let received = received("/orders/1.0/echo", &[("authorization", &bearer)]);
    let first = measure(|| ground.judge(&received));
    assert!(first.count_total > 10, "the counter counts: {first:?}");
    assert_eq!((ground.verified(), ground.known()), (1, 0));
}
