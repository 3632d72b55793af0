//! Does the collector say the same over REST as over gRPC, and does REST say which parameter is wrong?

use std::process::Stdio;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use harness::resources::{api, application, subscription};
use harness::stack::Stack;
use harness::{Backend, Engines, eventually};
use http::uri::PathAndQuery;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};
use turnpike_proto::POOL;

const SERVICES: [&str; 3] =
    ["turnpike.usage.v1.Alerts", "turnpike.usage.v1.Analytics", "turnpike.usage.v1.Reports"];

/// Messages as they are on the wire.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// A system with some calls that the collector has counted, and the time in which they were made.
struct Counted {
    stack: Stack,
    /// With calls of ours that end at the right place.
    client: harness::Client,
    _backend: Backend,
    key: String,
    since: String,
    until: String,
}

impl Counted {
    async fn start() -> Self {
        let clock = chassis::Clock::system();
        let time = |seconds: i64| prost_types::Timestamp { seconds, nanos: 0 }.to_string();
        let since = time(clock.unix_seconds() - 60);
        let backend = Backend::start("orders").await;
        let stack = Stack::start(Engines::Embedded).await;
        let published = [
            api("orders", &backend.url(), &["Unlimited"]),
            application("shop", &[]),
            subscription("shop", "orders", "Unlimited"),
        ];
        stack.apply(&published.concat()).await;
        let (key, _) = stack.generate_keys("shop").await;
        let token = stack.token("shop").await;
        let mut client = stack.client().with_token(&token);
        // The new key reaches the gateway a moment after the command has returned.
        eventually("the first call works", Duration::from_secs(30), async || {
            let answer = stack.client().with_token(&token).get("/orders/1.0.0/items/0").await;
            (answer.status == 200).then_some(())
        })
        .await;
        for path in ["/orders/1.0.0/items/1", "/orders/1.0.0/open", "/orders/1.0.0/items/2"] {
            assert_eq!(client.get(path).await.status, 200, "{path}");
        }
        stack.client().get("/orders/1.0.0/items/3").await;
        eventually("the calls are counted", Duration::from_mins(1), async || {
            (stack.counted("orders").await >= 4).then_some(())
        })
        .await;
        // Whole seconds: what was counted lies before.
        let until = time(clock.unix_seconds() + 1);
        Self { stack, client, _backend: backend, key, since, until }
    }

    /// The path comes last.
    fn curl(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = self.curl_as_nobody(arguments);
        let (_, token) = self.stack.rest();
        command.arg("-H").arg(format!("authorization: Bearer {}", token.trim()));
        command
    }

    fn curl_as_nobody(&self, arguments: &[&str]) -> tokio::process::Command {
        let (address, _) = self.stack.rest();
        let (path, options) = arguments.split_last().expect("a path");
        let mut command = tokio::process::Command::new("curl");
        command.args(["-skN", "--max-time", "600"]).args(options).kill_on_drop(true);
        command.arg(format!("https://{address}/api/v1/{path}"));
        command
    }

    /// Status and body.
    async fn rest(&self, arguments: &[&str]) -> (u16, String) {
        answer(self.curl(arguments)).await
    }

    /// All answers of a method, in JSON.
    async fn grpc(&self, method: &MethodDescriptor, request: &Value) -> Vec<Value> {
        let message = DynamicMessage::deserialize(method.input(), request.clone());
        let message = Bytes::from(message.expect("a request").encode_to_vec());
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let path = PathAndQuery::try_from(path).expect("a path");
        let mut client = Grpc::new(self.stack.channel("admin", "analytics-collector"));
        client.ready().await.expect("a connection");
        let answers = client.server_streaming(Request::new(message), path, Raw).await;
        let mut answers = answers.expect("an answer").into_inner();
        let mut all = Vec::new();
        while let Some(answer) = answers.message().await.expect("a message") {
            let answer = DynamicMessage::decode(method.output(), answer).expect("a message");
            let options = SerializeOptions::new().skip_default_fields(false);
            let answer = answer.serialize_with_options(serde_json::value::Serializer, &options);
            all.push(answer.expect("json"));
        }
        all
    }

    /// Asks for the same in both languages, until no alert and no call comes in between.
    async fn check(&self, method: &str, arguments: &[&str], request: &Value) {
        let (service, name) = method.split_once('/').expect("a method");
        let service = POOL.get_service_by_name(&format!("turnpike.usage.v1.{service}"));
        let method = service.and_then(|it| it.methods().find(|method| method.name() == name));
        let method = method.expect("a method");
        eventually(&format!("{arguments:?} says the same"), Duration::from_mins(1), async || {
            let (status, body) = self.rest(arguments).await;
            assert_eq!(status, 200, "{arguments:?}: {body}");
            let lines = body.lines().filter(|line| !line.is_empty());
            let said: Result<Vec<Value>, _> = lines.map(serde_json::from_str).collect();
            let said = said.unwrap_or_else(|error| panic!("{arguments:?}: {error}: {body}"));
            assert!(!said.is_empty(), "{arguments:?}");
            (said == self.grpc(&method, request).await).then_some(())
        })
        .await;
    }

    /// What every question has: its parameters, and the same as a message.
    fn window(&self) -> (String, Value) {
        let Self { since, until, .. } = self;
        let query = format!("since={since}&until={until}");
        (query, json!({ "since": since, "until": until }))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_has_the_same_answer_over_rest() {
    let counted = Counted::start().await;
    let (window, filter) = counted.window();
    let key = counted.key.as_str();
    let filtered = |more: Value| {
        let mut request = json!({ "filter": filter });
        let (members, more) = (request.as_object_mut(), more.as_object().cloned());
        members.expect("an object").extend(more.expect("an object"));
        request
    };
    let conditions = json!([{ "of": "status", "oneOf": { "values": ["200"] } }]);
    let query = filtered(json!({ "by": ["api", "status"], "measures": ["calls"], "limit": 5 }));
    let narrow = filtered(json!({ "by": ["method"], "conditions": conditions }));
    let posted = narrow.to_string();
    let post = ["-H", "content-type: application/json", "-d", &posted, "analytics/query"];
    let named = |path: &str, more: &str| format!("{path}?{window}{more}");
    let table = [
        ("Analytics/Usage", named("analytics/usage", "&interval=1m&api=orders"), {
            let mut asked = filtered(json!({ "interval": "60s" }));
            asked["filter"]["api"] = "orders".into();
            asked
        }),
        ("Analytics/Latency", named("analytics/latency", ""), filtered(json!({}))),
        ("Analytics/Errors", named("analytics/errors", ""), filtered(json!({}))),
        (
            "Analytics/Geography",
            named("analytics/geography", "&detail=city&detail=asn"),
            filtered(json!({ "detail": ["city", "asn"] })),
        ),
        (
            "Analytics/LastUsed",
            format!("analytics/last-used?application=shop&keys={key}"),
            json!({ "application": "shop", "keys": [key] }),
        ),
        (
            "Analytics/Query",
            named("analytics/query", "&by=api&by=status&measures=calls&limit=5"),
            query.clone(),
        ),
        ("Analytics/Compare", named("analytics/compare", "&by=api"), {
            json!({ "query": filtered(json!({ "by": ["api"] })) })
        }),
        (
            "Analytics/Devices",
            named("analytics/devices", "&limit=3"),
            filtered(json!({ "limit": 3 })),
        ),
        ("Analytics/Backends", named("analytics/backends", ""), filtered(json!({}))),
        ("Analytics/Cache", named("analytics/cache", ""), filtered(json!({}))),
        ("Analytics/Throttled", named("analytics/throttled", ""), filtered(json!({}))),
        (
            "Analytics/Logs",
            named("analytics/logs", "&pageSize=2&slowerThan=0s"),
            filtered(json!({ "pageSize": 2, "slowerThan": "0s" })),
        ),
        (
            "Alerts/List",
            format!("alerts?since={}&severity=mild", counted.since),
            json!({ "since": counted.since, "severity": "mild" }),
        ),
        ("Alerts/Types", "alerts/types".to_owned(), json!({})),
        ("Alerts/Replay", format!("alerts/replay?{window}"), filter.clone()),
    ];
    for (method, path, request) in &table {
        counted.check(method, &[path], request).await;
    }
    counted.check("Analytics/Query", &post, &narrow).await;
    // Those that end only with the system, and the one that is a file, are asked below.
    let others = ["Analytics/Tail", "Alerts/Watch", "Reports/Monthly"];
    for service in SERVICES.map(|name| POOL.get_service_by_name(name).expect("a service")) {
        for method in service.methods() {
            let name = format!("{}/{}", service.name(), method.name());
            let asked = table.iter().any(|(asked, ..)| *asked == name);
            assert!(asked || others.contains(&name.as_str()), "{name} is asked by no test");
        }
    }
    pages_lead_on(&counted).await;
    a_month_is_a_file(&counted).await;
    what_is_wrong_is_named(&counted).await;
    nobody_is_told_without_a_token(&counted).await;
}

async fn answer(mut command: tokio::process::Command) -> (u16, String) {
    let output = command.args(["-w", "\n%{http_code}"]).output().await.expect("curl");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').expect("a status");
    (status.parse().expect("a status"), body.to_owned())
}

async fn pages_lead_on(counted: &Counted) {
    let (window, _) = counted.window();
    let (mut token, mut found) = (String::new(), Vec::new());
    loop {
        let path = format!("analytics/logs?{window}&api=orders&pageSize=3&pageToken={token}");
        let (status, body) = counted.rest(&[&path]).await;
        assert_eq!(status, 200, "{body}");
        let page: Value = serde_json::from_str(&body).expect("json");
        let calls = page["calls"].as_array().expect("calls").iter();
        found.extend(calls.map(|call| call["requestId"].as_str().expect("an id").to_owned()));
        page["nextPageToken"].as_str().expect("a token").clone_into(&mut token);
        if token.is_empty() {
            break;
        }
    }
    let all = found.len();
    found.sort();
    found.dedup();
    assert!(found.len() == all && all >= 4, "{found:?} of {all}");
}

async fn a_month_is_a_file(counted: &Counted) {
    let (year, month) = (&counted.since[..4], &counted.since[5..7]);
    for (format, begin) in [("csv", "api,"), ("json", "{"), ("pdf", "%PDF")] {
        let path = format!("reports/monthly?year={year}&month={month}&format={format}");
        let (status, said) = counted.rest(&["-i", &path]).await;
        assert_eq!(status, 200, "{said}");
        let (head, body) = said.split_once("\r\n\r\n").expect("a head");
        let name = format!("attachment; filename=\"calls-{year}-{month}.{format}\"");
        assert!(head.contains(&name) && head.contains(&format!("/{format}")), "{head}");
        assert!(body.starts_with(begin), "{body}");
    }
}

async fn what_is_wrong_is_named(counted: &Counted) {
    for (path, field, reason) in [
        ("analytics/usage?interval=10ms", "interval", "is shorter than a second"),
        ("analytics/usage?interval=soon", "interval", "`soon`"),
        ("analytics/usage?since=yesterday", "since", "a time like"),
        ("analytics/usage?since=5m&until=10m", "since", "is after filter.until"),
        ("analytics/usage?api=:1", "api", "no name in front"),
        ("analytics/query?by=colour", "by[0]", "is no dimension; allowed are api, "),
        ("analytics/compare?measures=calls&order=errors", "order", "is none of the measures"),
        ("analytics/logs?pageSize=5000", "pageSize", "is more than 1000"),
        ("analytics/logs?pageSize=some", "pageSize", "`some`"),
        ("analytics/tail?slowerThan=-1s", "slowerThan", "is no duration"),
        ("alerts?limit=5000", "limit", "is more than 1000"),
        ("alerts?severity=worst", "severity", "`worst`"),
        ("reports/monthly?year=2026&month=13", "month", "is none of 1970-01 to 9999-12"),
    ] {
        let (status, body) = counted.rest(&[path]).await;
        let problem: Value = serde_json::from_str(&body).unwrap_or_default();
        let first = &problem["problems"][0];
        let said = first["reason"].as_str().unwrap_or_default();
        assert!(
            status == 400 && first["field"] == field && said.contains(reason),
            "{path}: {body}"
        );
    }
    let (status, body) = counted.rest(&["analytics/usage?aip=orders"]).await;
    assert!(status == 400 && body.contains("did you mean api?"), "{body}");
    let conditions = r#"{"conditions":[{"of":"colour","prefix":"r"}]}"#;
    let post = ["-H", "content-type: application/json", "-d", conditions, "analytics/devices"];
    let (status, body) = counted.rest(&post).await;
    assert!(status == 400 && body.contains(r#""field":"conditions[0].of""#), "{body}");
}

async fn nobody_is_told_without_a_token(counted: &Counted) {
    let (_, description) = counted.rest(&["openapi.json"]).await;
    let description: Value = serde_json::from_str(&description).expect("a description");
    let mut asked = 0;
    for (path, item) in description["paths"].as_object().expect("paths") {
        let path = path.trim_start_matches("/api/v1/");
        if !["analytics/", "alerts", "reports/"].iter().any(|it| path.starts_with(it))
            || path.starts_with("alert-")
        {
            continue;
        }
        for method in item.as_object().expect("methods").keys() {
            let method = method.to_ascii_uppercase();
            let (status, body) = answer(counted.curl_as_nobody(&["-X", &method, path])).await;
            assert_eq!(status, 401, "{method} {path}: {body}");
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked} operations");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_told_as_they_come_as_lines_and_as_events() {
    let mut counted = Counted::start().await;
    let mut open = Vec::new();
    for (form, protocol, begin) in [
        ("application/x-ndjson", "--http1.1", "{"),
        ("application/x-ndjson", "--http2", "{"),
        ("text/event-stream", "--http1.1", "data: {"),
        ("text/event-stream", "--http2", "data: {"),
    ] {
        let accept = format!("accept: {form}");
        let tail = ["-i", protocol, "-H", &accept, "analytics/tail?api=orders"];
        let mut command = counted.curl(&tail);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("curl");
        let mut lines = BufReader::new(child.stdout.take().expect("an output")).lines();
        let mut head = String::new();
        // The head comes before any call does.
        while let Some(line) = next(&mut lines).await.filter(|line| !line.is_empty()) {
            head = head + &line + "\n";
        }
        assert!(head.contains(" 200") && head.contains(form), "{head}");
        open.push((child, lines, begin));
    }
    for path in ["/orders/1.0.0/items/7", "/orders/1.0.0/items/8"] {
        assert_eq!(counted.client.get(path).await.status, 200);
        for (_, lines, begin) in &mut open {
            let said = loop {
                let line = next(lines).await.expect("a line");
                if line.starts_with(*begin) {
                    break line;
                }
            };
            assert!(said.contains(path.trim_start_matches("/orders/1.0.0")), "{said}");
        }
    }
    let watch = ["-i", "-H", "accept: text/event-stream", "alerts/watch"];
    let mut child = counted.curl(&watch).stdout(Stdio::piped()).spawn().expect("curl");
    let mut lines = BufReader::new(child.stdout.take().expect("an output")).lines();
    assert!(next(&mut lines).await.expect("a line").contains(" 200"));
    // Whoever reads does not hold up the end of either side.
    counted.stack.stop("control-plane");
    for (mut child, ..) in open {
        assert!(child.wait().await.expect("an end").success());
    }
}

async fn next<R: tokio::io::AsyncBufRead + Unpin>(
    lines: &mut tokio::io::Lines<R>,
) -> Option<String> {
    let next = tokio::time::timeout(Duration::from_mins(1), lines.next_line()).await;
    let line = next.expect("a line in time").expect("readable");
    line.map(|line| line.trim_end().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_is_told_and_holds_nothing_else_up() {
    let mut counted = Counted::start().await;
    counted.stack.kill("analytics-collector");
    let (status, said) = counted.rest(&["-i", "analytics/usage"]).await;
    assert!(status == 503 && said.to_ascii_lowercase().contains("retry-after"), "{said}");
    assert_eq!(counted.rest(&["apis"]).await.0, 200);
    counted.stack.restart("analytics-collector").await;
    eventually("it is asked again", Duration::from_mins(1), async || {
        (counted.rest(&["analytics/usage"]).await.0 == 200).then_some(())
    })
    .await;
}
