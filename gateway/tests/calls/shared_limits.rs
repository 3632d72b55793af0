//! Do gateways that share limits in a Redis let in what the limits say, all together, and what becomes of
//! calls while it cannot count?

use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Host;
use chassis::clock::Clock;
use gateway::limits::store::{Config, Mode, Store};
use gateway::limits::{Figures, Ways};
use prometheus_client::registry::Registry;

use crate::redis::{MASTER, Redis, Watched, is_installed};
use crate::stand::{Answer, LIMIT, Stand, request};

const RESOURCES: &str = r#"
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Shared }, spec: { quota: { QUOTA }, counting: { COUNTING } } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: orders, version: "1.0" }
spec:
  context: /orders
  lifecycle: PUBLISHED
  tiers: [Shared]
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: shop }, spec: { tier: Unlimited, keys: [ { consumerKey: live } ] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "orders:1.0", tier: Shared } }
"#;

const STRICT: &str = "strategy: strict, authority: store, onFailure: ";
const LEASE: &str = "strategy: lease, authority: store, onFailure: ";
const YEAR: &str = "requests: 5, calendar: year";

fn resources(quota: &str, counting: &str) -> String {
    RESOURCES.replace("QUOTA", quota).replace("COUNTING", counting)
}

/// So long may the store take where a test is not about that: a machine that has other things to do
/// holds a call up for a moment.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn config(mode: Mode, url: String) -> Config {
    Config {
        urls: vec![url],
        mode,
        master: MASTER.to_owned(),
        database: 0,
        username: String::new(),
        password_file: "".into(),
        sentinel_username: String::new(),
        sentinel_password_file: "".into(),
        ca: "".into(),
        certificate: "".into(),
        key: "".into(),
        timeout: PATIENCE,
        prefix: "test".to_owned(),
    }
}

/// A gateway that shares limits in the store, and what it tells about that.
struct Gateway {
    stand: Stand,
    registry: Registry,
}

impl Gateway {
    async fn start(node: &str, resources: &str, store: &Config) -> Self {
        let mut registry = Registry::default();
        let figures = Figures::new(&mut registry);
        let ways = |host: &Host| {
            let store = Store::open(store, node, &figures, &host.clock).unwrap();
            Ways { store: Some(Arc::new(store)), ..Ways::default() }
        };
        Self { stand: Stand::sharing(resources, ways).await, registry }
    }

    async fn call(&self) -> Answer {
        self.stand.call("GET /orders/1.0/echo", &self.stand.bearer("live"), "").await
    }

    /// What becomes of so many calls, one after the other: the statuses, or the numbers of faults.
    async fn calls(&self, count: usize) -> Vec<String> {
        let mut said = Vec::new();
        for _ in 0..count {
            let answer = self.call().await;
            said.push(if answer.status == 200 { "200".to_owned() } else { answer.fault() });
        }
        said
    }

    /// How many of so many calls on one connection are let in.
    async fn let_in(&self, count: usize) -> usize {
        let call = request("GET /orders/1.0/echo", &self.stand.bearer("live"), "");
        let (mut client, mut let_in) = (self.stand.client().await, 0);
        for _ in 0..count {
            client.say(&call).await;
            let answer = client.hear().await;
            // On a machine that has too much to do an answer may come too late for its call.
            assert!(matches!(answer.status, 200 | 429 | 503), "{answer:?}");
            let_in += usize::from(answer.status == 200);
        }
        let_in
    }

    fn counts(&self) -> bool {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text.contains("limit_authority_up{authority=\"store\"} 1")
    }

    /// Calls until one is answered as it should be.
    async fn until(&self, wanted: &str) {
        let since = now();
        loop {
            let said = self.calls(1).await;
            if said == [wanted] {
                return;
            }
            assert!(since.elapsed() < LIMIT, "{said:?} for ever, and not {wanted}");
        }
    }
}

async fn three(resources: &str, store: &Config) -> [Gateway; 3] {
    [
        Gateway::start("one", resources, store).await,
        Gateway::start("two", resources, store).await,
        Gateway::start("three", resources, store).await,
    ]
}

fn now() -> Instant {
    Clock::system().instant()
}

/// Three gateways with two clients each; how many of their calls are let in, all together.
async fn all_together(gateways: &[Gateway; 3], each: usize) -> usize {
    let [one, two, three] = gateways;
    let twice = async |gateway: &Gateway| {
        let (first, second) = tokio::join!(gateway.let_in(each), gateway.let_in(each));
        first + second
    };
    let (one, two, three) = tokio::join!(twice(one), twice(two), twice(three));
    one + two + three
}

#[tokio::test]
async fn a_strict_limit_lets_in_exactly_what_it_says() {
    if !is_installed() {
        return;
    }
    let server = Redis::start();
    let quota = "requests: 100, calendar: year";
    let store = config(Mode::Single, server.url());
    let gateways = three(&resources(quota, &format!("{STRICT}closed")), &store).await;
    // What came too late for its call is given back, and let in now.
    let mut let_in = all_together(&gateways, 30).await;
    let_in += gateways[0].let_in(20).await;
    assert_eq!(let_in, 100);
    let refused = gateways[1].call().await;
    assert_eq!(refused.fault(), "429 900804");
    assert!(refused.field("ratelimit").unwrap().contains("\"subscription\";r=0;"), "{refused:?}");
}

#[tokio::test]
async fn leases_add_up_to_hardly_less_than_the_limit_and_never_to_more() {
    if !is_installed() {
        return;
    }
    let server = Redis::start();
    let quota = "requests: 1000, calendar: year";
    let store = config(Mode::Single, server.url());
    let gateways = three(&resources(quota, &format!("{LEASE}closed")), &store).await;
    let mut let_in = all_together(&gateways, 200).await;
    for gateway in &gateways {
        let_in += gateway.let_in(20).await;
    }
    assert!((980..=1000).contains(&let_in), "{let_in}");
}

#[tokio::test]
async fn what_is_left_is_told() {
    if !is_installed() {
        return;
    }
    let server = Redis::start();
    let store = config(Mode::Single, server.url());
    let gateway = Gateway::start("one", &resources(YEAR, &format!("{STRICT}closed")), &store).await;
    for left in ["r=4;", "r=3;"] {
        let answer = gateway.call().await;
        assert!(answer.field("ratelimit").unwrap().contains(left), "{answer:?}");
    }
}

#[tokio::test]
async fn a_tier_that_changes_goes_on_with_what_was_counted() {
    if !is_installed() {
        return;
    }
    let server = Redis::start();
    let store = config(Mode::Single, server.url());
    let counting = format!("{STRICT}closed");
    let gateway = Gateway::start("one", &resources(YEAR, &counting), &store).await;
    assert_eq!(gateway.let_in(8).await, 5);
    gateway.stand.publish(&resources("requests: 7, calendar: year", &counting));
    assert_eq!(gateway.let_in(8).await, 2);
    gateway.stand.publish(&resources("requests: 9, calendar: month", &counting));
    assert_eq!(gateway.let_in(8).await, 2);
}

#[tokio::test]
async fn bytes_that_are_known_in_the_end_count_at_the_store() {
    if !is_installed() {
        return;
    }
    let server = Redis::start();
    let store = config(Mode::Single, server.url());
    let quota = "bytes: 100, direction: response, calendar: year";
    for counting in [format!("{STRICT}closed"), format!("{LEASE}closed")] {
        server.cli(&["flushall"]);
        let gateway = Gateway::start("one", &resources(quota, &counting), &store).await;
        let other = Gateway::start("two", &resources(quota, &counting), &store).await;
        let first = gateway.call().await;
        assert!(first.status == 200 && first.body.len() > 50, "{first:?}");
        // Another gateway hears of it as soon as it has been told.
        other.until("429 900804").await;
    }
}

#[tokio::test]
async fn a_server_that_is_started_anew_goes_on_counting() {
    if !is_installed() {
        return;
    }
    let mut server = Redis::start();
    let store = config(Mode::Single, server.url());
    let gateway = Gateway::start("one", &resources(YEAR, &format!("{STRICT}closed")), &store).await;
    assert_eq!(gateway.calls(3).await, ["200"; 3]);
    server.restart();
    // Those that find the connection broken are not counted.
    let (mut said, since) = (Vec::new(), now());
    while said.last().is_none_or(|last| last != "429 900804") {
        said.extend(gateway.calls(1).await.into_iter().filter(|answer| answer != "503 900810"));
        assert!(since.elapsed() < LIMIT, "{said:?}");
    }
    assert_eq!(said, ["200", "200", "429 900804"]);
}

/// The names under which the server counts.
fn counters(server: &Redis) -> Vec<String> {
    let names = server.cli(&["--raw", "keys", "test:limits:*"]);
    names.lines().filter(|name| !name.contains("gateways")).map(str::to_owned).collect()
}

/// What calls come to when nobody counts, by the tier's rule.
async fn check_without(counting: &str, on_failure: &str, expected: &[&str]) {
    let mut server = Redis::start();
    let store = config(Mode::Single, server.url());
    let counting = format!("{counting}{on_failure}");
    // On a machine that has too much to do the first call, which connects, may not be counted in time: then
    // it is what calls come to already.
    let since = now();
    let gateway = loop {
        let gateway = Gateway::start("one", &resources(YEAR, &counting), &store).await;
        if gateway.calls(1).await == ["200"] && !counters(&server).is_empty() {
            break gateway;
        }
        assert!(since.elapsed() < LIMIT, "the store never counts a call");
    };
    server.kill();
    // What a lease has in hand is used up first.
    let mut said = gateway.calls(8).await;
    said.drain(..said.len() - expected.len());
    assert_eq!(said, expected, "{counting}");
    let since = now();
    while gateway.counts() {
        gateway.let_in(1).await;
        assert!(since.elapsed() < LIMIT, "it is asked for ever");
    }
}

#[tokio::test]
async fn while_nobody_counts_the_tier_says_what_becomes_of_calls() {
    if !is_installed() {
        return;
    }
    for counting in [STRICT, LEASE] {
        check_without(counting, "open", &["200"; 6]).await;
        check_without(counting, "closed", &["503 900810"; 5]).await;
    }
    // The only gateway has the whole limit for itself.
    let local = ["200", "200", "200", "200", "200", "429 900804", "429 900804", "429 900804"];
    check_without(STRICT, "local", &local).await;
}

#[tokio::test]
async fn a_server_that_hangs_costs_a_few_calls_their_patience_and_the_others_nothing() {
    if !is_installed() {
        return;
    }
    let server = Redis::start();
    let store = Config { timeout: Duration::from_millis(20), ..config(Mode::Single, server.url()) };
    let quota = "requests: 1000, calendar: year";
    let gateway = Gateway::start("one", &resources(quota, &format!("{STRICT}open")), &store).await;
    assert_eq!(gateway.let_in(1).await, 1);
    server.hang();
    let mut waited = 0;
    let mut took = Vec::new();
    while gateway.counts() {
        let since = now();
        assert_eq!(gateway.let_in(1).await, 1);
        took.push(since.elapsed());
        waited += 1;
        assert!(waited < 10, "{took:?}");
    }
    // With a machine that has other things to do, too.
    assert!(took.iter().all(|took| *took < Duration::from_millis(200)), "{took:?}");
    let since = now();
    assert_eq!(gateway.let_in(100).await, 100);
    assert!(since.elapsed() < Duration::from_millis(20) * 50, "{:?}", since.elapsed());
    server.go_on();
    let since = now();
    while !gateway.counts() {
        gateway.let_in(1).await;
        assert!(since.elapsed() < LIMIT, "it is never asked again");
    }
}

#[tokio::test]
async fn another_master_goes_on_counting() {
    if !is_installed() {
        return;
    }
    let mut watched = Watched::start();
    let url = watched.sentinel.url();
    let store = Config { timeout: Duration::from_millis(20), ..config(Mode::Sentinel, url) };
    let gateway = Gateway::start("one", &resources(YEAR, &format!("{STRICT}closed")), &store).await;
    gateway.until("200").await;
    let [master, replica] = &mut watched.servers;
    let key = counters(master).remove(0);
    let since = now();
    let used = |server: &Redis| server.cli(&["hget", &key, "rq0u"]) == "1";
    while !(used(master) && used(replica)) {
        assert!(since.elapsed() < LIMIT, "the replica does not follow");
    }
    master.kill();
    // Four of five are left, and the other one has heard of the first.
    gateway.until("503 900810").await;
    gateway.until("200").await;
    // What came too late for its call is given back, and let in now.
    let (mut let_in, since) = (1, now());
    while let_in < 4 {
        let_in += gateway.let_in(1).await;
        assert!(since.elapsed() < LIMIT, "{let_in} of four");
    }
    assert_eq!(gateway.let_in(4).await, 0);
}
