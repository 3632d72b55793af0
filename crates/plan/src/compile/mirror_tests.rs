//! What is wrong with mirrors by themselves, and which operation has which.

use std::sync::Arc;
use std::time::Duration;

use super::MirrorPlan;
use crate::fixtures::lines;
use crate::{ApiPlan, Objects, Plan, admit};

/// One API with a backend and `spec`.
fn resources(spec: &str) -> Vec<crate::Resource> {
    let text = format!(
        "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: a, version: \"1\"}}, spec: {{context: /a, lifecycle: PUBLISHED, endpoints: {{production: {{urls: ['http://a']}}}}, {spec}}}}}"
    );
    let (resources, problems) = crate::read_document(&text, "");
    assert!(problems.is_empty(), "{}", lines(&problems));
    resources
}

/// What admission says to it.
fn said(spec: &str) -> String {
    match admit(&Objects::new(), &resources(spec), &[]) {
        Ok(_) => "ok".to_owned(),
        Err(problems) => lines(&problems).replace("Api/a:1: spec.", ""),
    }
}

fn next(before: &Plan, spec: &str) -> (Plan, Arc<ApiPlan>) {
    let upserts: Vec<_> = resources(spec)
        .iter()
        .map(|resource| (crate::key(resource).unwrap(), crate::encode(resource)))
        .collect();
    let (plan, rejected) = before.next(&upserts, &[]);
    assert!(rejected.is_empty(), "{rejected:?}");
    let api = Arc::clone(plan.api("a:1").unwrap());
    (plan, api)
}

fn shown(mirror: &MirrorPlan) -> String {
    let MirrorPlan { endpoint, percent, max_body_bytes } = mirror;
    let (server, total) = (&endpoint.servers[0].url, endpoint.total_timeout.unwrap());
    format!("{percent} percent up to {max_body_bytes} to {server} within {total:?}")
}

/// The mirrors of the operations in their order.
#[track_caller]
fn check(spec: &str, expected: &[&str]) {
    let (_, api) = next(&Plan::empty(), spec);
    let mirror =
        |place: Option<usize>| place.map_or("none".to_owned(), |it| shown(&api.mirrors[it]));
    let found: Vec<_> = api.operations().iter().map(|one| mirror(one.mirror)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_mirror_says_what_can_be_meant() {
    assert_eq!(said("mirror: {off: true}"), "ok");
    insta::assert_snapshot!(
        [
            "mirror: {}",
            "mirror: {off: true, percent: 5}",
            "mirror: {endpoint: {urls: ['http://m']}, percent: 101, maxBodyBytes: 1048577}",
            "mirror: {endpoint: {urls: []}}",
            "mirror: {endpoint: {urls: ['http://m'], timeout: 0s, sticky: {cookie: m}}}",
            "operations: [{method: GET, path: /, mirror: {percent: 5}}]",
            "type: GRPC, operations: [{method: POST, path: /, mirror: {endpoint: {urls: ['http://m'], protocol: http1}}}]",
        ]
        .map(said)
        .join("\n"),
        @r#"
mirror.endpoint: a mirror needs servers; write `endpoint: { urls: [ … ] }`
mirror: nothing else stands beside `off: true`; leave out `off`, or everything else
mirror.percent: it is a percentage, at most 100; write a number from 0 to 100
mirror.maxBodyBytes: a body that is copied has at most 1048576 bytes; calls with longer ones are not copied
mirror.endpoint.urls: a backend needs a URL; write `urls: ["http://127.0.0.1:3001"]`
mirror.endpoint.sticky: the answers of a mirror reach no client, so no client gets its cookie; leave it out, or write `balance: ring_hash`
mirror.endpoint.timeout: a timeout is more than 0 and at most 10 minutes; write for example `30s`
operations[0].mirror.endpoint: a mirror needs servers; write `endpoint: { urls: [ … ] }`
operations[0].mirror.endpoint: gRPC needs HTTP/2; write `protocol: h2`, or leave it out
"#
    );
}

#[test]
fn what_a_mirror_names_has_to_be_there() {
    let secret = "endpoint: {urls: ['https://m'], security: {apiKey: {header: x-key, secret: gone}}, tls: {authorities: [lost]}}";
    insta::assert_snapshot!(
        [
            format!("mirror: {{{secret}}}"),
            format!("operations: [{{method: GET, path: /, mirror: {{{secret}}}}}]"),
        ]
        .map(|spec| said(&spec))
        .join("\n"),
        @"
mirror.endpoint.tls.authorities[0]: there is no Certificate `lost`
mirror.endpoint.security.apiKey.secret: there is no Secret `gone`
operations[0].mirror.endpoint.tls.authorities[0]: there is no Certificate `lost`
operations[0].mirror.endpoint.security.apiKey.secret: there is no Secret `gone`
"
    );
}

#[test]
fn an_operation_has_the_mirror_of_its_api_unless_it_says_otherwise() {
    let usual = "100 percent up to 65536 to http://m within 30s";
    check("mirror: {endpoint: {urls: ['http://m']}}", &[usual]);
    check("operations: [{method: GET, path: /}]", &["none"]);
    check(
        "mirror: {endpoint: {urls: ['http://m']}}, operations: [
            {method: GET, path: /},
            {method: PUT, path: /, mirror: {off: true}},
            {method: POST, path: /, mirror: {endpoint: {urls: ['http://n'], timeout: 2s}, percent: 0, maxBodyBytes: 0}}]",
        &[usual, "none", "0 percent up to 0 to http://n within 2s"],
    );
    let longer = "mirror: {endpoint: {urls: ['http://m'], timeout: 2s, totalTimeout: 9s}}";
    check(longer, &["100 percent up to 65536 to http://m within 9s"]);
}

#[test]
fn a_mirror_that_does_not_change_keeps_what_is_known_of_its_servers() {
    let spec = "mirror: {endpoint: {urls: ['http://m']}, percent: 5}";
    let (before, first) = next(&Plan::empty(), spec);
    let (before, second) = next(&before, &spec.replace('5', "6"));
    assert!(Arc::ptr_eq(&first.mirrors[0].endpoint, &second.mirrors[0].endpoint));
    let (_, third) = next(&before, &spec.replace("//m", "//n"));
    assert!(!Arc::ptr_eq(&first.mirrors[0].endpoint, &third.mirrors[0].endpoint));
    assert_eq!(third.endpoints().count(), 2);
    assert_eq!(third.mirrors[0].endpoint.timeout, Duration::from_secs(30));
}

#[test]
fn an_api_has_so_many_mirrors_and_no_more() {
    let operation = |number: usize| {
        format!("{{method: GET, path: /{number}, mirror: {{endpoint: {{urls: ['http://m']}}}}}}")
    };
    let operations: Vec<_> = (0..=100).map(operation).collect();
    let said = said(&format!("operations: [{}]", operations.join(", ")));
    assert_eq!(
        said,
        "operations[100].mirror: an API has at most 100 mirrors; let operations share the one of the API"
    );
}
