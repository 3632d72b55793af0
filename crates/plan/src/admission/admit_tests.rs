//! What may not be stored, and what it is told.

use super::*;
use crate::Kind;
use crate::fixtures::{admitted, lines, resources};

/// `before` is admitted first; the answer to `upserts` and `deletes` is the changes, or the
/// problems.
fn said(before: &str, upserts: &str, deletes: &[&str]) -> String {
    let deletes: Vec<ResourceKey> = deletes.iter().map(|key| key.parse().unwrap()).collect();
    match admit(&admitted(before), &resources(upserts), &deletes) {
        Ok(admitted) => {
            let changes: Vec<String> =
                admitted.changes.iter().map(|(key, change)| format!("{key} {change:?}")).collect();
            changes.join("\n")
        }
        Err(problems) => lines(&problems),
    }
}

macro_rules! check {
    ($before:expr, $upserts:expr, $deletes:expr, @$said:literal) => {
        insta::assert_snapshot!(said($before, $upserts, &$deletes), @$said)
    };
    ($before:expr, $upserts:expr, @$said:literal) => {
        insta::assert_snapshot!(said($before, $upserts, &[]), @$said)
    };
}

const SHOP: &str = "
    tier Gold subscription 5000/60
    tier Big application 5000/60
    api orders 1.0 /orders + tiers: [Gold, Unlimited]
    app shop + tier: Big, keys: [{consumerKey: abc}]
    sub shop-orders shop orders:1.0 Gold
";

#[test]
fn a_whole_shop_is_admitted_together_and_unchanged_afterwards() {
    check!("", SHOP, @"
Tier/Gold Created
Tier/Big Created
Api/orders:1.0 Created
Application/shop Created
Subscription/shop-orders Created
");
    check!(SHOP, SHOP, @"
Tier/Gold Unchanged
Tier/Big Unchanged
Api/orders:1.0 Unchanged
Application/shop Unchanged
Subscription/shop-orders Unchanged
");
    check!(SHOP, "tier Gold subscription 6000/60", @"Tier/Gold Updated");
}

#[test]
fn dangling_references_name_the_nearest() {
    check!(
        SHOP,
        "
        api pay 1.0 /pay + tiers: [Glod], keyManagers: [residnt], gateways: [defualt, edge]
        app web + tier: Bigg, keys: [{keyManager: okta, consumerKey: x}]
        sub s1 shap orders:1.0 Gold
        sub s2 shop order:1.0 Gold
        ",
        @"
Api/pay:1.0: spec.keyManagers[0]: there is no KeyManager `residnt`; did you mean `resident`?
Api/pay:1.0: spec.tiers[0]: there is no Tier `Glod`; did you mean `Gold`?
Api/pay:1.0: spec.gateways[0]: there is no GatewayGroup `defualt`; did you mean `default`?
Api/pay:1.0: spec.gateways[1]: there is no GatewayGroup `edge`
Application/web: spec.tier: there is no Tier `Bigg`; did you mean `Big`?
Application/web: spec.keys[0].keyManager: there is no KeyManager `okta`
Subscription/s1: spec.application: there is no Application `shap`; did you mean `shop`?
Subscription/s2: spec.api: there is no Api `order:1.0`; did you mean `orders:1.0`?
"
    );
}

#[test]
fn tiers_have_their_level_and_are_offered() {
    check!(SHOP, "api pay 1.0 /pay + tiers: [Big]", @"Api/pay:1.0: spec.tiers[0]: Tier/Big is not of level subscription; choose a tier of that level");
    check!(SHOP, "app web + tier: Gold", @"Application/web: spec.tier: Tier/Gold is not of level application; choose a tier of that level");
    check!(SHOP, "tier Silver subscription 1/1
        app web
        sub s web orders:1.0 Silver", @"Subscription/s: spec.tier: Api/orders:1.0 does not offer the tier Silver; it offers Gold, Unlimited");
    check!(SHOP, "api orders 1.0 /orders + tiers: [Unlimited]", @"Subscription/shop-orders: spec.tier: Api/orders:1.0 does not offer the tier Gold; it offers Unlimited");
    check!(SHOP, "tier Unlimited subscription 1/1", @"Tier/Unlimited: metadata.name: the tier `Unlimited` exists always and has no limits; choose another name");
    check!(SHOP, "tier Gold application 1/1", @"
Api/orders:1.0: spec.tiers[0]: Tier/Gold is not of level subscription; choose a tier of that level
Subscription/shop-orders: spec.tier: Tier/Gold is not of level subscription; choose a tier of that level
");
}

#[test]
fn paths_are_served_by_one_api() {
    check!(SHOP, "api copy 1.0 /orders", @"Api/copy:1.0: spec.context: the path /orders/1.0 is taken by Api/orders:1.0; choose another one");
    check!(SHOP, "api copy 2.0 /orders + defaultVersion: true", @"Api/copy:2.0 Created");
    check!(
        "api a 1.0 /a + defaultVersion: true",
        "
        api b 2.0 /a + defaultVersion: true
        api c 1.0 /a/1.0 + defaultVersion: true
        ",
        @"
Api/b:2.0: spec.defaultVersion: the path /a is taken by Api/a:1.0; choose another one
Api/c:1.0: spec.defaultVersion: the path /a/1.0 is taken by Api/a:1.0; choose another one
"
    );
    check!(
        "",
        "
        api a 1.0 /a
        api b 1.0 /a
        ",
        @"
Api/a:1.0: spec.context: the path /a/1.0 is taken by Api/b:1.0; choose another one
Api/b:1.0: spec.context: the path /a/1.0 is taken by Api/a:1.0; choose another one
"
    );
}

#[test]
fn consumers_rights_and_issuers_are_unique() {
    check!(SHOP, "app thief + keys: [{consumerKey: abc}]", @"Application/thief: spec.keys[0].consumerKey: the consumer key abc of key manager resident is taken by Application/shop; choose another one");
    check!(SHOP, "app web + keys: [{consumerKey: x}, {consumerKey: x, type: sandbox}, {}]", @"
Application/web: spec.keys[1].consumerKey: the consumer key `x` stands twice; keep one of them
Application/web: spec.keys[2].consumerKey: a consumer key has 1 to 512 bytes; take it from the key manager
");
    check!(SHOP, "sub again shop orders:1.0 Unlimited", @"Subscription/again: spec.api: the subscription of application shop to API orders:1.0 is taken by Subscription/shop-orders; choose another one");
    check!("km a https://a", "km b https://a", @"KeyManager/b: spec.issuer: the issuer https://a is taken by KeyManager/a; choose another one");
    let asked = "introspection: {client: {id: c, secret: s}}, tokenPatterns";
    let before = format!("secret s x\nkm a https://a + {asked}: ['a_.*', 'x']");
    check!(&before, &format!("km b https://b + {asked}: ['b_.*', '[a-z]_.+']"), @"KeyManager/b: spec.tokenPatterns[1]: some tokens also match the pattern `a_.*` of KeyManager/a; no token may match the patterns of two key managers");
    check!("", "km b https://b + introspection: {client: {id: c, secret: s}}", @"KeyManager/b: spec.introspection.client.secret: there is no Secret `s`");
}

#[test]
fn what_is_referred_to_is_not_removed() {
    check!(SHOP, "", ["Api/orders:1.0"], @"Api/orders:1.0: Subscription/shop-orders refers to it; remove what refers to it as well");
    check!(SHOP, "", ["Tier/Gold", "Application/shop", "Tier/Silver"], @"
Tier/Silver: there is no such resource
Tier/Gold: Api/orders:1.0 and one other refer to it; remove what refers to it as well
Application/shop: Subscription/shop-orders refers to it; remove what refers to it as well
");
    check!(SHOP, "", ["Subscription/shop-orders", "Application/shop", "Tier/Big"], @"");
    check!(SHOP, "app shop", ["Application/shop"], @"Application/shop: it is both written and removed, or named twice");
}

#[test]
fn a_deprecated_api_keeps_its_subscriptions_and_takes_no_new_ones() {
    let deprecated = "api orders 1.0 /orders + tiers: [Gold, Unlimited], lifecycle: DEPRECATED";
    check!(SHOP, deprecated, @"Api/orders:1.0 Updated");
    check!(SHOP, &format!("{deprecated}\napp web\nsub s web orders:1.0 Gold"), @"Subscription/s: spec.api: Api/orders:1.0 is DEPRECATED and takes no new subscriptions; subscribe to a newer version");
}

#[test]
fn a_secret_without_its_value_keeps_the_stored_one() {
    let before = admitted("secret s hunter2");
    let stored = before.of_kind(Kind::Secret).next().unwrap().resource().unwrap().into_owned();
    let shown = crate::from_json(crate::to_json(&stored), "").unwrap();
    let admitted = admit(&before, &[shown], &[]).unwrap();
    assert_eq!(admitted.changes[0].1, Change::Unchanged);
    let mut other = stored;
    if let Some(Any::Secret(secret)) = other.resource.as_mut() {
        let spec = secret.spec.as_mut().unwrap();
        spec.value.clear();
        spec.sha256 = "00".repeat(32);
    }
    insta::assert_snapshot!(lines(&admit(&before, &[other], &[]).unwrap_err()), @"Secret/s: spec.value: a value is missing");
}

#[test]
fn what_is_given_twice_is_refused() {
    check!("", "app a\napp a", @"Application/a: it is given twice; keep one of them");
}
