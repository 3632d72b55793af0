//! What is wrong with endpoints by themselves, and what they become.

use std::sync::Arc;
use std::time::Duration;

use crate::fixtures::{admitted, lines};
use crate::{Balance, EndpointPlan, Objects, Plan, admit};

/// One API with this production endpoint.
fn resources(endpoint: &str) -> Vec<crate::Resource> {
    let text = format!(
        "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: a, version: \"1\"}}, spec: {{context: /a, lifecycle: PUBLISHED, endpoints: {{production: {{{endpoint}}}}}}}}}"
    );
    let (resources, problems) = crate::read_document(&text, "");
    assert!(problems.is_empty(), "{}", lines(&problems));
    resources
}

/// What admission says to it.
fn said(endpoint: &str) -> String {
    match admit(&Objects::new(), &resources(endpoint), &[]) {
        Ok(_) => "ok".to_owned(),
        Err(problems) => {
            lines(&problems).replace("Api/a:1: spec.endpoints.production", "production")
        }
    }
}

fn plan(before: &Plan, endpoint: &str) -> (Plan, Arc<EndpointPlan>) {
    let upserts: Vec<_> = resources(endpoint)
        .iter()
        .map(|resource| (crate::key(resource).unwrap(), crate::encode(resource)))
        .collect();
    let (plan, rejected) = before.next(&upserts, &[]);
    assert!(rejected.is_empty(), "{rejected:?}");
    let endpoint = Arc::clone(plan.endpoints().next().unwrap());
    (plan, endpoint)
}

#[test]
fn servers_are_named_once_and_in_one_way() {
    insta::assert_snapshot!(
        [
            "urls: ['http://a'], servers: [{url: 'http://b'}]",
            "servers: [{url: 'http://a', weight: 1001}, {url: 'http://a'}, {}]",
            "servers: [{url: 'http://a', priority: 1}]",
            "balance: failover, servers: [{url: 'http://a', priority: 16}]",
            "servers: [{url: 'http://a', id: x}, {url: 'http://b', id: x}, {url: 'http://c', id: 'a b'}]",
            "servers: [{url: 'http://a', id: '2'}, {url: 'http://b'}]",
        ]
        .map(said)
        .join("\n"),
        @"
production.servers: `urls` and `servers` stand beside each other; move the URLs to `servers`
production.servers[0].weight: 1001 is not from 1 to 1000
production.servers[1].url: the URL stands twice; keep one of them
production.servers[2].url: `` is no http or https URL; write `http://`
production.servers[0].priority: a priority has no effect here; write `balance: failover`, or leave the priority out
production.servers[0].priority: 16 is not from 0 to 15
production.servers[1].id: `x` stands twice; give each server its own
production.servers[2].id: `a b` is no server id; use up to 32 letters, digits, `-` and `_`
production.servers[1].id: `2` stands twice; give each server its own
"
    );
}

#[test]
fn a_hash_says_what_it_is_of() {
    insta::assert_snapshot!(
        [
            "urls: ['http://a'], balance: ring_hash",
            "urls: ['http://a'], hashOn: {path: true}",
            "urls: ['http://a'], balance: ring_hash, hashOn: {path: false}",
            "urls: ['http://a'], balance: ring_hash, hashOn: {header: 'a b'}",
            "urls: ['http://a'], balance: ring_hash, hashOn: {cookie: user}",
            "urls: ['http://a'], sticky: {cookie: 'a;b', ttl: 0.5s}",
        ]
        .map(said)
        .join("\n"),
        @"
production.hashOn: ring_hash needs to know what to hash; write for example `hashOn: { header: x-user }`
production.hashOn: a hash has no effect here; write `balance: ring_hash`, or leave it out
production.hashOn: ring_hash needs to know what to hash; write for example `hashOn: { header: x-user }`
production.hashOn: `a b` is no name
ok
production.sticky.cookie: `a;b` is no name of a cookie; use letters, digits, `-` and `_`
production.sticky.ttl: it is not from 1s to 31536000s
"
    );
}

#[test]
fn limits_have_limits() {
    insta::assert_snapshot!(
        [
            "connectTimeout: 61s, tryTimeout: 0s, idleTimeout: 3601s, totalTimeout: 100000s",
            "retries: {attempts: 11, statuses: [200, 404], budgetPercent: 101, backoff: 11s}",
            "ejection: {failures: 1001, base: 10s, max: 5s, maxPercent: 101, panicPercent: 101}",
            "healthCheck: {path: health, interval: 0s, timeout: 61s, statuses: [100]}",
            "breaker: {percent: 101, window: 0.5s, probes: 101}, bulkhead: {maxConnections: 65536}",
            "slowStart: 3601s, resolveEvery: 0.5s",
        ]
        .map(|more| said(&format!("urls: ['http://a'], {more}")))
        .join("\n"),
        @"
production.idleTimeout: it is not from 0.001s to 3600s
production.tryTimeout: it is not from 0.001s to 600s
production.totalTimeout: it is not from 0.001s to 86400s
production.connectTimeout: it is not from 0.001s to 60s
production.retries.attempts: 11 is not from 1 to 10
production.retries.statuses[0]: 200 is not from 400 to 599
production.retries.budgetPercent: 101 is not from 1 to 100
production.retries.backoff: it is not from 0.001s to 10s
production.ejection.failures: 1001 is not from 1 to 1000
production.ejection.max: it is not from 10s to 86400s
production.ejection.panicPercent: 101 is not from 0 to 100
production.ejection.maxPercent: 101 is not from 1 to 100
production.healthCheck.path: `health` is no path; write for example `/health`
production.healthCheck.interval: it is not from 0.1s to 600s
production.healthCheck.timeout: it is not from 0.001s to 60s
production.healthCheck.statuses[0]: 100 is not from 200 to 599
production.breaker.percent: 101 is not from 1 to 100
production.breaker.window: it is not from 1s to 600s
production.breaker.probes: 101 is not from 1 to 100
production.bulkhead.maxConnections: 65536 is not from 1 to 65535
production.slowStart: it is not from 0.001s to 3600s
production.resolveEvery: it is not from 1s to 3600s
"
    );
}

#[test]
fn what_is_left_out_has_its_default() {
    let (_, endpoint) = plan(&Plan::empty(), "urls: ['http://a', 'http://b'], timeout: 5s");
    let five = Duration::from_secs(5);
    assert_eq!((endpoint.timeout, endpoint.idle_timeout), (five, five));
    assert_eq!((endpoint.total_timeout, endpoint.connect_timeout), (None, None));
    assert_eq!((endpoint.retries.attempts, endpoint.retries.budget_percent), (1, 20));
    assert_eq!(endpoint.retries.max_body_bytes, 65_536);
    assert_eq!((endpoint.ejection.failures, endpoint.ejection.max_percent), (7, 50));
    let priorities = |balance: &str| -> Vec<u32> {
        let (_, endpoint) =
            plan(&Plan::empty(), &format!("urls: ['http://a', 'http://b']{balance}"));
        endpoint.servers.iter().map(|server| server.priority).collect()
    };
    assert_eq!((priorities(""), priorities(", balance: failover")), (vec![0, 0], vec![0, 1]));
    assert_eq!(endpoint.balance, Balance::RoundRobin);
}

#[test]
fn an_endpoint_that_did_not_change_is_the_same_one() {
    let (first, before) = plan(&Plan::empty(), "urls: ['http://a']");
    let (second, same) = plan(&first, "urls: ['http://a'], timeout: 30s");
    assert!(Arc::ptr_eq(&before, &same), "only the words changed");
    let (_, other) = plan(&second, "urls: ['http://a'], timeout: 31s");
    assert!(!Arc::ptr_eq(&same, &other));
}

#[test]
fn endpoints_that_are_written_alike_are_one_unless_they_count_for_their_api() {
    let same = |endpoint: &str| {
        let apis = ["a", "b"].map(|name| {
            format!("api {name} 1 /{name} + endpoints: {{production: {{{endpoint}}}}}")
        });
        let objects = admitted(&apis.join("\n"));
        let all: Vec<_> =
            objects.iter().map(|one| (one.key().clone(), one.bytes().clone())).collect();
        let (plan, _) = Plan::empty().replaced(&all);
        let ends: Vec<_> = plan.apis().filter_map(|api| api.production.clone()).collect();
        let [one, other] = ends.as_slice() else { panic!("{ends:?}") };
        assert_eq!(one, other);
        Arc::ptr_eq(one, other)
    };
    let said = [
        "urls: ['http://b.example/x']",
        "urls: ['http://b.example'], timeout: 3s, retries: {attempts: 2}",
        "urls: ['http://b.example'], breaker: {}",
        "urls: ['http://b.example'], bulkhead: {maxRequests: 3}",
        "urls: ['http://b.example', 'http://c.example']",
    ];
    assert_eq!(said.map(same), [true, true, false, false, false]);
}
