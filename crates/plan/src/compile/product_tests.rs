//! Products with their APIs, through admission and in the plan.

use crate::fixtures::{admitted, lines, resources};
use crate::{Objects, OperationMatch, Plan, admit, slice};

const SHOP: &str = r#"
    api orders 1.0 /orders + operations: [{method: GET, path: "/orders/{id}", scopes: [read]}, {method: POST, path: /orders}]
    api stock 1.0 /stock + lifecycle: CREATED, operations: [{method: GET, path: /stock}, {method: GET, path: /free, auth: none}]
    product shop 1.0 /shop + apis: [{name: orders, version: "1.0", operations: [{method: GET, path: "/orders/{id}"}]}, {name: stock, version: "1.0"}], defaultVersion: true
    app app
"#;

fn plan(objects: &Objects) -> Plan {
    let all: Vec<_> = objects.iter().map(|one| (one.key().clone(), one.bytes().clone())).collect();
    let (plan, rejected) = Plan::empty().replaced(&all);
    assert!(rejected.is_empty(), "{rejected:?}");
    plan
}

/// The operation and its API that a call reaches.
#[track_caller]
fn check(plan: &Plan, method: &str, path: &str, expected: &str) {
    let hit = plan.find("any", path);
    let told = hit.map_or_else(
        || "nothing".to_owned(),
        |hit| match hit.api.operation(method, hit.rest) {
            OperationMatch::Found(one) => {
                let member = one.member.as_ref().map_or("", |member| &*member.id);
                format!("{} {} of {member} {}", hit.api.id, one.path, one.scopes.join(" "))
            }
            OperationMatch::MethodNotAllowed(methods) => methods.join(","),
            OperationMatch::NotFound => "no operation".to_owned(),
        },
    );
    assert_eq!(told, expected, "{method} {path}");
}

#[test]
fn a_product_has_the_chosen_operations_with_what_they_ask_for() {
    let plan = plan(&admitted(SHOP));
    check(&plan, "GET", "/shop/1.0/orders/7", "shop:1.0 /orders/{id} of orders:1.0 read");
    check(&plan, "GET", "/shop/stock", "shop:1.0 /stock of stock:1.0 ");
    check(&plan, "POST", "/shop/orders", "no operation");
    check(&plan, "POST", "/shop/orders/7", "GET,HEAD");
    check(&plan, "GET", "/stock/1.0/stock", "nothing");
    check(&plan, "POST", "/orders/1.0/orders", "orders:1.0 /orders of  ");
}

#[test]
fn a_product_follows_its_apis() {
    let before = plan(&admitted(SHOP));
    let changed = SHOP.replace("scopes: [read]", "scopes: [write]");
    let after = admitted(&changed);
    let all: Vec<_> = after.iter().map(|one| (one.key().clone(), one.bytes().clone())).collect();
    let (next, rejected) = before.replaced(&all);
    assert!(rejected.is_empty(), "{rejected:?}");
    check(&next, "GET", "/shop/1.0/orders/7", "shop:1.0 /orders/{id} of orders:1.0 write");
}

#[test]
fn a_product_goes_where_its_groups_are_and_takes_its_subscriptions_along() {
    let objects = admitted(&format!("{SHOP}\nsubp s app shop:1.0 Unlimited"));
    let held = slice(&objects, &std::collections::BTreeMap::new());
    let keys: Vec<String> = held.iter().map(|one| one.key().to_string()).collect();
    for key in ["ApiProduct/shop:1.0", "Subscription/s", "Application/app", "Api/stock:1.0"] {
        assert!(keys.iter().any(|held| held == key), "{key} in {keys:?}");
    }
    assert!(plan(&objects).subscription("app", "shop:1.0").is_some());
}

#[track_caller]
fn refused(short: &str, said: &str) {
    let told = match admit(&Objects::new(), &resources(short), &[]) {
        Ok(_) => "nothing".to_owned(),
        Err(problems) => lines(&problems),
    };
    assert!(told.contains(said), "{said} in\n{told}");
}

#[test]
fn a_product_that_cannot_be_made_is_refused() {
    let with = |from: &str, to: &str| SHOP.replace(from, to);
    refused(&with("api stock 1.0", "api store 1.0"), "spec.apis[1]: there is no Api `stock:1.0`");
    refused(
        &with(
            "operations: [{method: GET, path: \"/orders/{id}\"}]}",
            "operations: [{method: GET, path: \"/orders/{no}\"}]}",
        ),
        "spec.apis[0].operations[0]: Api/orders:1.0 has no operation `GET /orders/{no}`; did you mean `GET /orders/{id}`?",
    );
    refused(
        &with("path: /free, auth", "path: \"/orders/{x}\", auth"),
        "`GET /orders/{x}` is taken twice",
    );
    refused(&with("product shop 1.0", "product orders 1.0"), "the name orders:1.0 is taken by");
    refused(&with("/shop +", "/orders +"), "the path /orders/1.0 is taken by");
    refused(
        &with(
            "api orders 1.0 /orders +",
            "group inner\napi orders 1.0 /orders + gateways: [inner],",
        ),
        "Api/orders:1.0 is not served by the gateway group default",
    );
    refused(&format!("{SHOP}\nsubp s app shop:1.0 Gold"), "does not offer the tier Gold");
    refused(&format!("{SHOP}\nsubp s app none:1.0 Unlimited"), "there is no ApiProduct `none:1.0`");
}

#[test]
fn an_api_that_a_product_needs_cannot_be_taken_away() {
    let before = admitted(SHOP);
    let gone = "Api/stock:1.0".parse().unwrap();
    let told = lines(&admit(&before, &[], &[gone]).unwrap_err());
    assert!(told.contains("ApiProduct/shop:1.0 refers to it"), "{told}");
    let without = SHOP.lines().find(|line| line.contains("api orders")).unwrap();
    let without = without.replace("{method: GET, path: \"/orders/{id}\", scopes: [read]}, ", "");
    let told = lines(&admit(&before, &resources(&without), &[]).unwrap_err());
    assert!(told.contains("has no operation `GET /orders/{id}`"), "{told}");
}

#[test]
fn what_a_product_lets_be_known_is_checked_as_of_an_api() {
    let with = |analytics: &str| SHOP.replace("defaultVersion: true", analytics);
    refused(
        &with("analytics: {sample: 0.75}"),
        "ApiProduct/shop:1.0: spec.analytics.sample: a share is one in a whole number of calls",
    );
    refused(
        &with("analytics: {mask: {path: HASH}}"),
        "ApiProduct/shop:1.0: spec.analytics.mask.path: HASH is not for this value",
    );
    let plan = plan(&admitted(&with("analytics: {enabled: false}")));
    let hit = plan.find("any", "/shop/1.0/stock").expect("the product");
    let OperationMatch::Found(one) = hit.api.operation("GET", hit.rest) else {
        unreachable!("the operation is there");
    };
    let analytics = [&one.analytics, &hit.api.analytics];
    assert!(analytics.iter().all(|plan| plan.as_ref().is_some_and(|plan| !plan.reported)));
}
