//! How much memory do a million subscriptions take, and how long does it take to find one?
//!
//! `cargo bench -p plan --bench subscribers`: 10,000 applications with a client each, 1,000 APIs, and
//! 1,000,000 subscriptions of one tier. The memory is what the process holds more than before, with the
//! objects as they are stored (the hash of the state is made of them) and what refers to what; and then
//! again when each has been called once, with all their forms and meters. A look-up is what a gateway
//! does with a call of a client that it has not seen: it has the client's identifier as text, and the API
//! from its path. With a token that it knows it has the application: then look-ups of a million
//! subscriptions far apart follow each other, so that the processor may begin one while memory has not
//! answered the one before; then each waits for the one before, beside which stands what it takes to read
//! of the application and of the API, and one number from as much memory; and then it is the same one again
//! and again, as for a client that calls all the time.
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use plan::{ApiPlan, ApplicationPlan, Plan, Resource, ResourceKey, SubscriptionPlan};
use turnpike_proto::config::v1 as proto;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::subscription_spec::State;

/// That of gateways: what lies beside what is a part of what it costs to find it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const APIS: usize = 1_000;
const APPLICATIONS: usize = 10_000;
const SUBSCRIPTIONS: usize = 1_000_000;
/// What comes into force at a time.
const BATCH: usize = 10_000;
const ROUNDS: usize = 8;
/// As much as a million rights take.
const BARE_BYTES: usize = 32 << 20;

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
    let makes = |n: usize| subscription(n / each, n % each * (apis / each));
    let started = Instant::now();
    put(&mut plan, subscriptions, makes);
    let seconds = started.elapsed().as_secs_f32();
    let taken = resident_bytes().saturating_sub(before);
    eprintln!(
        "{subscriptions} subscriptions: {} MB, {} bytes each, put in force in {seconds:.1} s",
        taken / 1_000_000,
        taken / subscriptions as u64,
    );
    let scale = Scale { apis, each, subscriptions };
    measure_lookups(&plan, &scale, before);
    measure_changes(&plan, subscriptions, makes);
}

struct Scale {
    apis: usize,
    /// How many subscriptions an application has.
    each: usize,
    subscriptions: usize,
}

/// How long it takes to find a subscription, the first time and later; the memory is what is held more
/// than `before`.
fn measure_lookups(plan: &Plan, scale: &Scale, before: u64) {
    let called: Vec<_> =
        (0..scale.apis).filter_map(|n| plan.api(&format_api(n)).cloned()).collect();
    let look = |n: usize, found: &dyn Fn(&str, &ApiPlan) -> bool| {
        // Far apart in memory from one to the next.
        let n = n.wrapping_mul(2_654_435_761) % scale.subscriptions;
        let client = format_client(n / scale.each);
        let api = called.get(n % scale.each * (scale.apis / scale.each));
        assert!(api.is_some_and(|api| found(&client, api)), "{client} {n}");
    };
    let right = |client: &str, api: &ApiPlan| {
        let consumer = plan.consumer("resident", client);
        let found = consumer.and_then(|it| plan.right(&it.application, api));
        // Its state is what a gateway looks at first.
        black_box(found).is_some_and(|it| black_box(it.state) == State::Unblocked)
    };
    let known: Vec<_> = (0..scale.subscriptions / scale.each)
        .filter_map(|n| plan.consumer("resident", &format_client(n)).cloned())
        .collect();
    let looking = |count: usize| {
        let with_names = nanos_each(count, |n| look(n, &right));
        let names =
            nanos_each(count, |n| look(n, &|client, api| !black_box((client, api)).0.is_empty()));
        with_names.saturating_sub(names)
    };
    // The numbers come around after as many: each is called once.
    let first = looking(scale.subscriptions);
    let taken = resident_bytes().saturating_sub(before);
    eprintln!(
        "each called once: {} MB, {} bytes each; a first call found its own in {first} ns",
        taken / 1_000_000,
        taken / scale.subscriptions as u64,
    );
    // Other work on the machine makes a round longer and never shorter.
    let mut rounds: Vec<u128> = (0..ROUNDS).map(|_| looking(scale.subscriptions)).collect();
    rounds.sort_unstable();
    tell("client and subscription", &rounds);
    // A gateway that knows the token has its application at hand. They are far apart in memory from one to
    // the next, and written down beforehand in the order in which they are asked for: to choose one is no
    // part of finding it.
    let pairs: Vec<_> = (0..scale.subscriptions)
        .map(|n| n.wrapping_mul(2_654_435_761) % scale.subscriptions)
        .filter_map(|n| {
            let api = called.get(n % scale.each * (scale.apis / scale.each))?;
            Some((known.get(n / scale.each)?.application.as_ref(), api.as_ref()))
        })
        .collect();
    let at_hand = |n: usize| pairs.get(n).copied();
    let held = |n: usize| {
        let found = at_hand(n).and_then(|(application, api)| plan.right(application, api));
        black_box(found)
    };
    let rounds = |what: &str, ask: &dyn Fn(usize)| {
        let round = |_| nanos_each(scale.subscriptions, ask);
        let mut rounds: Vec<u128> = (0..ROUNDS).map(round).collect();
        rounds.sort_unstable();
        tell(what, &rounds);
    };
    rounds("subscription of an application to an API", &|n| assert!(held(n).is_some()));
    let sound = |(application, api): (&ApplicationPlan, &ApiPlan)| {
        black_box(application.broken.is_none() && api.broken.is_none())
    };
    // These two are looked at by a call in any case.
    rounds("of that, the application and the API", &|n| assert!(at_hand(n).is_some_and(sound)));
    let is_good = |it: &Arc<SubscriptionPlan>| black_box(it.state) == State::Unblocked;
    rounds("the same, and its state", &|n| assert!(held(n).is_some_and(is_good), "{n}"));
    // Always 0, and not known before what was asked for is.
    let before = Cell::new(0);
    let next = |n: usize| n + before.get();
    rounds("the application and the API, one after the other", &|n| {
        before.set(usize::from(!at_hand(next(n)).is_some_and(sound)));
    });
    rounds("their subscription, one after the other", &|n| {
        let place = held(next(n)).map_or(0, |it| std::ptr::from_ref(it).addr());
        before.set(black_box(place) / usize::MAX);
    });
    let bare: Vec<usize> =
        (0..BARE_BYTES / size_of::<usize>()).map(|place| place / BARE_BYTES).collect();
    rounds("a number at any place of as much memory, one after the other", &|n| {
        let hash = (next(n) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let place = (hash * bare.len() as u64) >> 32;
        before.set(black_box(bare.get(place as usize).copied().unwrap_or_default()));
    });
    rounds("one that was found just before", &|_| assert!(held(7).is_some()));
}

fn tell(what: &str, rounds: &[u128]) {
    let at = |place: usize| rounds.get(place).copied().unwrap_or_default();
    let (best, middle) = (at(0), at(ROUNDS / 2));
    eprintln!(
        "{what} found in {best} ns in the best of {ROUNDS} rounds, {middle} in the middle one"
    );
}

/// How long changes take among so many: blocking one, and a batch, and as many new ones.
fn measure_changes(plan: &Plan, subscriptions: usize, makes: impl Fn(usize) -> Any) {
    let changed = |n: usize| {
        let mut any = makes(n.wrapping_mul(2_654_435_761) % subscriptions);
        if let Any::Subscription(one) = &mut any
            && let Some(spec) = &mut one.spec
        {
            spec.state = State::Blocked.into();
        }
        any
    };
    let fresh = |n: usize| {
        let mut any = makes(n);
        if let Any::Subscription(one) = &mut any
            && let (Some(spec), Some(metadata)) = (&mut one.spec, &mut one.metadata)
        {
            spec.application = format!("new{n}");
            metadata.name = format!("new-{n}");
        }
        any
    };
    let batch = BATCH.min(subscriptions);
    for (what, count, make) in [
        ("one blocked", 1, &changed as &dyn Fn(usize) -> Any),
        ("a batch blocked", batch, &changed),
        ("a batch added", batch, &fresh),
    ] {
        let upserts: Vec<_> = (0..count).filter_map(|n| stored(make(n))).collect();
        let started = Instant::now();
        let (next, rejected) = plan.next(&upserts, &[]);
        let us = started.elapsed().as_micros();
        assert!(rejected.is_empty(), "{:?}", rejected.first());
        drop(black_box(next));
        eprintln!("{what}: {count} in {us} us");
    }
}

fn nanos_each(count: usize, ask: impl Fn(usize)) -> u128 {
    let started = Instant::now();
    (0..count).for_each(ask);
    started.elapsed().as_nanos() / count as u128
}

fn put(plan: &mut Plan, count: usize, make: impl Fn(usize) -> Any) {
    let all: Vec<usize> = (0..count).collect();
    for batch in all.chunks(BATCH) {
        let upserts: Vec<_> = batch.iter().filter_map(|n| stored(make(*n))).collect();
        let (next, rejected) = plan.next(&upserts, &[]);
        assert!(rejected.is_empty(), "{:?}", rejected.first());
        *plan = next;
    }
}

fn stored(any: Any) -> Option<(ResourceKey, Bytes)> {
    let resource = Resource { resource: Some(any) };
    Some((plan::key(&resource)?, plan::encode(&resource)))
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
    let quota = Some(proto::Quota { requests: 1_000, per, ..proto::Quota::default() });
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
    // As it is stored, with what is implied written out.
    Any::Subscription(proto::Subscription {
        api_version: "turnpike/v1".to_owned(),
        kind: "Subscription".to_owned(),
        metadata: Some(named(format!("s-{application}-{api}"), "")),
        spec: Some(spec),
    })
}

/// What the process holds of the machine's memory.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
