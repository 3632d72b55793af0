//! What does a decision point hear of a call, and what follows from its answer?

use std::sync::atomic::Ordering;

use prost_types::value::Kind;
use serde_json::{Value, json};
use turnpike_proto::envoy::config::core::v3::{HeaderValue, HeaderValueOption, QueryParameter};
use turnpike_proto::envoy::service::auth::v3::check_response::HttpResponse;
use turnpike_proto::envoy::service::auth::v3::{CheckResponse, DeniedHttpResponse, OkHttpResponse};
use turnpike_proto::envoy::r#type::v3::HttpStatus;
use turnpike_proto::google::rpc::Status;

use crate::decision_point::{Asked, DecisionPoint, Says};
use crate::mirror::Mirror;
use crate::stand::{ISSUER, Stand};
use crate::websocket::{ASKS, Sockets, ask};

const RESOURCES: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: orders, version: "1.0", owner: olga }
spec:
  context: /orders
  tiers: [One, Unlimited]
  lifecycle: PUBLISHED
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
  externalAuthorization: { ASKED }
  operations:
    - { method: GET, path: "/echo/{id}", id: getOrder }
    - { method: GET, path: "/free", auth: none }
    - { method: GET, path: "/off", externalAuthorization: { off: true } }
---
{ apiVersion: turnpike/v1, kind: Application, metadata: { name: shop, owner: ann }, spec: { keys: [ { consumerKey: live } ] } }
---
{ apiVersion: turnpike/v1, kind: Tier, metadata: { name: One }, spec: { quota: { requests: 1, per: 3600s } } }
---
{ apiVersion: turnpike/v1, kind: Subscription, metadata: { name: s }, spec: { application: shop, api: "orders:1.0", tier: TIER } }
"#;

const EXT_AUTHZ: &str = "protocol: ext_authz";
const AUTHZEN: &str = "protocol: authzen";
const OPA: &str = "protocol: opa, path: /v1/data/orders/allow";

/// Whose answer is asked for by `protocol` and more of `externalAuthorization`.
async fn stand(point: &DecisionPoint, protocol: &str) -> Stand {
    Stand::start(&resources(point, protocol)).await
}

fn resources(point: &DecisionPoint, protocol: &str) -> String {
    let asked = format!(
        "{protocol}, timeout: 10s, context: {{ realm: eu }}, endpoint: {{ urls: ['http://{}/pdp'] }}",
        point.address
    );
    RESOURCES.replace("ASKED", &asked).replace("TIER", "Unlimited")
}

fn fields(stand: &Stand) -> String {
    let token =
        stand.token("live", &json!({ "sub": "ann", "scope": "read write", "groups": ["a"] }));
    format!(
        "authorization: Bearer {token}\r\nuser-agent: probe\r\nx-tenant: t1\r\nx-tenant: t2\r\ncookie: c=1\r\n"
    )
}

/// Which answer of a decision point is a yes (`200`) and which a no.
async fn check(protocol: &str, answers: Vec<(Says, &str)>) {
    for (says, expected) in answers {
        let what = format!("{protocol}: {says:?}");
        let point = DecisionPoint::start(protocol == EXT_AUTHZ, says).await;
        let stand = stand(&point, protocol).await;
        let answer = stand.call("GET /orders/1.0/echo/7", &fields(&stand), "").await;
        assert_eq!(answer.fault(), expected, "{what}: {answer:?}");
        let asked = stand.backend.seen.requests.load(Ordering::Relaxed);
        assert_eq!(asked, usize::from(expected.starts_with("200")), "{what}");
        let result = if expected.starts_with("200") { "permitted" } else { "denied" };
        let line = format!("gateway_external_decisions_total{{result=\"{result}\"}}");
        assert_eq!(stand.number(&line), 1, "{what}");
        assert_eq!(stand.number("gateway_external_decision_duration_seconds_count"), 1, "{what}");
    }
}

const YES: &str = "200 -";
const NO: &str = "403 700710";

#[tokio::test]
async fn opa_permits_what_its_rule_comes_to() {
    check(
        OPA,
        vec![
            (Says::json(r#"{"result": true}"#), YES),
            (Says::json(r#"{"result": false}"#), NO),
            (Says::json("{}"), NO),
            (Says::json(r#"{"decision_id": "1", "result": {"allow": true, "x": 1}}"#), YES),
            (Says::json(r#"{"result": {"allow": false}}"#), NO),
            (Says::json(r#"{"result": {}}"#), NO),
        ],
    )
    .await;
}

#[tokio::test]
async fn authzen_permits_by_a_decision() {
    check(
        AUTHZEN,
        vec![
            (Says::json(r#"{"decision": true, "context": {"id": "0"}}"#), YES),
            (Says::json(r#"{"decision": false, "context": {"reason_user": {"en": "no"}}}"#), NO),
        ],
    )
    .await;
}

fn status(code: i32) -> Status {
    Status { code, message: String::new() }
}

fn ok(response: OkHttpResponse) -> CheckResponse {
    let http_response = Some(HttpResponse::OkResponse(response));
    CheckResponse { status: Some(status(0)), http_response, dynamic_metadata: None }
}

fn denied(response: DeniedHttpResponse) -> CheckResponse {
    let http_response = Some(HttpResponse::DeniedResponse(response));
    CheckResponse { status: Some(status(7)), http_response, dynamic_metadata: None }
}

#[tokio::test]
async fn ext_authz_permits_by_a_status_and_nothing_that_contradicts_itself() {
    let nothing = CheckResponse::default;
    let with = |code, answer| CheckResponse { status: Some(status(code)), ..answer };
    let (yes, no) = (ok(OkHttpResponse::default()), denied(DeniedHttpResponse::default()));
    let without = |answer| CheckResponse { status: None, ..answer };
    let all = [
        (with(0, nothing()), YES),
        (yes.clone(), YES),
        (without(yes.clone()), YES),
        (with(7, nothing()), NO),
        (with(14, yes), NO),
        (without(no.clone()), NO),
        (with(0, no), NO),
    ];
    check(EXT_AUTHZ, all.iter().map(|(answer, said)| (Says::decision(answer), *said)).collect())
        .await;
}

/// What is asked about a call of ann's.
async fn question(protocol: &str, says: Says, line: &str) -> Asked {
    let mut point = DecisionPoint::start(protocol.starts_with(EXT_AUTHZ), says).await;
    let stand = stand(&point, protocol).await;
    let answer = stand.call(line, &fields(&stand), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let asked = point.next().await;
    // Whoever decides and whoever serves are told the same name of the call.
    let name = asked.field("x-request-id");
    assert!(answer.body.contains(&format!("x-request-id: {name}\r\n")), "{answer:?}");
    asked
}

#[tokio::test]
async fn opa_hears_who_does_what_to_what() {
    let asked =
        question(OPA, Says::json(r#"{"result": true}"#), "GET /orders/1.0/echo/7?a=b").await;
    assert_eq!(asked.target, "/pdp/v1/data/orders/allow");
    assert_eq!(asked.field("content-type"), "application/json");
    assert_eq!(asked.field("authorization"), "");
    let mut input = asked.json()["input"].take();
    let claims = input["subject"]["claims"].take();
    assert_eq!((&claims["iss"], &claims["groups"]), (&json!(ISSUER), &json!(["a"])));
    let time = input["environment"]["time"].take();
    assert!(time.as_str().is_some_and(|time| time.ends_with('Z')), "{time}");
    input["environment"]["request_id"].take();
    let expected = json!({
        "subject": {
            "type": "user", "id": "ann", "client_id": "live", "application": "shop",
            "application_owner": "ann", "key_type": "production", "tier": "Unlimited",
            "key_manager": "resident", "scopes": ["read", "write"], "claims": null,
        },
        "action": { "name": "GET" },
        "resource": {
            "type": "api", "id": "/orders/1.0/echo/7", "api": "orders", "version": "1.0",
            "context": "/orders", "owner": "olga", "operation": "/echo/{id}",
            "operation_id": "getOrder", "host": "api.example", "query": "a=b",
        },
        "environment": {
            "time": null, "client_address": "127.0.0.1", "scheme": "http",
            "protocol": "HTTP/1.1", "request_id": null, "headers": { "user-agent": "probe" },
        },
        "context": { "realm": "eu" },
    });
    assert_eq!(input, expected);
}

#[tokio::test]
async fn authzen_hears_the_same_in_its_own_words() {
    let asked =
        question(AUTHZEN, Says::json(r#"{"decision": true}"#), "GET /orders/1.0/free").await;
    assert_eq!(asked.target, "/pdp/access/v1/evaluation");
    let said = asked.json();
    assert_eq!(
        said["subject"],
        json!({ "type": "anonymous", "id": "anonymous", "properties": {} })
    );
    assert_eq!(said["action"], json!({ "name": "GET" }));
    assert_eq!(said["resource"]["type"], "api");
    assert_eq!(said["resource"]["id"], "/orders/1.0/free");
    assert_eq!(said["resource"]["properties"]["operation"], "/free");
    assert_eq!(
        (&said["context"]["realm"], &said["context"]["scheme"]),
        (&json!("eu"), &json!("http"))
    );
}

#[tokio::test]
async fn ext_authz_hears_the_request_and_what_is_known_of_it() {
    let says = Says::decision(&ok(OkHttpResponse::default()));
    let asked = question(EXT_AUTHZ, says, "GET /orders/1.0/echo/7?a=b").await;
    assert_eq!(
        asked.target.split_once("/pdp").unwrap().1,
        "/envoy.service.auth.v3.Authorization/Check"
    );
    assert_eq!((asked.field("content-type"), asked.field("te")), ("application/grpc", "trailers"));
    assert!(asked.field("grpc-timeout").ends_with('m'), "{asked:?}");
    let attributes = asked.check().attributes.unwrap();
    let source = attributes.source.unwrap();
    assert_eq!(source.principal, "ann");
    let request = attributes.request.unwrap();
    assert!(request.time.unwrap().seconds > 0);
    let http = request.http.unwrap();
    assert_eq!((http.method.as_str(), http.host.as_str()), ("GET", "api.example"));
    assert_eq!((http.path.as_str(), http.scheme.as_str()), ("/orders/1.0/echo/7?a=b", "http"));
    assert_eq!((http.protocol.as_str(), http.size), ("HTTP/1.1", -1));
    assert_eq!(http.id, asked.field("x-request-id"));
    let shown: Vec<_> = http.headers.iter().collect();
    assert_eq!(shown, [(&"user-agent".to_owned(), &"probe".to_owned())]);
    let said = |name: &str| attributes.context_extensions.get(name).unwrap().clone();
    assert_eq!(
        ["realm", "api", "version", "operation"].map(said),
        ["eu", "orders", "1.0", "/echo/{id}"]
    );
    let known = attributes.metadata_context.unwrap().filter_metadata.remove("turnpike").unwrap();
    let Some(Kind::StructValue(subject)) = &known.fields["subject"].kind else {
        panic!("{known:?}")
    };
    let Some(Kind::StringValue(application)) = &subject.fields["application"].kind else {
        panic!("{subject:?}")
    };
    assert_eq!(application, "shop");
}

/// The names of the fields that are shown of a call with a token, a cookie, two fields and what a
/// client must not say.
async fn shown(protocol: &str, named: &str) -> Vec<String> {
    let says = Says::json(r#"{"result": true}"#);
    let mut point = DecisionPoint::start(false, says).await;
    let stand = stand(&point, &format!("{protocol}{named}")).await;
    let more = fields(&stand) + "x-real-ip: 192.0.2.1\r\nconnection: keep-alive\r\n";
    stand.call("GET /orders/1.0/echo/7", &more, "").await;
    let asked = point.next().await.json();
    let headers = asked["input"]["environment"]["headers"].as_object().unwrap();
    let said = |(name, value): (&String, &Value)| {
        let value = value.as_str().unwrap();
        let value = if value.starts_with("Bearer ") { "token" } else { value };
        format!("{name}={value}")
    };
    headers.iter().map(said).collect()
}

#[tokio::test]
async fn fields_are_shown_as_the_api_says_and_credentials_only_by_name() {
    assert_eq!(shown(OPA, "").await, ["user-agent=probe"]);
    let all = ["host=api.example", "user-agent=probe", "x-tenant=t1,t2"];
    assert_eq!(shown(OPA, ", requestHeaders: ['*']").await, all);
    let named =
        ", requestHeaders: [Authorization, X-Tenant, Cookie, X-Real-Ip, Connection, X-None]";
    assert_eq!(shown(OPA, named).await, ["authorization=token", "cookie=c=1", "x-tenant=t1,t2"]);
}

fn field(key: &str, value: &str) -> HeaderValueOption {
    let header =
        HeaderValue { key: key.to_owned(), value: value.to_owned(), raw_value: Vec::new() };
    HeaderValueOption { header: Some(header), ..HeaderValueOption::default() }
}

fn action(key: &str, value: &str, append_action: i32) -> HeaderValueOption {
    HeaderValueOption { append_action, ..field(key, value) }
}

fn append(key: &str, value: &str, append: bool) -> HeaderValueOption {
    HeaderValueOption { append: Some(append), ..field(key, value) }
}

/// What the backend reads of ann's call, in lower case, and what she reads then.
async fn permitted(response: OkHttpResponse) -> (String, String) {
    let point = DecisionPoint::start(true, Says::decision(&ok(response))).await;
    let stand = stand(&point, EXT_AUTHZ).await;
    let answer = stand.call("GET /orders/1.0/echo/7?a=%62&c=d&e", &fields(&stand), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    (answer.body.to_lowercase(), answer.head)
}

/// Looks for lines: `+line` is there, `-line` is not.
#[track_caller]
fn holds(text: &str, lines: &[&str]) {
    for line in lines {
        let (wanted, line) = line.split_at(1);
        let there = text.lines().any(|said| said.trim_end() == line);
        assert_eq!(there, wanted == "+", "{wanted}{line} in\n{text}");
    }
}

#[tokio::test]
async fn the_backend_gets_what_was_decided() {
    let (backend, client) = permitted(OkHttpResponse {
        headers: vec![
            field("x-tenant", "decided"),
            append("x-role", "one", true),
            append("x-role", "two", true),
            action("user-agent", "other", 1),
            action("x-absent", "new", 1),
            action("x-missing", "no", 3),
            action("accept", "text/plain", 2),
            field("x-empty", ""),
        ],
        headers_to_remove: vec!["Cookie".to_owned(), "x-nothing".to_owned()],
        response_headers_to_add: vec![field("x-decided", "yes"), append("x-backend", "no", false)],
        query_parameters_to_set: vec![QueryParameter {
            key: "a".to_owned(),
            value: "x y".to_owned(),
        }],
        query_parameters_to_remove: vec!["e".to_owned()],
        ..OkHttpResponse::default()
    })
    .await;
    holds(
        &backend,
        &[
            "+get /base/echo/7?c=d&a=x%20y http/1.1",
            "+x-tenant: decided",
            "-x-tenant: t1",
            "+x-role: one",
            "+x-role: two",
            "+user-agent: probe",
            "+x-absent: new",
            "-x-missing: no",
            "+accept: text/plain",
            "-x-empty:",
            "-cookie: c=1",
        ],
    );
    holds(&client, &["+x-decided: yes", "+x-backend: no", "-x-backend: yes"]);
}

#[tokio::test]
async fn nobody_outside_speaks_for_the_gateway() {
    let forged = [
        "x-forwarded-for",
        "x_forwarded_for",
        "x-real-ip",
        "x-jwt-assertion",
        "x-request-id",
        "client-cert",
        "x-turnpike-mirrored",
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "te",
        "upgrade",
        "trailer",
        "expect",
        "proxy-authorization",
        "sec-websocket-key",
    ];
    let (backend, client) = permitted(OkHttpResponse {
        headers: forged.map(|name| append(name, "forged", false)).to_vec(),
        headers_to_remove: vec!["host".to_owned(), "x-forwarded-for".to_owned()],
        response_headers_to_add: forged.map(|name| append(name, "forged", false)).to_vec(),
        ..OkHttpResponse::default()
    })
    .await;
    assert!(!backend.contains("forged") && !client.contains("forged"), "{backend}\n{client}");
    holds(&backend, &["+x-forwarded-for: 127.0.0.1"]);
}

#[tokio::test]
async fn the_backend_gets_the_credential_that_was_decided_and_not_the_callers() {
    for option in [
        field("authorization", "Internal 1"),
        append("authorization", "Internal 1", true),
        action("authorization", "Internal 1", 1),
    ] {
        let headers = vec![option];
        let (backend, _) = permitted(OkHttpResponse { headers, ..OkHttpResponse::default() }).await;
        holds(&backend, &["+authorization: internal 1"]);
        assert_eq!(backend.matches("authorization").count(), 1, "{backend}");
    }
    let headers = vec![action("authorization", "Internal 1", 3)];
    let (backend, _) = permitted(OkHttpResponse { headers, ..OkHttpResponse::default() }).await;
    assert!(!backend.contains("authorization"), "{backend}");
}

#[tokio::test]
async fn opa_says_fields_for_the_backend() {
    let says = Says::json(r#"{"result": {"allow": true, "headers": {"X-Tenant": "t9"}}}"#);
    let point = DecisionPoint::start(false, says).await;
    let stand = stand(&point, OPA).await;
    let answer = stand.call("GET /orders/1.0/echo/7", &fields(&stand), "").await;
    holds(&answer.body, &["+x-tenant: t9", "-x-tenant: t1"]);
}

/// What the caller reads when the call is denied in these words.
async fn refused(response: DeniedHttpResponse, more: &str) -> String {
    let point = DecisionPoint::start(true, Says::decision(&denied(response))).await;
    let stand = stand(&point, EXT_AUTHZ).await;
    let answer = stand.call("GET /orders/1.0/echo/7", &(fields(&stand) + more), "").await;
    assert_eq!(stand.number(r#"gateway_faults_total{type="AUTH"}"#), 1);
    let fields = ["content-type", "x-why", "www-authenticate", "connection", "grpc-status"];
    let fields =
        fields.iter().filter_map(|name| Some(format!("{name}: {}\n", answer.field(name)?)));
    format!("{}\n{}{}", answer.status, fields.collect::<String>(), answer.body)
}

#[tokio::test]
async fn a_refusal_keeps_its_words() {
    let worded = |code: i32, body: &str, headers: &[(&str, &str)]| DeniedHttpResponse {
        status: Some(HttpStatus { code }),
        headers: headers.iter().map(|(name, value)| field(name, value)).collect(),
        body: body.to_owned(),
    };
    let own = r#"{"code":"700710","message":"Not permitted","description":"You are not permitted to make this call"}"#;
    let said =
        refused(worded(418, "no tea", &[("x-why", "closed"), ("connection", "close")]), "").await;
    assert_eq!(said, "418\ncontent-type: text/plain; charset=utf-8\nx-why: closed\nno tea");
    let page = worded(451, "<p>", &[("content-type", "text/html")]);
    assert_eq!(refused(page, "").await, "451\ncontent-type: text/html\n<p>");
    // What is no refusal becomes one, and without a body the gateway's own is read.
    let moved = refused(worded(302, "", &[("x-why", "moved")]), "").await;
    assert_eq!(moved, format!("403\ncontent-type: application/json\nx-why: moved\n{own}"));
    let who = worded(401, "", &[]);
    let challenge = "www-authenticate: bearer realm=\"turnpike\"";
    assert_eq!(
        refused(who, "").await,
        format!("401\ncontent-type: application/json\n{challenge}\n{own}")
    );
    let how = worded(401, "", &[("www-authenticate", "Other")]);
    assert!(refused(how, "").await.contains("\nwww-authenticate: other\n"));
    let grpc = refused(worded(401, "no", &[]), "content-type: application/grpc\r\n").await;
    assert_eq!(grpc, "200\ncontent-type: application/grpc\ngrpc-status: 16\n");
}

#[tokio::test]
async fn nobody_is_asked_about_what_is_refused_here_or_turned_off() {
    let mut point = DecisionPoint::start(false, Says::json(r#"{"result": false}"#)).await;
    let stand = stand(&point, OPA).await;
    let forged = "authorization: Bearer x\r\n";
    assert_eq!(stand.call("GET /orders/1.0/echo/7", "", "").await.status, 401);
    assert_eq!(stand.call("GET /orders/1.0/echo/7", forged, "").await.status, 401);
    assert_eq!(stand.call("GET /orders/1.0/none", "", "").await.status, 404);
    assert_eq!(stand.call("GET /orders/1.0/off", &fields(&stand), "").await.status, 200);
    assert_eq!(point.count(), 0);
    assert_eq!(stand.call("GET /orders/1.0/free", "", "").await.fault(), NO);
    assert_eq!(point.count(), 1);
}

#[tokio::test]
async fn a_call_that_is_denied_takes_no_room_from_its_limits() {
    let point = DecisionPoint::start(false, Says::json(r#"{"result": false}"#)).await;
    let denying = resources(&point, OPA).replace("tier: Unlimited", "tier: One");
    let stand = Stand::start(&denying).await;
    let token = fields(&stand);
    let call = async || stand.call("GET /orders/1.0/echo/7", &token, "").await.fault();
    assert_eq!((call().await, call().await), (NO.to_owned(), NO.to_owned()));
    let permits = DecisionPoint::start(false, Says::json(r#"{"result": true}"#)).await;
    stand.publish(&resources(&permits, OPA).replace("tier: Unlimited", "tier: One"));
    assert_eq!((call().await, call().await), (YES.to_owned(), "429 900804".to_owned()));
}

#[tokio::test]
async fn a_product_and_its_api_both_have_to_permit() {
    let answers = [r#"{"result": true}"#, r#"{"result": false}"#];
    for (of_product, of_api, expected) in [(0, 0, YES), (0, 1, NO), (1, 0, NO)] {
        let mut product = DecisionPoint::start(false, Says::json(answers[of_product])).await;
        let mut api = DecisionPoint::start(false, Says::json(answers[of_api])).await;
        let bundle = format!(
            "---\n{{ apiVersion: turnpike/v1, kind: ApiProduct, metadata: {{ name: bundle, version: '1' }}, spec: {{ \
             context: /bundle, lifecycle: PUBLISHED, apis: [{{ name: orders, version: '1.0' }}], \
             externalAuthorization: {{ {OPA}, timeout: 10s, endpoint: {{ urls: ['http://{}'] }} }} }} }}\n---\n\
             {{ apiVersion: turnpike/v1, kind: Subscription, metadata: {{ name: b }}, \
             spec: {{ application: shop, apiProduct: 'bundle:1' }} }}\n",
            product.address
        );
        let stand = Stand::start(&(resources(&api, OPA) + &bundle)).await;
        let answer = stand.call("GET /bundle/1/echo/7", &fields(&stand), "").await;
        assert_eq!(answer.fault(), expected, "{answer:?}");
        // Who is not asked any more has nothing to say.
        assert_eq!((product.count(), api.count()), (1, 1 - of_product));
        let answer = stand.call("GET /bundle/1/off", &fields(&stand), "").await;
        assert_eq!((answer.status == 200, api.count()), (of_product == 0, 0));
        assert_eq!(stand.call("GET /orders/1.0/off", &fields(&stand), "").await.status, 200);
    }
}

#[tokio::test]
async fn a_websocket_is_decided_about_once() {
    let sockets = Sockets::start().await;
    let resources = |point: &DecisionPoint| {
        format!(
            "apiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: live, version: '1' }}\nspec:\n  \
             context: /live\n  lifecycle: PUBLISHED\n  type: WS\n  security: {{ schemes: [none] }}\n  \
             endpoints: {{ production: {{ urls: ['ws://{}'] }} }}\n  \
             externalAuthorization: {{ {OPA}, timeout: 10s, endpoint: {{ urls: ['http://{}'] }} }}\n",
            sockets.address, point.address
        )
    };
    let mut permits = DecisionPoint::start(false, Says::json(r#"{"result": true}"#)).await;
    let stand = Stand::start(&resources(&permits)).await;
    let (_client, answer) = ask(&stand, "/live/1/echo", ASKS).await;
    assert_eq!((answer.status, permits.count()), (101, 1), "{answer:?}");
    let denies = DecisionPoint::start(false, Says::json(r#"{"result": false}"#)).await;
    stand.publish(&resources(&denies));
    let (_client, answer) = ask(&stand, "/live/1/echo", ASKS).await;
    assert_eq!(answer.fault(), NO);
}

#[tokio::test]
async fn an_answer_that_is_kept_is_given_to_whom_that_is_permitted() {
    let says = |tenant: &str| {
        Says::json(&format!(
            "{{\"result\": {{\"allow\": true, \"headers\": {{\"accept\": \"{tenant}\"}}}}}}"
        ))
    };
    let cached = |point: &DecisionPoint| {
        resources(point, OPA)
            .replace("  operations:", "  cache: { ttl: 60s, keyHeaders: [accept] }\n  operations:")
    };
    let one = DecisionPoint::start(false, says("a")).await;
    let stand = Stand::start(&cached(&one)).await;
    let token = fields(&stand);
    let call = async || stand.call("GET /orders/1.0/echo/7", &token, "").await;
    let first = call().await;
    holds(&first.body, &["+accept: a"]);
    assert_eq!(call().await.body, first.body);
    // In other words of who decides it is another question.
    let other = DecisionPoint::start(false, says("b")).await;
    stand.publish(&cached(&other));
    holds(&call().await.body, &["+accept: b"]);
    let denies = DecisionPoint::start(false, Says::json("{}")).await;
    stand.publish(&cached(&denies));
    assert_eq!(call().await.fault(), NO);
}

#[tokio::test]
async fn who_decides_is_shown_a_credential_of_the_gateways() {
    let mut point = DecisionPoint::start(false, Says::json(r#"{"result": true}"#)).await;
    let resources = resources(&point, OPA)
        .replace("/pdp'] }", "/pdp'], security: { apiKey: { header: x-pdp-key, secret: k } } }");
    let secret = "---\n{ apiVersion: turnpike/v1, kind: Secret, metadata: { name: k }, spec: { value: s3cret } }\n";
    let stand = Stand::start(&(resources + secret)).await;
    let answer = stand.call("GET /orders/1.0/echo/7", &fields(&stand), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(point.next().await.field("x-pdp-key"), "s3cret");
    assert!(!answer.body.contains("s3cret"));
}

#[tokio::test]
async fn a_mirror_gets_what_was_decided() {
    let says = r#"{"result": {"allow": true, "headers": {"authorization": "Internal 1"}}}"#;
    let point = DecisionPoint::start(false, Says::json(says)).await;
    let mut mirror = Mirror::start(true).await;
    let mirrored = format!(
        "  mirror: {{ endpoint: {{ urls: ['http://{}'] }} }}\n  operations:",
        mirror.address
    );
    let resources = resources(&point, OPA).replace("  operations:", &mirrored);
    let stand = Stand::start(&resources).await;
    let answer = stand.call("GET /orders/1.0/echo/7", &fields(&stand), "").await;
    for request in [answer.body, mirror.next().await] {
        holds(&request.to_lowercase(), &["+authorization: internal 1"]);
        assert_eq!(request.matches("uthorization:").count(), 1, "{request}");
    }
}
