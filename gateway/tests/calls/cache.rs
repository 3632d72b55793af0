//! Which calls are answered with what the backend said before?

use cache::Under;
use plan::Plan;
use serde_json::{Value, json};

use crate::origin::Origin;
use crate::stand::{Answer, Stand, request};

const OPEN: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: kept, version: "1.0" }
spec:
  context: /kept
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://ORIGIN/base"] } }
  cache: { RULES }
  operations:
    - { method: "*", path: "/*" }
    - { method: GET, path: "/never", cache: { off: true } }
"#;

async fn stand(rules: &str, answers: &[&str]) -> (Stand, Origin) {
    let origin = Origin::start(answers);
    let resources = OPEN.replace("ORIGIN", &origin.address.to_string()).replace("RULES", rules);
    (Stand::start(&resources).await, origin)
}

/// What a call says: status, body and what the cache says about it.
async fn call(stand: &Stand, line: &str, fields: &str) -> String {
    let mut client = stand.client().await;
    client.say(&request(line, fields, "")).await;
    // No body follows an answer to HEAD or a 304, whatever length it tells.
    let answer =
        if line.starts_with("HEAD") { head(&mut client).await } else { client.hear().await };
    shown(&answer)
}

async fn head(client: &mut crate::stand::Client) -> Answer {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        tokio::io::AsyncReadExt::read_buf(&mut client.0, &mut heard).await.unwrap();
    }
    let head = String::from_utf8(heard).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: String::new() }
}

fn shown(answer: &Answer) -> String {
    let said = answer.field("cache-status").unwrap_or("-").replace("turnpike; ", "");
    // How long it is fresh depends on how long the test takes.
    let said = match said.strip_prefix("hit; ttl=") {
        Some(ttl) if ttl.starts_with('-') => "stale".to_owned(),
        Some(_) => "hit".to_owned(),
        None => said,
    };
    let body = if answer.body.contains("\"code\"") { answer.fault() } else { answer.body.clone() };
    format!("{} {body} [{said}]", answer.status)
}

/// Makes calls ("METHOD path", then lines of fields) one after the other and compares what they say.
#[track_caller]
fn check<'a>(
    stand: &'a Stand,
    calls: &'a [(&'a str, &'a str)],
) -> impl Future<Output = ()> + use<'a> {
    let caller = std::panic::Location::caller();
    async move {
        for (line, expected) in calls {
            let (line, fields) = line.split_once('\n').unwrap_or((line, ""));
            let mut fields = fields.replace('\n', "\r\n");
            if !fields.is_empty() {
                fields.push_str("\r\n");
            }
            let said = call(stand, line, &fields).await;
            assert_eq!(said, *expected, "{line} {fields} ({caller})");
        }
    }
}

#[tokio::test]
async fn what_was_said_before_is_said_again_without_asking() {
    let (stand, origin) = stand("", &["200 OK\ncache-control: max-age=60\nx: y\n\nanswer #"]).await;
    check(
        &stand,
        &[
            ("GET /kept/1.0/a", "200 answer 1 [fwd=uri-miss; stored]"),
            ("GET /kept/1.0/a", "200 answer 1 [hit]"),
            ("GET /kept/1.0/a?q", "200 answer 2 [fwd=uri-miss; stored]"),
            ("HEAD /kept/1.0/a", "200  [hit]"),
            ("GET /kept/1.0/a\nrange: bytes=0-2", "206 ans [hit]"),
            ("GET /kept/1.0/never", "200 answer 3 [-]"),
            ("GET /kept/1.0/never", "200 answer 4 [-]"),
        ],
    )
    .await;
    let answer = stand.call("GET /kept/1.0/a", "", "").await;
    assert!(matches!(answer.field("age"), Some("0" | "1")), "{}", answer.head);
    assert_eq!((answer.field("x"), answer.field("content-length")), (Some("y"), Some("8")));
    assert_eq!(origin.requests(), 4);
    assert_eq!(stand.number("gateway_cache_calls_total{result=\"hit\"}"), 4);
    assert_eq!(stand.number("gateway_cache_calls_total{result=\"miss\"}"), 2);
}

#[tokio::test]
async fn the_configured_time_is_for_answers_that_say_nothing() {
    let (silent, _origin) = stand("ttl: 300s", &["200 OK\n\nanswer #"]).await;
    check(
        &silent,
        &[
            ("GET /kept/1.0/a", "200 answer 1 [fwd=uri-miss; stored]"),
            ("GET /kept/1.0/a", "200 answer 1 [hit]"),
        ],
    )
    .await;
    for (objection, why) in [
        ("cache-control: no-store", "no-store"),
        ("cache-control: private", "private"),
        ("vary: *", "vary"),
        ("set-cookie: a=1", "set-cookie"),
        ("cache-control: max-age=0", "no-freshness"),
    ] {
        let (stand, _origin) = stand("ttl: 300s", &[&format!("200 OK\n{objection}\n\n#")]).await;
        for number in 1..=2 {
            let expected = format!("200 {number} [fwd=uri-miss; detail={why}]");
            check(&stand, &[("GET /kept/1.0/a", &expected)]).await;
        }
    }
}

#[tokio::test]
async fn what_is_stale_is_asked_about_and_what_holds_is_not_sent_again() {
    let (stand, origin) = stand(
        "",
        &[
            "200 OK\ncache-control: max-age=60\nage: 90\netag: \"a\"\nx: old\n\nbody #",
            "304 Not Modified\netag: \"a\"\ncache-control: max-age=60\nx: new",
        ],
    )
    .await;
    check(&stand, &[("GET /kept/1.0/a", "200 body 1 [fwd=uri-miss; stored]")]).await;
    let answer = stand.call("GET /kept/1.0/a", "if-none-match: \"b\"\r\n", "").await;
    assert_eq!(shown(&answer), "200 body 1 [fwd=stale; fwd-status=304; stored]");
    assert_eq!(answer.field("x"), Some("new"));
    assert!(origin.last().contains("\r\nif-none-match: \"a\"\r\n"), "{}", origin.last());
    check(
        &stand,
        &[
            ("GET /kept/1.0/a", "200 body 1 [hit]"),
            ("GET /kept/1.0/a\nif-none-match: \"a\"", "304  [hit]"),
            (
                "GET /kept/1.0/a\ncache-control: no-cache",
                "200 body 1 [fwd=request; fwd-status=304; stored]",
            ),
            ("GET /kept/1.0/b\ncache-control: only-if-cached", "504 504 504 [-]"),
        ],
    )
    .await;
    assert_eq!(origin.requests(), 3);
}

#[tokio::test]
async fn answers_that_vary_stand_side_by_side() {
    let (stand, _origin) =
        stand("", &["200 OK\ncache-control: max-age=60\nvary: accept-language\n\n#"]).await;
    check(
        &stand,
        &[
            ("GET /kept/1.0/a\naccept-language: en, de", "200 1 [fwd=uri-miss; stored]"),
            ("GET /kept/1.0/a\naccept-language: fr", "200 2 [fwd=vary-miss; stored]"),
            ("GET /kept/1.0/a\naccept-language: DE,en", "200 1 [hit]"),
            ("GET /kept/1.0/a\naccept-language: fr", "200 2 [hit]"),
            ("GET /kept/1.0/a", "200 3 [fwd=vary-miss; stored]"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_change_makes_invalid_what_it_names() {
    let fresh = "200 OK\ncache-control: max-age=60\nlocation: /base/b\ncontent-location: d\n\n#";
    let (stand, _origin) = stand("", &[fresh]).await;
    let hit = "[hit]";
    let miss = "[fwd=uri-miss; stored]";
    check(
        &stand,
        &[
            ("GET /kept/1.0/a", &format!("200 1 {miss}")),
            ("GET /kept/1.0/b?x=1", &format!("200 2 {miss}")),
            ("GET /kept/1.0/c", &format!("200 3 {miss}")),
            ("GET /kept/1.0/d", &format!("200 4 {miss}")),
            ("POST /kept/1.0/a", "200 5 [fwd=method]"),
            ("GET /kept/1.0/a", &format!("200 6 {miss}")),
            ("GET /kept/1.0/b?x=1", &format!("200 7 {miss}")),
            ("GET /kept/1.0/c", &format!("200 3 {hit}")),
            ("GET /kept/1.0/d", &format!("200 8 {miss}")),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_change_that_failed_makes_nothing_invalid() {
    let fresh = "200 OK\ncache-control: max-age=60\n\n#";
    let (stand, _origin) = stand("", &[fresh, "500 Oh\n\n#"]).await;
    check(
        &stand,
        &[
            ("GET /kept/1.0/a", "200 1 [fwd=uri-miss; stored]"),
            ("DELETE /kept/1.0/a", "500 2 [fwd=method]"),
            ("GET /kept/1.0/a", "200 1 [hit]"),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_breaks_off_or_is_too_long_is_not_kept() {
    let broken = "200 OK\ncache-control: max-age=60\nx-break: yes\n\nhalf";
    let whole = "200 OK\ncache-control: max-age=60\n\nlonger than sixteen bytes";
    let (stand, origin) = stand("maxBodyBytes: 16", &[broken, whole]).await;
    let mut client = stand.client().await;
    client.say(&request("GET /kept/1.0/a", "", "")).await;
    assert!(client.hear_any().await.is_none());
    let too_long = "200 longer than sixteen bytes [fwd=uri-miss; detail=too-long]";
    check(&stand, &[("GET /kept/1.0/a", too_long), ("GET /kept/1.0/a", too_long)]).await;
    assert_eq!((origin.requests(), stand.store.len()), (3, 0));
}

#[tokio::test]
async fn calls_for_the_same_thing_wait_for_the_first() {
    let (stand, origin) = stand("", &["200 OK\ncache-control: max-age=60\n\nanswer #"]).await;
    origin.hold();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = stand.client().await;
        client.say(&request("GET /kept/1.0/a", "", "")).await;
        clients.push(client);
    }
    // All three are inside before the backend answers the first.
    stand.until("gateway_connections", 3).await;
    while origin.requests() == 0 {
        tokio::task::yield_now().await;
    }
    origin.go_on();
    let mut said = Vec::new();
    for client in &mut clients {
        said.push(client.hear().await.body);
    }
    assert_eq!((said.join(" "), origin.requests()), ("answer 1 answer 1 answer 1".to_owned(), 1));
}

#[tokio::test]
async fn what_cannot_be_shared_is_fetched_by_everybody() {
    let (stand, origin) = stand("", &["200 OK\ncache-control: no-store\n\nanswer #"]).await;
    origin.hold();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = stand.client().await;
        client.say(&request("GET /kept/1.0/a", "", "")).await;
        clients.push(client);
    }
    while origin.requests() == 0 {
        tokio::task::yield_now().await;
    }
    origin.go_on();
    let mut said = Vec::new();
    for client in &mut clients {
        said.push(client.hear().await.body);
    }
    said.sort();
    assert_eq!((said.join(" "), origin.requests()), ("answer 1 answer 2 answer 3".to_owned(), 3));
}

#[tokio::test]
async fn a_stale_answer_is_given_at_once_and_renewed_behind_it() {
    let (stand, origin) = stand(
        "",
        &[
            "200 OK\ncache-control: max-age=60, stale-while-revalidate=600\nage: 90\n\nold #",
            "200 OK\ncache-control: max-age=60\n\nnew #",
        ],
    )
    .await;
    check(&stand, &[("GET /kept/1.0/a", "200 old 1 [fwd=uri-miss; stored]")]).await;
    origin.hold();
    check(&stand, &[("GET /kept/1.0/a\ncache-control: max-stale", "200 old 1 [stale]")]).await;
    let before = origin.requests();
    check(&stand, &[("GET /kept/1.0/a", "200 old 1 [stale]")]).await;
    check(&stand, &[("GET /kept/1.0/a", "200 old 1 [stale]")]).await;
    origin.go_on();
    stand.until("gateway_cache_calls_total{result=\"miss\"}", 2).await;
    let renewed = async { while call(&stand, "GET /kept/1.0/a", "").await != "200 new 2 [hit]" {} };
    tokio::time::timeout(crate::stand::LIMIT, renewed).await.expect("the new answer in time");
    assert_eq!((before, origin.requests()), (1, 2), "only one call renews");
    // The renewal is no call of a client.
    let hits = stand.number("gateway_cache_calls_total{result=\"hit\"}");
    assert!(hits >= 1);
    stand.until("gateway_calls_total{class=\"2xx\"}", hits + 4).await;
}

#[tokio::test]
async fn a_stale_answer_helps_out_when_the_backend_fails() {
    let stale = "200 OK\ncache-control: max-age=60\nage: 90\netag: \"a\"\n\nold #";
    let broken = "200 OK\nx-break: yes\n\n";
    for (failure, rules, expected) in [
        ("503 Oh\n\n#", "staleIfError: 60s", "200 old 1 [stale]"),
        ("503 Oh\n\n#", "", "503 2 [fwd=stale; detail=no-freshness]"),
        (
            "404 No\ncache-control: no-store\n\n#",
            "staleIfError: 60s",
            "404 2 [fwd=stale; detail=no-store]",
        ),
    ] {
        let (stand, _origin) = stand(rules, &[stale, failure]).await;
        let first = "200 old 1 [fwd=uri-miss; stored]";
        check(&stand, &[("GET /kept/1.0/a", first), ("GET /kept/1.0/a", expected)]).await;
    }
    let strict = stale.replace("max-age=60", "max-age=60, must-revalidate");
    let (stand, _origin) = stand("staleIfError: 60s", &[&strict, "503 Oh\n\n#", broken]).await;
    let refused = "503 2 [fwd=stale; detail=no-freshness]";
    let first = "200 old 1 [fwd=uri-miss; stored]";
    check(&stand, &[("GET /kept/1.0/a", first), ("GET /kept/1.0/a", refused)]).await;
}

#[tokio::test]
async fn a_credential_for_the_backend_keeps_its_answer_from_others() {
    let (stand, _origin) = stand(
        "",
        &[
            "200 OK\ncache-control: max-age=60\n\n#",
            "200 OK\ncache-control: max-age=60, public\n\n#",
        ],
    )
    .await;
    check(
        &stand,
        &[
            ("GET /kept/1.0/a\nauthorization: x", "200 1 [fwd=uri-miss; detail=authorization]"),
            ("GET /kept/1.0/a\nauthorization: x", "200 2 [fwd=uri-miss; stored]"),
            ("GET /kept/1.0/a", "200 2 [hit]"),
        ],
    )
    .await;
}

const SUBSCRIBED: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: kept, version: "1.0" }
spec:
  context: /kept
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://ORIGIN"] } }
  cache: { ttl: 300s, share: SHARE }
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: Three }, spec: { quota: { requests: 3, per: 3600s } } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: shop }, spec: { keys: [ { consumerKey: shop } ] } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: bank, }, spec: { tier: Three, keys: [ { consumerKey: bank } ] } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: stranger }, spec: { keys: [ { consumerKey: stranger } ] } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "kept:1.0" } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: b }, spec: { application: bank, api: "kept:1.0" } }
"#;

async fn subscribed(share: &str) -> (Stand, Origin) {
    let origin = Origin::start(&["200 OK\n\nanswer #"]);
    let resources =
        SUBSCRIBED.replace("ORIGIN", &origin.address.to_string()).replace("SHARE", share);
    let resources =
        resources.replace("name: Three }, spec: {", "name: Three }, spec: { level: application,");
    (Stand::start(&resources).await, origin)
}

/// What a client of this key says, as this user.
async fn as_client(stand: &Stand, client: &str, user: &str) -> String {
    let token = stand.token(client, &json!({ "sub": user }));
    call(stand, "GET /kept/1.0/a", &format!("authorization: Bearer {token}\r\n")).await
}

#[tokio::test]
async fn who_may_not_call_is_not_answered_from_the_cache_either() {
    let (stand, origin) = subscribed("everyone").await;
    let first = as_client(&stand, "shop", "ann").await;
    assert_eq!(first, "200 answer 1 [fwd=uri-miss; stored]");
    assert_eq!(as_client(&stand, "stranger", "ann").await, "403 403 900908 [-]");
    assert_eq!(call(&stand, "GET /kept/1.0/a", "").await, "401 401 900902 [-]");
    // What is kept counts against the limits.
    for _ in 0..3 {
        assert_eq!(as_client(&stand, "bank", "ben").await, "200 answer 1 [hit]");
    }
    assert_eq!(as_client(&stand, "bank", "ben").await, "429 429 900803 [-]");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn callers_see_the_answers_of_those_they_share_with() {
    for (share, expected) in [
        ("application", "answer 1, answer 1, answer 2"),
        ("user", "answer 1, answer 2, answer 3"),
        ("everyone", "answer 1, answer 1, answer 1"),
    ] {
        let (stand, _origin) = subscribed(share).await;
        let mut said = Vec::new();
        for (client, user) in [("shop", "ann"), ("shop", "ben"), ("bank", "ann")] {
            let answer = as_client(&stand, client, user).await;
            said.push(answer.strip_prefix("200 ").unwrap().split(" [").next().unwrap().to_owned());
        }
        assert_eq!(said.join(", "), expected, "{share}");
    }
}

#[tokio::test]
async fn an_operator_throws_out_what_they_name() {
    let tagged = "200 OK\ncache-control: max-age=60\ncache-tag: red, green\n\n#";
    let purge = |stand: &Stand, body: Value| {
        let current = stand.current.load();
        let plan: &Plan = &current.plan;
        let reply = gateway::caching::purge(&stand.store, plan, body.to_string().as_bytes());
        let said: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        format!("{} {}", reply.status.as_u16(), said["freedTargets"])
    };
    for (what, expected) in [
        (json!({ "all": true }), "200 1"),
        (json!({ "api": "kept:1.0" }), "200 1"),
        (json!({ "path": "/kept/1.0/a" }), "200 1"),
        (json!({ "tag": "red" }), "200 1"),
        (json!({ "tag": "green", "api": "kept:1.0" }), "200 1"),
        (json!({ "tag": "blue" }), "200 0"),
        (json!({ "path": "/kept/1.0/b" }), "200 0"),
        (json!({ "api": "other:1.0" }), "404 null"),
        (json!({ "path": "/nowhere" }), "404 null"),
        (json!({}), "400 null"),
        (json!({ "everything": true }), "400 null"),
    ] {
        let (stand, _origin) = stand("", &[tagged]).await;
        check(&stand, &[("GET /kept/1.0/a", "200 1 [fwd=uri-miss; stored]")]).await;
        assert_eq!(purge(&stand, what.clone()), expected, "{what}");
        let after =
            if expected == "200 1" { "200 2 [fwd=uri-miss; stored]" } else { "200 1 [hit]" };
        check(&stand, &[("GET /kept/1.0/a", after)]).await;
    }
}

#[tokio::test]
async fn what_is_made_invalid_while_it_is_fetched_is_not_kept() {
    let (stand, origin) = stand("", &["200 OK\ncache-control: max-age=60\n\n#"]).await;
    origin.hold();
    let mut client = stand.client().await;
    client.say(&request("GET /kept/1.0/a", "", "")).await;
    while origin.requests() == 0 {
        tokio::task::yield_now().await;
    }
    stand.store.invalidate(Under::Api("kept:1.0"));
    origin.go_on();
    assert_eq!(client.hear().await.body, "1");
    check(&stand, &[("GET /kept/1.0/a", "200 2 [fwd=uri-miss; stored]")]).await;
}

#[tokio::test]
async fn a_backend_that_knows_its_surrogate_may_tell_it_alone_what_to_keep() {
    let told = "200 OK\ncache-control: no-store\nsurrogate-control: max-age=60;turnpike\n\n#";
    let (stand, origin) = stand("", &[told]).await;
    check(&stand, &[("GET /kept/1.0/a", "200 1 [fwd=uri-miss; stored]")]).await;
    let capability = "\r\nsurrogate-capability: turnpike=\"surrogate/1.0\"\r\n";
    assert!(origin.last().contains(capability), "{}", origin.last());
    check(&stand, &[("GET /kept/1.0/a", "200 1 [hit]"), ("GET /kept/1.0/never", "200 2 [-]")])
        .await;
    assert!(!origin.last().contains("surrogate-capability"), "{}", origin.last());
}

const DIVIDED: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: kept, version: "1.0" }
spec:
  context: /kept
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://ORIGIN/base"] } }
  variants:
    splitBy: SPLIT
    choices:
      - name: canary
        match: { headers: [ { name: x-canary, exact: "yes" } ] }
        production: { urls: ["http://CANARY/base"] }
      - { name: half, weight: 50, production: { urls: ["http://HALF/base"] } }
  cache: {}
"#;

/// Backends that answer with their names, and how often each was asked.
async fn divided(split: &str, answer: &str) -> (Stand, [Origin; 3]) {
    let origins =
        ["base", "canary", "half"].map(|name| Origin::start(&[&format!("{answer}{name}")]));
    let mut resources = DIVIDED.replace("SPLIT", split);
    for (word, origin) in ["ORIGIN", "CANARY", "HALF"].iter().zip(&origins) {
        resources = resources.replace(word, &origin.address.to_string());
    }
    (Stand::start(&resources).await, origins)
}

#[tokio::test]
async fn each_variant_has_answers_of_its_own() {
    let fresh = "200 OK\ncache-control: max-age=60\n\n";
    let (stand, origins) = divided("call", fresh).await;
    check(
        &stand,
        &[
            ("GET /kept/1.0/a\nx-canary: yes", "200 canary [fwd=uri-miss; stored]"),
            ("GET /kept/1.0/a\nx-canary: yes", "200 canary [hit]"),
        ],
    )
    .await;
    let mut said = std::collections::BTreeSet::new();
    for _ in 0..40 {
        said.insert(call(&stand, "GET /kept/1.0/a", "").await);
    }
    let expected = ["base [fwd=uri-miss; stored]", "base [hit]"].map(|said| format!("200 {said}"));
    let others = expected.clone().map(|said| said.replace("base", "half"));
    assert_eq!(said, expected.into_iter().chain(others).collect());
    assert_eq!(origins.each_ref().map(Origin::requests), [1, 1, 1]);
    // A change by way of one variant makes the answers of all of them invalid.
    check(
        &stand,
        &[
            ("POST /kept/1.0/a\nx-canary: yes", "200 canary [fwd=method]"),
            ("GET /kept/1.0/a\nx-canary: yes", "200 canary [fwd=uri-miss; stored]"),
        ],
    )
    .await;
    for _ in 0..40 {
        call(&stand, "GET /kept/1.0/a", "").await;
    }
    assert_eq!(origins.each_ref().map(Origin::requests), [2, 3, 2]);
}

#[tokio::test]
async fn what_is_stale_is_renewed_by_its_own_variant() {
    let stale = "200 OK\ncache-control: max-age=60, stale-while-revalidate=600\nage: 90\n\n# ";
    let (stand, origins) = divided("call", stale).await;
    let canary = "x-canary: yes\r\n";
    assert_eq!(
        call(&stand, "GET /kept/1.0/a", canary).await,
        "200 1 canary [fwd=uri-miss; stored]"
    );
    assert_eq!(call(&stand, "GET /kept/1.0/a", canary).await, "200 1 canary [stale]");
    let renewed =
        async { while call(&stand, "GET /kept/1.0/a", canary).await.contains("1 canary") {} };
    tokio::time::timeout(crate::stand::LIMIT, renewed).await.expect("a new answer in time");
    let [base, canary, half] = origins.each_ref().map(Origin::requests);
    assert!(base == 0 && half == 0 && canary >= 2, "{base} {canary} {half}");
}

#[tokio::test]
async fn another_revision_of_an_api_starts_anew() {
    let origin = Origin::start(&["200 OK\ncache-control: max-age=60\n\n#"]);
    let resources = OPEN.replace("ORIGIN", &origin.address.to_string()).replace("RULES", "");
    let stand = Stand::start(&resources).await;
    check(&stand, &[("GET /kept/1.0/a", "200 1 [fwd=uri-miss; stored]")]).await;
    stand.publish(&resources);
    check(&stand, &[("GET /kept/1.0/a", "200 1 [hit]")]).await;
    stand.publish(&resources.replace("/base", "/other"));
    check(&stand, &[("GET /kept/1.0/a", "200 2 [fwd=uri-miss; stored]")]).await;
}
