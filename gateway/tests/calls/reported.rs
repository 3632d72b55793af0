//! What does the event of a call say, and what does its API keep out of it?

use std::collections::BTreeMap;

use turnpike_proto::usage::v1::Event;

use crate::reports::Reports;
use crate::stand::Stand;

const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: plain, version: "1.0", owner: ben, tenant: acme }
spec:
  context: /plain
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND"] } }
  policies: { response: [{ setHeader: { name: X-Seen, value: "1" } }] }
  backendJwt: { enabled: true }
  operations: [{ method: GET, path: "/*" }, { method: GET, path: /open/echo, auth: none }]
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: masked, version: "1.0", tenant: acme }
spec:
  context: /masked
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND"] } }
  analytics: { mask: { user: HASH, clientIp: TRUNCATE, path: TEMPLATE, userAgent: DROP } }
  operations: [{ method: GET, path: "/people/{id}" }]
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: silent, version: "1.0", tenant: acme }
spec:
  context: /silent
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND"] } }
  analytics: { enabled: false }
  operations: [{ method: GET, path: "/*", auth: none }]
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: sampled, version: "1.0", tenant: acme }
spec:
  context: /sampled
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND"] } }
  analytics: { sample: 0.1 }
  operations: [{ method: GET, path: "/*", auth: none }]
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: alone, version: "1.0", tenant: acme }
spec:
  context: /alone
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND"] } }
  operations: [{ method: GET, path: "/*" }]
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: barred, version: "1.0", tenant: acme }
spec:
  context: /barred
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND"] } }
  operations: [{ method: GET, path: "/*" }]
---
apiVersion: turnpike/v1
kind: DenyPolicy
metadata: { name: shop-from-barred }
spec: { applications: [shop], apis: ["barred:1.0"] }
---
apiVersion: turnpike/v1
kind: Subscription
metadata: { name: shop-barred, tenant: acme }
spec: { application: shop, api: "barred:1.0" }
---
apiVersion: turnpike/v1
kind: ApiProduct
metadata: { name: bundle, version: "1.0", tenant: acme }
spec:
  context: /bundle
  lifecycle: PUBLISHED
  apis: [{ name: masked, version: "1.0" }]
---
apiVersion: turnpike/v1
kind: ApiProduct
metadata: { name: guarded, version: "1.0", tenant: acme }
spec:
  context: /guarded
  lifecycle: PUBLISHED
  apis: [{ name: masked, version: "1.0" }]
  analytics: { mask: { user: DROP } }
---
apiVersion: turnpike/v1
kind: Application
metadata: { name: shop, owner: ann, tenant: acme }
spec: { keys: [{ consumerKey: shop-key }] }
---
apiVersion: turnpike/v1
kind: Subscription
metadata: { name: shop-plain, tenant: acme }
spec: { application: shop, api: "plain:1.0" }
---
apiVersion: turnpike/v1
kind: Subscription
metadata: { name: shop-masked, tenant: acme }
spec: { application: shop, api: "masked:1.0" }
---
apiVersion: turnpike/v1
kind: Subscription
metadata: { name: shop-bundle, tenant: acme }
spec: { application: shop, api: "bundle:1.0" }
---
apiVersion: turnpike/v1
kind: Subscription
metadata: { name: shop-guarded, tenant: acme }
spec: { application: shop, api: "guarded:1.0" }
"#;

/// What an event says under the names that are asked for, as `name=value`.
fn said(event: &Event, names: &str) -> String {
    let ip = event.client_ip.iter().map(u8::to_string).collect::<Vec<_>>().join(".");
    let numbers =
        [("status", event.status), ("fault_code", event.fault_code), ("weight", event.weight)];
    let numbers = numbers.map(|(name, number)| (name, number.to_string()));
    let words = [
        ("api", &event.api),
        ("api_type", &event.api_type),
        ("api_owner", &event.api_owner),
        ("tenant", &event.tenant),
        ("application", &event.application),
        ("application_owner", &event.application_owner),
        ("auth_type", &event.auth_type),
        ("fault_type", &event.fault_type),
        ("fault_subtype", &event.fault_subtype),
        ("region", &event.region),
        ("user", &event.user),
        ("path", &event.path),
        ("user_agent", &event.user_agent),
        ("client_ip", &ip),
    ];
    let words = words.map(|(name, word)| (name, word.clone()));
    let all: BTreeMap<&str, String> = words.into_iter().chain(numbers).collect();
    names.split(' ').map(|name| format!("{name}={}", all[name])).collect::<Vec<_>>().join(" ")
}

struct Watched {
    stand: Stand,
    reports: Reports,
}

impl Watched {
    async fn start() -> Self {
        let reports = Reports::default();
        let stand = Stand::reporting(RESOURCES, reports.clone()).await;
        Self { stand, reports }
    }

    /// Makes a call as the shop, or as nobody; the only event that comes.
    async fn event(&self, path: &str, known: bool) -> Event {
        let bearer = if known { self.stand.bearer("shop-key") } else { String::new() };
        let fields = format!("{bearer}user-agent: curl/8.5\r\n");
        self.stand.call(&format!("GET {path}"), &fields, "").await;
        let mut events = self.reports.take(&self.stand.host, 1).await;
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// One call, and what its event says.
    async fn check(&self, path: &str, known: bool, expected: &str) {
        let names: Vec<&str> =
            expected.split(' ').filter_map(|word| Some(word.split_once('=')?.0)).collect();
        assert_eq!(said(&self.event(path, known).await, &names.join(" ")), expected, "{path}");
    }
}

#[tokio::test]
async fn an_event_says_what_was_called_how_and_where() {
    let watched = Watched::start().await;
    let said = "api=plain api_type=HTTP api_owner=ben tenant=acme auth_type=jwt fault_subtype= \
                region=eu-1 user=shop-key path=/plain/1.0/echo status=200 weight=1";
    watched.check("/plain/1.0/echo", true, said).await;
    watched.check("/plain/1.0/open/echo", false, "auth_type= user= status=200").await;
    let refused = "status=401 fault_type=AUTH fault_subtype=AUTHENTICATION_FAILURE weight=1";
    watched.check("/plain/1.0/echo", false, refused).await;
    let nowhere = "api= tenant= status=404 fault_type=OTHER fault_subtype=RESOURCE_NOT_FOUND";
    watched.check("/nowhere", false, nowhere).await;
}

#[tokio::test]
async fn an_event_says_whose_call_was_refused() {
    let watched = Watched::start().await;
    let ours = "application=shop application_owner=ann";
    watched.check("/plain/1.0/echo", true, &format!("{ours} status=200")).await;
    watched.check("/plain/1.0/echo", false, "application= status=401").await;
    watched.check("/alone/1.0/echo", true, &format!("{ours} fault_code=900908")).await;
    watched.check("/barred/1.0/echo", true, &format!("{ours} fault_code=900805")).await;
}

#[tokio::test]
async fn the_parts_of_a_call_are_no_longer_than_the_call() {
    let watched = Watched::start().await;
    let event = watched.event("/plain/1.0/echo", true).await;
    let mediation = event.request_mediation_us + event.response_mediation_us;
    let parts = event.security_us + event.throttling_us + event.backend_us + mediation;
    assert!(parts <= event.total_us, "{event:?}");
    // A signature takes longer than a microsecond, and is no longer the backend's.
    assert!(event.request_mediation_us > 0 && event.backend_us > 0, "{event:?}");
    let other = watched.event("/masked/1.0/people/ann", true).await;
    assert_eq!((other.request_mediation_us, other.response_mediation_us), (0, 0), "{other:?}");
}

#[tokio::test]
async fn what_is_masked_leaves_the_gateway_neither_for_answers_nor_for_faults() {
    let watched = Watched::start().await;
    let ours = watched.event("/masked/1.0/people/ann", true).await;
    assert!(ours.user.len() == 32 && ours.user != "shop-key", "{ours:?}");
    let masked = format!(
        "status=200 user={} path=/people/{{id}} user_agent= client_ip=127.0.0.0 weight=1",
        ours.user
    );
    watched.check("/masked/1.0/people/ben", true, &masked).await;
    watched.check("/bundle/1.0/people/ben", true, &masked).await;
    // Of the product and its API the stricter one holds, value by value.
    let guarded = "status=200 user= path=/people/{id} user_agent= client_ip=127.0.0.0 weight=1";
    watched.check("/guarded/1.0/people/ben", true, guarded).await;
    let refused = "status=401 user= path=/people/{id} user_agent= client_ip=127.0.0.0";
    watched.check("/masked/1.0/people/ann", false, refused).await;
    // Which operation would have been meant is not known, so there is no template either.
    let lost = "status=404 user= path= user_agent= client_ip=127.0.0.0";
    watched.check("/masked/1.0/person/ann", true, lost).await;
}

#[tokio::test]
async fn calls_of_a_silent_api_are_not_reported_and_a_sample_stands_for_all() {
    let watched = Watched::start().await;
    watched.stand.call("GET /silent/1.0/echo", "", "").await;
    for _ in 0..200 {
        watched.stand.call("GET /sampled/1.0/echo", "", "").await;
    }
    let last = watched.event_of_last().await;
    let (failed, kept): (Vec<_>, Vec<_>) = last.iter().partition(|event| event.fault_code != 0);
    assert!(last.iter().all(|event| event.api != "silent"), "{last:?}");
    assert_eq!(failed.iter().map(|event| event.weight).collect::<Vec<_>>(), [1]);
    assert!(kept.iter().all(|event| event.weight == 10), "{kept:?}");
    // 20 are expected; that there are none, or 60, does not happen by chance.
    assert!((1..60).contains(&kept.len()), "{}", kept.len());
}

impl Watched {
    /// A call that fails, and all events up to its own.
    async fn event_of_last(&self) -> Vec<Event> {
        self.stand.call("POST /sampled/1.0/echo", "", "").await;
        let mut all = Vec::new();
        while all.last().is_none_or(|event: &Event| event.fault_code == 0) {
            all.extend(self.reports.take(&self.stand.host, 1).await);
        }
        all
    }
}
