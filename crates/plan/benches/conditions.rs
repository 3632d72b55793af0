//! What do the conditions of an operation cost a call?
//!
//! `cargo bench -p plan --bench conditions`, or as a test, which only shows that it runs. Figures are
//! nanoseconds per rule or expression, for a token with a dozen claims.
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Instant;

use plan::{Fact, Facts, Plan, Wanted, encode, key, read_document};
use serde_json::{Value, json};

const CALLS: u32 = 1_000_000;

/// A call of which little is known.
struct Call(Value);

impl Facts for Call {
    fn look_up(&self, wanted: &Wanted) -> Option<Fact<'_>> {
        match wanted {
            Wanted::Claim(path) => {
                let inside = path.iter().try_fold(&self.0, |value, name| value.get(&**name));
                inside.map(Fact::Json)
            }
            Wanted::Header(_) => Some(Fact::Text(Cow::Borrowed("acme"))),
            Wanted::Path => Some(Fact::Text(Cow::Borrowed("/orders/1.0/orders/7"))),
            Wanted::ClientAddress => Some(Fact::Text(Cow::Borrowed("192.0.2.7"))),
            _ => None,
        }
    }

    fn has(&self, wanted: &Wanted) -> Option<bool> {
        Some(self.look_up(wanted).is_some())
    }
}

fn main() {
    // As a test it only shows that it runs.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let calls = if is_bench { CALLS } else { 100 };
    let mut claims = serde_json::Map::new();
    claims.extend((0..10).map(|n| (format!("claim{n}"), json!("something that somebody says"))));
    claims.insert("tenant".to_owned(), json!("acme"));
    claims.insert("level".to_owned(), json!(3));
    claims.insert("groups".to_owned(), json!(["a", "b", "c", "sales"]));
    let call = Call(Value::Object(claims));
    for rule in ["name: tenant, equals: acme", "name: groups, anyOf: [sales, support]"] {
        let plan = plan(&format!("claims: [{{{rule}}}]"));
        let Some(rule_plan) = access(&plan).and_then(|access| access.claims.first()) else {
            return;
        };
        let ns = per_call(calls, || rule_plan.holds(call.0.get(&*rule_plan.name)));
        eprintln!("{ns:>6} ns  {rule}");
    }
    for when in [
        "true",
        "claims.level >= 3",
        "claims.tenant == request.headers[\"x-tenant\"]",
        "\"sales\" in claims.groups",
        "request.path.matches(\"^/orders/[0-9.]+/orders/[0-9]+$\")",
        "inNetwork(client.address, \"192.0.2.0/24\")",
        "claims.groups.exists(one, one.startsWith(\"sal\"))",
    ] {
        let plan = plan(&format!("conditions: [{{when: '{when}'}}]"));
        let Some(condition) = access(&plan).and_then(|access| access.conditions.first()) else {
            return;
        };
        let ns = per_call(calls, || condition.when.holds(&call) == Ok(true));
        eprintln!("{ns:>6} ns  {when}");
    }
}

fn per_call(calls: u32, holds: impl Fn() -> bool) -> u128 {
    let started = Instant::now();
    for _ in 0..calls {
        assert!(black_box(holds()));
    }
    started.elapsed().as_nanos() / u128::from(calls)
}

fn access(plan: &Plan) -> Option<&plan::AccessPlan> {
    plan.api("a:1")?.operations().first()?.access.as_deref()
}

fn plan(access: &str) -> Plan {
    let text = format!(
        "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: a, version: '1'}}, spec: {{context: \
         /a, lifecycle: PUBLISHED, access: {{{access}}}, endpoints: {{production: {{urls: \
         ['http://127.0.0.1:1']}}}}}}}}"
    );
    let (resources, problems) = read_document(&text, "a.yaml");
    assert!(problems.is_empty(), "{problems:#?}");
    let all = resources.iter().filter_map(|one| Some((key(one)?, encode(one)))).collect::<Vec<_>>();
    let (plan, rejected) = Plan::empty().replaced(&all);
    assert!(rejected.is_empty(), "{rejected:#?}");
    plan
}
