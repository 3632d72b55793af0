//! What is wrong with decision points by themselves, and which operation has which.

use std::sync::Arc;

use super::{DecisionPointPlan, ShownFields};
use crate::fixtures::lines;
use crate::{ApiPlan, Objects, Plan, admit};

/// One API with a backend and `spec`, and a product of it with `product`.
fn resources(spec: &str, product: &str) -> Vec<crate::Resource> {
    let text = format!(
        "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: a, version: \"1\"}}, spec: {{context: /a, lifecycle: PUBLISHED, endpoints: {{production: {{urls: ['http://a']}}}}, {spec}}}}}\n---\n\
         {{apiVersion: turnpike/v1, kind: ApiProduct, metadata: {{name: p, version: \"1\"}}, spec: {{context: /p, lifecycle: PUBLISHED, apis: [{{name: a, version: \"1\"}}], {product}}}}}"
    );
    let (resources, problems) = crate::read_document(&text, "");
    assert!(problems.is_empty(), "{}", lines(&problems));
    resources
}

/// What admission says to it.
fn said(spec: &str) -> String {
    match admit(&Objects::new(), &resources(spec, ""), &[]) {
        Ok(_) => "ok".to_owned(),
        Err(problems) => {
            let all = lines(&problems).replace("Api/a:1: spec.", "");
            let of_api: Vec<_> = all.lines().filter(|line| !line.starts_with("ApiP")).collect();
            of_api.join("\n")
        }
    }
}

fn next(before: &Plan, spec: &str, product: &str) -> (Plan, Arc<ApiPlan>) {
    let upserts: Vec<_> = resources(spec, product)
        .iter()
        .map(|resource| (crate::key(resource).unwrap(), crate::encode(resource)))
        .collect();
    let (plan, rejected) = before.next(&upserts, &[]);
    assert!(rejected.is_empty(), "{rejected:?}");
    let api = Arc::clone(plan.api("a:1").unwrap());
    (plan, api)
}

fn shown(point: &DecisionPointPlan) -> String {
    let DecisionPointPlan { protocol, endpoint, timeout, on_failure, shown, .. } = point;
    let (server, path) = (&endpoint.servers[0].url, point.path());
    let version = if endpoint.http2 { 2 } else { 1 };
    let fields = match shown {
        ShownFields::All => "all".to_owned(),
        ShownFields::These(names) => names.len().to_string(),
    };
    format!(
        "{protocol:?} at {server}{path} by HTTP/{version} within {timeout:?}, else {on_failure:?}; {fields} fields"
    )
}

/// The decision points of the operations in their order.
#[track_caller]
fn check(spec: &str, expected: &[&str]) {
    let (_, api) = next(&Plan::empty(), spec, "");
    let point = |place: Option<usize>| {
        place.map_or("none".to_owned(), |it| shown(&api.decision_points[it]))
    };
    let found: Vec<_> = api.operations().iter().map(|one| point(one.decision_point)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_decision_point_says_what_can_be_meant() {
    assert_eq!(said("externalAuthorization: {off: true}"), "ok");
    insta::assert_snapshot!(
        [
            "externalAuthorization: {}",
            "externalAuthorization: {off: true, timeout: 1s}",
            "externalAuthorization: {endpoint: {urls: ['http://d'], protocol: http1, sticky: {}}, path: /a, timeout: 11s}",
            "externalAuthorization: {protocol: opa, endpoint: {urls: ['http://d']}}",
            "externalAuthorization: {protocol: authzen, path: 'a b', endpoint: {urls: ['http://d']}}",
            "externalAuthorization: {endpoint: {urls: ['http://d']}, requestHeaders: [host, '*', 'a b']}",
            "externalAuthorization: {endpoint: {urls: ['http://d']}, context: {'': x}}",
            "operations: [{method: GET, path: /, externalAuthorization: {endpoint: {urls: ['https://d'], security: {apiKey: {header: x-key, secret: gone}}, tls: {authorities: [lost]}}}}]",
            "entitlement: {policySet: orders-access}",
        ]
        .map(said)
        .join("\n"),
        @r#"
externalAuthorization.endpoint: nobody is named who decides; write `endpoint: { urls: [ … ] }`
externalAuthorization: nothing else stands beside `off: true`; leave out `off`, or everything else
externalAuthorization.timeout: it is not from 0.001s to 10s
externalAuthorization.path: gRPC says itself what is asked for; leave it out
externalAuthorization.endpoint.sticky: what decides is asked by the gateway, so no client gets its cookie; leave it out, or write `balance: ring_hash`
externalAuthorization.endpoint: gRPC needs HTTP/2; write `protocol: h2`, or leave it out
externalAuthorization.path: the rule is missing; write for example `/v1/data/orders/allow`
externalAuthorization.path: `a b` is no path of at most 1024 bytes; start it with `/`, and escape what is not plain
externalAuthorization.requestHeaders[0]: the Host is told in any case; leave it out
externalAuthorization.requestHeaders[1]: `*` stands alone; leave out the others
externalAuthorization.requestHeaders[2]: `a b` is no name of a header field; use letters, digits and `-`
externalAuthorization.context[""]: name and value have at most 256 bytes
operations[0].externalAuthorization.endpoint.tls.authorities[0]: there is no Certificate `lost`
operations[0].externalAuthorization.endpoint.security.apiKey.secret: there is no Secret `gone`
entitlement: no decision point of this version reads policy sets; leave it out, or name who decides in `externalAuthorization`
entitlement.policySet: there is no XacmlPolicySet `orders-access`
"#
    );
}

#[test]
fn an_operation_has_the_decision_point_of_its_api_unless_it_says_otherwise() {
    let usual = "ExtAuthz at http://d/envoy.service.auth.v3.Authorization/Check by HTTP/2 within 200ms, else Deny; 6 fields";
    check("externalAuthorization: {endpoint: {urls: ['http://d']}}", &[usual]);
    check("operations: [{method: GET, path: /}]", &["none"]);
    check(
        "externalAuthorization: {endpoint: {urls: ['http://d']}}, operations: [
            {method: GET, path: /},
            {method: PUT, path: /, externalAuthorization: {off: true}},
            {method: POST, path: /, externalAuthorization: {protocol: opa, path: /v1/data/a, onFailure: unavailable, timeout: 1s, requestHeaders: ['*'], endpoint: {urls: ['http://o']}}},
            {method: DELETE, path: /, externalAuthorization: {protocol: authzen, onFailure: allow, requestHeaders: [authorization], endpoint: {urls: ['http://z/b'], protocol: h2}}}]",
        &[
            usual,
            "none",
            "Opa at http://o/v1/data/a by HTTP/1 within 1s, else Unavailable; all fields",
            "Authzen at http://z/b/access/v1/evaluation by HTTP/2 within 200ms, else Allow; 1 fields",
        ],
    );
}

#[test]
fn what_is_known_of_its_servers_stays_while_its_endpoint_does() {
    let spec = "externalAuthorization: {endpoint: {urls: ['http://d']}, timeout: 1s}";
    let (before, first) = next(&Plan::empty(), spec, spec);
    let product = Arc::clone(&before.api("p:1").unwrap().decision_points[0].endpoint);
    let changed = spec.replace("1s", "2s");
    let (before, second) = next(&before, &changed, &changed);
    let same = |one: &ApiPlan, other: &ApiPlan| {
        Arc::ptr_eq(&one.decision_points[0].endpoint, &other.decision_points[0].endpoint)
    };
    assert!(same(&first, &second));
    let kept = &before.api("p:1").unwrap().decision_points[0];
    assert!(Arc::ptr_eq(&product, &kept.endpoint));
    assert_eq!(kept.timeout.as_secs(), 2);
    // The backend, and who is asked by the API and by the product.
    assert_eq!(before.endpoints().count(), 3);
    let (_, third) = next(&before, &spec.replace("//d", "//e"), "");
    assert!(!same(&first, &third));
}
