//! How long does it take to find the API, the operation and the caller of a request?
//!
//! `cargo bench -p plan`, or as a test, which only shows that it runs. Figures are nanoseconds per
//! look-up over random requests.

use std::hint::black_box;
use std::time::Instant;

use plan::{
    Kind, Object, OperationMatch, Plan, Resource, ResourceKey, Visit, Visitor, read_document,
};

const LOOKUPS: usize = 200_000;

fn main() {
    for (apis, operations) in [(1, 10), (1, 1_000), (100, 10), (1_000, 100)] {
        measure(apis, operations);
    }
    for policies in [1, 100, 10_000] {
        measure_denials(policies);
    }
}

/// A call that none of so many policies refuses, each about a network, a range, a user or a client.
fn measure_denials(policies: usize) {
    let mut yaml = String::new();
    for n in 0..policies {
        let (high, low) = (n / 256 % 256, n % 256);
        let what = match n % 4 {
            0 => format!("addresses: [10.{high}.{low}.0/24]"),
            1 => format!("addresses: [10.{high}.{low}.1-10.{high}.{low}.200]"),
            2 => format!("users: [user{n}]"),
            _ => format!("clients: [client{n}]"),
        };
        let head = "apiVersion: turnpike/v1, kind: DenyPolicy";
        yaml.extend([
            "---\n{",
            head,
            ", metadata: {name: ",
            &format!("d{n}}}, spec: {{{what}}}}}\n"),
        ]);
    }
    let (read, problems) = read_document(&yaml, "");
    assert!(problems.is_empty(), "{problems:?}");
    let all: Vec<_> = read
        .into_iter()
        .chain(resources(0, 1))
        .filter_map(Object::new)
        .map(|object| (object.key().clone(), object.bytes().clone()))
        .collect();
    let started = now();
    let (plan, rejected) = Plan::empty().replaced(&all);
    let built_us = started.elapsed().as_micros();
    assert!(rejected.is_empty(), "{rejected:?}");
    let Some(api) = plan.api("api0:1.0") else { return };
    let denied = per_lookup(|n| {
        let octet = u8::try_from(n % 256).unwrap_or_default();
        let address = std::net::IpAddr::from([192, 0, 2, octet]);
        let visit = Visit { called: api, home: api, address, now_unix: 0 };
        let visitor =
            Visitor { application: Some("shop"), client: Some("nobody"), users: &["ann", "7"] };
        let found = plan.denied_place(&visit).or_else(|| plan.denied_caller(&visit, &visitor));
        assert!(black_box(found).is_none());
    });
    eprintln!("{policies:>7} deny policies: asked {denied} ns, build {built_us} us");
}

fn measure(apis: usize, operations: usize) {
    let resources: Vec<Resource> = (0..apis).flat_map(|api| resources(api, operations)).collect();
    let all: Vec<_> = resources
        .into_iter()
        .filter_map(Object::new)
        .map(|object| (object.key().clone(), object.bytes().clone()))
        .collect();
    let started = now();
    let (plan, rejected) = Plan::empty().replaced(&all);
    let built_us = started.elapsed().as_micros();
    assert!(rejected.is_empty(), "{rejected:?}");

    let paths: Vec<String> = (0..4_096_usize)
        .map(|n| n.wrapping_mul(2_654_435_761) >> 4)
        .map(|n| format!("/api{}/1.0/things{}/{n}/parts", n % apis, n % operations))
        .collect();
    let find = per_lookup(|n| {
        let path = paths.get(n % paths.len()).map_or("", String::as_str);
        let hit = plan.find("api.example.com", path);
        let found = hit.map(|hit| hit.api.operation("GET", hit.rest));
        assert!(matches!(black_box(found), Some(OperationMatch::Found(_))), "{path}");
    });
    let names: Vec<(String, String)> =
        (0..4_096).map(|n| (format!("key{}", n % apis), format!("api{}:1.0", n % apis))).collect();
    let caller = per_lookup(|n| {
        let Some((key, api)) = names.get(n % names.len()) else { return };
        let consumer = plan.consumer("resident", key);
        let right = consumer.and_then(|it| plan.subscription(&it.application.name, api));
        assert!(black_box(right).is_some(), "{key} {api}");
    });
    let key = ResourceKey::of_id(Kind::Api, "api0:1.0");
    let one = all.iter().filter(|(known, _)| *known == key).cloned().collect::<Vec<_>>();
    let started = now();
    for _ in 0..100 {
        black_box(plan.next(&one, &[]));
    }
    let change_us = started.elapsed().as_micros() / 100;
    eprintln!(
        "{:>7} routes ({apis} APIs): find {find} ns, caller {caller} ns, build {built_us} us, change of one API {change_us} us",
        apis * operations
    );
}

fn per_lookup(look: impl Fn(usize)) -> u128 {
    (0..LOOKUPS / 10).for_each(&look);
    let started = now();
    (0..LOOKUPS).for_each(&look);
    started.elapsed().as_nanos() / LOOKUPS as u128
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

fn resources(api: usize, operations: usize) -> Vec<Resource> {
    let operations: Vec<String> = (0..operations)
        .map(|n| format!("{{\"method\":\"GET\",\"path\":\"/things{n}/{{id}}/parts\"}}"))
        .collect();
    let head = "\"apiVersion\":\"turnpike/v1\"";
    let text = format!(
        "[{{{head},\"kind\":\"Api\",\"metadata\":{{\"name\":\"api{api}\",\"version\":\"1.0\"}},\
          \"spec\":{{\"context\":\"/api{api}\",\"lifecycle\":\"PUBLISHED\",\
          \"endpoints\":{{\"production\":{{\"urls\":[\"http://127.0.0.1:1\"]}}}},\
          \"operations\":[{}]}}}},\
         {{{head},\"kind\":\"Application\",\"metadata\":{{\"name\":\"app{api}\"}},\
          \"spec\":{{\"keys\":[{{\"consumerKey\":\"key{api}\"}}]}}}},\
         {{{head},\"kind\":\"Subscription\",\"metadata\":{{\"name\":\"sub{api}\"}},\
          \"spec\":{{\"application\":\"app{api}\",\"api\":\"api{api}:1.0\"}}}}]",
        operations.join(",")
    );
    let (resources, problems) = read_document(&text, "bench.json");
    assert!(problems.is_empty(), "{problems:?}");
    resources
}
