//! How much memory do a million subscriptions take, and how long does it take to find one?
//!
//! `cargo bench -p plan --bench subscribers`: 10,000 applications with a client each, 1,000 APIs, and
//! 1,000,000 subscriptions of one tier. The memory is what the process holds more than before, with the
//! objects as they came (the hash of the state is made of them), their indices and their meters.
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::hint::black_box;
use std::time::Instant;

use plan::{Plan, Resource};
use turnpike_proto::config::v1 as proto;
use turnpike_proto::config::v1::resource::Resource as Any;

const APIS: usize = 1_000;
const APPLICATIONS: usize = 10_000;
const SUBSCRIPTIONS: usize = 1_000_000;
/// What comes into force at a time.
const BATCH: usize = 10_000;
const LOOKUPS: usize = 2_000_000;

fn main() {
    // As a test it only shows that it runs.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let scale = if is_bench { 1 } else { 100 };
    let (apis, applications) = (APIS / scale, APPLICATIONS / scale);
    let subscriptions = SUBSCRIPTIONS / scale / scale;
    let mut plan = Plan::empty();
    put(&mut plan, 1, |_| tier());
    put(&mut plan, apis, api);
    put(&mut plan, applications, application);
    let before = resident_bytes();
    let each = subscriptions / applications;
    put(&mut plan, subscriptions, |n| subscription(n / each, n % each * (apis / each)));
    let taken = resident_bytes().saturating_sub(before);
    let started = Instant::now();
    for n in 0..LOOKUPS / scale {
        // Far apart in memory from one to the next.
        let n = n.wrapping_mul(2_654_435_761) % subscriptions;
        let (client, api) = (format_client(n / each), format_api(n % each * (apis / each)));
        let consumer = plan.consumer("resident", &client);
        let found = consumer.and_then(|it| plan.subscription(&it.application.name, &api));
        assert!(black_box(found).is_some(), "{client} {api}");
    }
    let with_names = started.elapsed().as_nanos() / (LOOKUPS / scale) as u128;
    let started = Instant::now();
    for n in 0..LOOKUPS / scale {
        let n = n.wrapping_mul(2_654_435_761) % subscriptions;
        let (client, api) = (format_client(n / each), format_api(n % each * (apis / each)));
        black_box((client, api));
    }
    let names = started.elapsed().as_nanos() / (LOOKUPS / scale) as u128;
    eprintln!(
        "{subscriptions} subscriptions: {} MB, {} bytes each; client and subscription found in {} ns",
        taken / 1_000_000,
        taken / subscriptions as u64,
        with_names.saturating_sub(names),
    );
}

fn put(plan: &mut Plan, count: usize, make: impl Fn(usize) -> Any) {
    let all: Vec<usize> = (0..count).collect();
    for batch in all.chunks(BATCH) {
        let upserts: Vec<_> = batch
            .iter()
            .filter_map(|n| {
                let resource = Resource { resource: Some(make(*n)) };
                Some((plan::key(&resource)?, plan::encode(&resource)))
            })
            .collect();
        let (next, rejected) = plan.next(&upserts, &[]);
        assert!(rejected.is_empty(), "{:?}", rejected.first());
        *plan = next;
    }
}

fn format_client(n: usize) -> String {
    format!("client-{n:08}")
}

fn format_api(n: usize) -> String {
    format!("api{n}:1.0")
}

fn named(name: String, version: &str) -> proto::Metadata {
    proto::Metadata { name, version: version.to_owned(), ..proto::Metadata::default() }
}

fn tier() -> Any {
    let per = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let quota = Some(proto::Quota { requests: 1_000, per });
    let spec = Some(proto::TierSpec { quota, ..proto::TierSpec::default() });
    Any::Tier(proto::Tier {
        metadata: Some(named("Gold".to_owned(), "")),
        spec,
        ..Default::default()
    })
}

fn api(n: usize) -> Any {
    let production = proto::Endpoint {
        urls: vec!["http://127.0.0.1:3001".to_owned()],
        ..proto::Endpoint::default()
    };
    let endpoints = proto::Endpoints { production: Some(production), sandbox: None };
    let spec = proto::ApiSpec {
        context: format!("/api{n}"),
        lifecycle: proto::lifecycle::State::Published.into(),
        endpoints: Some(endpoints),
        tiers: vec!["Gold".to_owned()],
        ..proto::ApiSpec::default()
    };
    let metadata = Some(named(format!("api{n}"), "1.0"));
    Any::Api(proto::Api { metadata, spec: Some(spec), ..proto::Api::default() })
}

fn application(n: usize) -> Any {
    let key = proto::ApplicationKey {
        consumer_key: format_client(n),
        ..proto::ApplicationKey::default()
    };
    let spec =
        Some(proto::ApplicationSpec { keys: vec![key], ..proto::ApplicationSpec::default() });
    Any::Application(proto::Application {
        metadata: Some(named(format!("app{n}"), "")),
        spec,
        ..proto::Application::default()
    })
}

fn subscription(application: usize, api: usize) -> Any {
    let spec = proto::SubscriptionSpec {
        application: format!("app{application}"),
        api: format_api(api),
        tier: "Gold".to_owned(),
        ..proto::SubscriptionSpec::default()
    };
    Any::Subscription(proto::Subscription {
        metadata: Some(named(format!("s-{application}-{api}"), "")),
        spec: Some(spec),
        ..proto::Subscription::default()
    })
}

/// What the process holds of the machine's memory.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
