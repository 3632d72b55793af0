//! Which limit refuses a call, of all that there are?
//!
//! A row is one row of the model of limits: what is configured, who calls, and what becomes of each
//! call. The same rows hold however gateways count together.

use gateway::receiver::Settings;
use serde_json::json;

use crate::stand::{Answer, Stand};

/// What all rows share; `SPEC` is the rest of the API, `LEFT` further resources, `COUNTING` how every tier
/// counts.
const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: orders, version: "1.0" }
spec:
  context: /orders
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND/base"] }, sandbox: { urls: ["http://BACKEND/sandbox"] } }
  SPEC
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: One }, spec: { counting: { COUNTING }, quota: { requests: 1, per: 86400s } } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: shop }, spec: { APPLICATION keys: [ { consumerKey: live }, { consumerKey: test, type: sandbox } ] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "orders:1.0", SUBSCRIPTION } }
LEFT
"#;

/// One row.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The rest of the API's `spec`, line by line.
    spec: &'static [&'static str],
    /// Of the application and of the subscription, one line each.
    application: &'static str,
    subscription: &'static str,
    /// Tiers and policies, documents with `---` before each.
    left: &'static str,
    /// Calls and what becomes of each: "who [from address] METHOD path [fields] → 200 or status and number".
    calls: &'static [(&'static str, &'static str)],
}

const PLAIN: Row =
    Row { name: "", spec: &[], application: "", subscription: "", left: "", calls: &[] };

/// A tier of level advanced with these limits beside its counting.
macro_rules! tier {
    ($name:literal, $level:literal, $spec:literal) => {
        concat!(
            "---\n{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: ",
            $name,
            " }, spec: { level: ",
            $level,
            ", counting: { COUNTING }, ",
            $spec,
            " } }\n"
        )
    };
}

const FULL: &str = "429 900800";

/// Every row of the model.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "an API's limits are for all of its callers",
        spec: &["throttle: { tier: Two }"],
        left: tier!("Two", "advanced", "quota: { requests: 2, per: 86400s }"),
        calls: &[("ann GET /echo", "200"), ("app GET /echo", "200"), ("ben GET /echo", FULL)],
        ..PLAIN
    },
    Row {
        name: "an operation's limits stand in place of the API's",
        spec: &[
            "throttle: { tier: Two }",
            "operations: [ { method: GET, path: /echo, tier: Alone }, { method: POST, path: /echo } ]",
        ],
        left: concat!(
            tier!("Two", "advanced", "quota: { requests: 2, per: 86400s }"),
            tier!("Alone", "advanced", "quota: { requests: 1, per: 86400s }")
        ),
        calls: &[
            ("ann GET /echo", "200"),
            ("ann GET /echo", "429 900802"),
            ("ann POST /echo", "200"),
            ("ann POST /echo", "200"),
            ("ann POST /echo", FULL),
        ],
        ..PLAIN
    },
    Row {
        name: "each user has the limits of a tier that counts users",
        spec: &["throttle: { tier: Each }"],
        left: tier!("Each", "advanced", "perUser: true, quota: { requests: 1, per: 86400s }"),
        calls: &[
            ("ann GET /echo", "200"),
            ("ben GET /echo", "200"),
            ("ann GET /echo", FULL),
            ("app GET /echo", "200"),
            ("test GET /echo", FULL),
        ],
        ..PLAIN
    },
    Row {
        name: "the first group whose conditions hold limits the call",
        spec: &["throttle: { tier: Groups }"],
        left: tier!(
            "Groups",
            "advanced",
            r#"quota: { requests: 2, per: 86400s }, conditions: [
              { when: [ { addresses: [10.0.0.0/8] }, { header: { name: x-plan, exact: free }, not: true } ], quota: { requests: 1, per: 86400s } },
              { when: [ { header: { name: x-plan, regex: 'free|try' } } ], quota: { requests: 1, per: 86400s } },
              { when: [ { query: { name: page, present: true } } ], quota: { requests: 1, per: 86400s } },
              { when: [ { claim: { name: org.plan, exact: free } } ], quota: { requests: 1, per: 86400s } },
              { when: [ { addresses: [192.0.2.0/24], not: true }, { addresses: [198.51.100.7] } ] } ]"#
        ),
        calls: &[
            ("ann from 10.1.1.1 GET /echo", "200"),
            ("ann from 10.2.2.2 GET /echo", FULL),
            ("ann from 10.2.2.2 GET /echo x-plan: free", "200"),
            ("ann from 192.0.2.1 GET /echo x-plan: try", FULL),
            ("ann from 192.0.2.1 GET /echo?page=1", "200"),
            ("ben from 192.0.2.1 GET /echo?page=2", FULL),
            ("free from 192.0.2.1 GET /echo", "200"),
            ("free from 192.0.2.1 GET /echo", FULL),
            ("ann from 198.51.100.7 GET /echo", "200"),
            ("ann from 198.51.100.7 GET /echo", "200"),
            ("ann from 198.51.100.7 GET /echo", "200"),
            ("ann from 192.0.2.1 GET /echo", "200"),
            ("ann from 192.0.2.1 GET /echo", "200"),
            ("ann from 192.0.2.1 GET /echo", FULL),
        ],
        ..PLAIN
    },
    Row {
        name: "a subscription has a quota and a pace",
        subscription: "tier: Both",
        spec: &["tiers: [Both]"],
        left: tier!(
            "Both",
            "subscription",
            "quota: { requests: 2, per: 86400s }, burst: { requests: 1, per: 3600s }"
        ),
        calls: &[("ann GET /echo", "200"), ("ben GET /echo", "429 900807")],
        ..PLAIN
    },
    Row {
        name: "a subscription's quota is shared by its users",
        subscription: "tier: One",
        calls: &[("ann GET /echo", "200"), ("ben GET /echo", "429 900804")],
        ..PLAIN
    },
    Row {
        name: "an application's quota is shared by its users",
        application: "tier: All,",
        left: tier!("All", "application", "quota: { requests: 1, per: 86400s }"),
        calls: &[("ann GET /echo", "200"), ("ben GET /echo", "429 900803")],
        ..PLAIN
    },
    Row {
        name: "an application's users have a quota each, and it is one user itself",
        application: "tier: Each,",
        left: tier!("Each", "application", "perUser: true, quota: { requests: 1, per: 86400s }"),
        calls: &[
            ("ann GET /echo", "200"),
            ("ben GET /echo", "200"),
            ("ann GET /echo", "429 900803"),
            ("app GET /echo", "200"),
            ("test GET /echo", "429 900803"),
        ],
        ..PLAIN
    },
    Row {
        name: "an application has a pace",
        application: "tier: Pace,",
        left: tier!("Pace", "application", "burst: { requests: 1, per: 3600s }"),
        calls: &[("ann GET /echo", "200"), ("ben GET /echo", "429 900809")],
        ..PLAIN
    },
    Row {
        name: "an expression counts those together of whom it says the same",
        left: r#"---
{ apiVersion: turnpike/v1, kind: CustomThrottle, metadata: { name: tenant }, spec: { counting: { COUNTING }, apis: ["orders:*"], key: 'request.headers["x-tenant"]', when: 'caller.kind == "person"', quota: { requests: 1, per: 86400s } } }
"#,
        calls: &[
            ("ann GET /echo x-tenant: acme", "200"),
            ("ben GET /echo x-tenant: acme", "429 900806"),
            ("ann GET /echo x-tenant: bolt", "200"),
            ("app GET /echo x-tenant: acme", "200"),
            ("ann GET /echo", "200"),
            ("ann GET /echo", "200"),
        ],
        ..PLAIN
    },
    Row {
        name: "an expression for another API counts nothing",
        left: r#"---
{ apiVersion: turnpike/v1, kind: CustomThrottle, metadata: { name: other }, spec: { counting: { COUNTING }, apis: ["pay:*"], key: '"all"', quota: { requests: 1, per: 86400s } } }
"#,
        calls: &[("ann GET /echo", "200"), ("ann GET /echo", "200")],
        ..PLAIN
    },
    Row {
        name: "backends take what their API says, each kind for itself",
        spec: &[
            "throttle: { maxTps: { production: 1, sandbox: 2, per: 3600s, counting: { COUNTING } } }",
        ],
        calls: &[
            ("ann GET /echo", "200"),
            ("app GET /echo", "503 900801"),
            ("test GET /echo", "200"),
            ("test GET /echo", "200"),
            ("test GET /echo", "503 900801"),
        ],
        ..PLAIN
    },
    Row {
        name: "who shows nothing is counted by the address, of IPv6 by its network",
        spec: &[
            "throttle: { unauthenticatedTier: One }",
            "operations: [ { method: GET, path: /echo, auth: none }, { method: POST, path: /echo } ]",
        ],
        calls: &[
            ("nobody from 192.0.2.1 GET /echo", "200"),
            ("nobody from 192.0.2.1 GET /echo", "429 900804"),
            ("nobody from 192.0.2.2 GET /echo", "200"),
            ("nobody from 2001:db8:1:2::1 GET /echo", "200"),
            ("nobody from 2001:db8:1:2::2 GET /echo", "429 900804"),
            ("nobody from 2001:db8:1:3::2 GET /echo", "200"),
            ("ann from 192.0.2.1 POST /echo", "200"),
        ],
        ..PLAIN
    },
    Row {
        name: "who needs no subscription is counted without one",
        spec: &["subscriptionless: true", "throttle: { subscriptionlessTier: One }"],
        calls: &[
            ("ann GET /echo", "200"),
            ("ann GET /echo", "200"),
            ("stranger GET /echo", "200"),
            ("stranger GET /echo", "429 900804"),
        ],
        ..PLAIN
    },
    Row {
        name: "what does not stop marks on every level, and shadow refuses nobody",
        spec: &["throttle: { tier: Marks }"],
        application: "tier: Tries,",
        left: concat!(
            tier!(
                "Marks",
                "advanced",
                "stopOnQuotaReached: false, quota: { requests: 1, per: 86400s }"
            ),
            tier!("Tries", "application", "shadow: true, quota: { requests: 1, per: 86400s }"),
            r#"---
{ apiVersion: turnpike/v1, kind: CustomThrottle, metadata: { name: c }, spec: { counting: { COUNTING }, key: '"all"', stopOnQuotaReached: false, quota: { requests: 1, per: 86400s } } }
"#
        ),
        calls: &[("ann GET /echo", "200"), ("ann GET /echo", "200"), ("ann GET /echo", "200")],
        ..PLAIN
    },
    Row {
        name: "the API comes before the subscription, that before the application, and the rest after it",
        spec: &[
            "throttle: { tier: Two, maxTps: { production: 1, per: 3600s, counting: { COUNTING } } }",
        ],
        subscription: "tier: One",
        application: "tier: All,",
        left: concat!(
            tier!("Two", "advanced", "quota: { requests: 1, per: 86400s }"),
            tier!("All", "application", "quota: { requests: 1, per: 86400s }")
        ),
        calls: &[("ann GET /echo", "200"), ("ann GET /echo", FULL)],
    },
    Row {
        name: "a refused call takes nothing from the limits that come before",
        spec: &[
            "throttle: { tier: Two }",
            "operations: [ { method: GET, path: /echo }, { method: POST, path: /echo, auth: none } ]",
        ],
        subscription: "tier: One",
        left: tier!("Two", "advanced", "quota: { requests: 2, per: 86400s }"),
        calls: &[
            ("ann GET /echo", "200"),
            ("ann GET /echo", "429 900804"),
            ("ann GET /echo", "429 900804"),
            ("nobody POST /echo", "200"),
            ("nobody POST /echo", FULL),
        ],
        ..PLAIN
    },
];

impl Row {
    /// The resources of the row, whose tiers count as `counting` says (`strategy: lease, authority: store`,
    /// for example).
    pub(crate) fn resources(&self, counting: &str) -> String {
        let offers = self.spec.iter().any(|line| line.starts_with("tiers"));
        let usual = (!offers).then_some("tiers: [Unlimited, One]");
        let spec: Vec<_> = self.spec.iter().copied().chain(usual).collect();
        RESOURCES
            .replace("SPEC", &spec.join("\n  "))
            .replace("APPLICATION", self.application)
            .replace("SUBSCRIPTION", self.subscription)
            .replace("LEFT", self.left)
            .replace("COUNTING", counting)
    }

    /// Makes its calls, and compares what becomes of each. False: one of them was not counted in time, as
    /// happens on a busy machine, and it may count later, so that the row says nothing.
    pub(crate) async fn check(&self, stand: &Stand) -> bool {
        for (place, (call, expected)) in self.calls.iter().enumerate() {
            let answer = made(stand, call).await;
            let said = if answer.status == 200 { "200".to_owned() } else { answer.fault() };
            if said == "503 900810" {
                return false;
            }
            assert_eq!(said, *expected, "{}: call {place}, {call}: {answer:?}", self.name);
            let refused = answer.status != 200;
            assert_eq!(answer.field("retry-after").is_some(), refused, "{}: {answer:?}", self.name);
        }
        true
    }
}

async fn made(stand: &Stand, call: &str) -> Answer {
    let (who, rest) = call.split_once(' ').unwrap();
    let (from, rest) = match rest.strip_prefix("from ") {
        Some(rest) => rest.split_once(' ').unwrap(),
        None => ("192.0.2.200", rest),
    };
    let mut words = rest.splitn(3, ' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let field = words.next().map(|field| format!("{field}\r\n")).unwrap_or_default();
    let token = match who {
        "nobody" => None,
        "app" => Some(stand.token("live", &json!({}))),
        "test" => Some(stand.token("test", &json!({}))),
        "stranger" => Some(stand.token("stranger", &json!({}))),
        "free" => Some(stand.token("live", &json!({ "sub": who, "org": { "plan": "free" } }))),
        person => Some(stand.token("live", &json!({ "sub": person }))),
    };
    let bearer =
        token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let fields = format!("{bearer}{field}x-forwarded-for: {from}\r\n");
    stand.call(&format!("{method} /orders/1.0{path}"), &fields, "").await
}

/// A gateway with the resources of `row`, where `counting` says how its tiers count.
async fn stand(row: &Row, counting: &str) -> Stand {
    Stand::with(&row.resources(counting), trusting).await
}

/// Callers may say whom they speak for.
pub(crate) fn trusting(settings: &mut Settings) {
    settings.receiver.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
}

#[tokio::test]
async fn every_limit_refuses_in_its_turn() {
    for row in ROWS {
        assert!(row.check(&stand(row, "strategy: in_process").await).await, "{}", row.name);
    }
}

#[tokio::test]
async fn the_fields_name_every_limit() {
    let row = Row {
        name: "fields",
        spec: &["throttle: { tier: Two, maxTps: { production: 9, per: 60s } }"],
        subscription: "tier: One",
        application: "tier: Each,",
        left: concat!(
            tier!("Two", "advanced", "quota: { requests: 2, per: 86400s }"),
            tier!("Each", "application", "perUser: true, quota: { requests: 5, per: 86400s }"),
            r#"---
{ apiVersion: turnpike/v1, kind: CustomThrottle, metadata: { name: a }, spec: { key: '"all"', quota: { requests: 7, per: 86400s } } }
---
{ apiVersion: turnpike/v1, kind: CustomThrottle, metadata: { name: b }, spec: { key: '"all"', quota: { requests: 8, per: 86400s } } }
"#
        ),
        ..PLAIN
    };
    let stand = stand(&row, "strategy: in_process").await;
    let answer = made(&stand, "ann GET /echo").await;
    let policy = r#""api";q=2;w=86400, "subscription";q=1;w=86400, "application";q=5;w=86400, "custom";q=7;w=86400, "custom-2";q=8;w=86400, "backend";q=9;w=60"#;
    assert_eq!(answer.field("ratelimit-policy"), Some(policy));
    let left = answer.field("ratelimit").unwrap();
    for name in
        [r#""api";r=1"#, r#""subscription";r=0"#, r#""application";r=4"#, r#""custom-2";r=7"#]
    {
        assert!(left.contains(name), "{left}");
    }
}

#[tokio::test]
async fn changed_limits_go_on_counting() {
    let row = |left| Row { name: "", spec: &["throttle: { tier: Each }"], left, ..PLAIN };
    let first =
        row(tier!("Each", "advanced", "perUser: true, quota: { requests: 1, per: 86400s }"));
    let stand = stand(&first, "strategy: in_process").await;
    assert_eq!(made(&stand, "ann GET /echo").await.status, 200);
    assert_eq!(made(&stand, "ann GET /echo").await.fault(), FULL);
    let more = row(tier!("Each", "advanced", "perUser: true, quota: { requests: 2, per: 86400s }"));
    stand.publish(&more.resources("strategy: in_process"));
    assert_eq!(made(&stand, "ann GET /echo").await.status, 200);
    assert_eq!(made(&stand, "ann GET /echo").await.fault(), FULL);
}
