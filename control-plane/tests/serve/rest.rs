//! What does REST answer? Asked by curl, as an operator would.

use std::process::Command;

use crate::stack::{Plane, api, check, tier};

/// "status code" of an answer to curl with these arguments; the path comes last.
pub(crate) async fn curl(plane: &Plane, token: bool, arguments: &[&str]) -> (u16, String) {
    let token =
        token.then(|| std::fs::read_to_string(plane.host.data.join("admin.token")).unwrap());
    curl_as(plane, token.as_deref(), arguments).await
}

/// The same with any bearer token.
pub(crate) async fn curl_as(
    plane: &Plane,
    token: Option<&str>,
    arguments: &[&str],
) -> (u16, String) {
    let (path, options) = arguments.split_last().unwrap();
    let mut command = Command::new("curl");
    command.args(["-sk", "-w", "\n%{http_code}", "--max-time", "30"]).args(options);
    if let Some(token) = token {
        command.arg("-H").arg(format!("authorization: Bearer {token}"));
    }
    command.arg(format!("https://{}{path}", plane.doors.rest));
    let done = plane.host.tasks.blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

/// Asks with the token and expects a status and a word in the body.
async fn expect(plane: &Plane, arguments: &[&str], status: u16, word: &str) {
    let (found, body) = curl(plane, true, arguments).await;
    assert!(found == status && body.contains(word), "{arguments:?}: {found} {body}");
}

const JSON: &str = "content-type: application/json";
const YAML: &str = "content-type: application/yaml";

#[test]
fn resources_are_put_got_listed_and_deleted() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("first", 1)).await;
        let spec = r#"{"spec":{"quota":{"requests":"5","per":"60s"}}}"#;
        let put = ["-X", "PUT", "-H", JSON, "-d", spec, "/api/v1/tiers/Gold"];
        expect(&plane, &put, 201, r#""name":"Gold""#).await;
        expect(&plane, &put, 200, r#""name":"Gold""#).await;
        expect(&plane, &["/api/v1/tiers/Gold"], 200, "createdAt").await;
        expect(&plane, &["/api/v1/tiers?pageSize=1"], 200, r#""nextPageToken":"R29sZA""#).await;
        expect(&plane, &["/api/v1/tiers?pageSize=1&pageToken=R29sZA"], 200, "first").await;
        expect(&plane, &["-X", "DELETE", "/api/v1/tiers/Gold"], 200, r#""revision":"3""#).await;
        expect(&plane, &["/api/v1/tiers/Gold"], 404, "not_found").await;
    });
}

#[test]
fn a_document_is_applied_and_its_problems_are_told() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("first", 1)).await;
        let apply = |text: String, path: &'static str| async move { (text, path) };
        for (text, path, status, word) in [
            (api("a"), "/api/v1/apply?dryRun=true", 200, "created"),
            (api("a"), "/api/v1/apply?wait=all&timeout=5s", 200, r#""applied":true"#),
            (api("a"), "/api/v1/apply", 200, "unchanged"),
            (api("a"), "/api/v1/apply?dryrun=true", 400, "did you mean dryRun"),
            (api("b").replace("context", "contxt"), "/api/v1/apply", 400, "context"),
            (api("b").replace("[\"http", "[\"ftp"), "/api/v1/apply", 400, "problems\":[{"),
        ] {
            let (text, path) = apply(text, path).await;
            expect(&plane, &["-H", YAML, "-d", &text, path], status, word).await;
        }
    });
}

#[test]
fn pages_are_filtered_and_lead_on() {
    check(async |stack| {
        let plane = stack.start().await;
        let owned =
            tier("Silver", 1).replace("name: Silver", "name: Silver, owner: anna, labels: {a: b}");
        let all = [api("a"), tier("Gold", 1), owned, tier("Steel", 1)].join("---\n");
        stack.apply(&plane, &all).await;
        for (path, status, word, other) in [
            ("/api/v1/tiers?name=S", 200, "Steel", "Gold"),
            ("/api/v1/tiers?owner=anna", 200, "Silver", "Steel"),
            ("/api/v1/tiers?label=a%3Db", 200, "Silver", "Steel"),
            (
                "/api/v1/tiers?name=S&pageSize=1",
                200,
                "/api/v1/tiers?name=S&pageSize=1&pageToken=",
                "Steel",
            ),
            ("/api/v1/apis?lifecycle=PUBLISHED", 200, "\"name\":\"a\"", "nothing"),
            ("/api/v1/apis?lifecycle=RETIRED", 200, "\"items\":[]", "\"name\":\"a\""),
            ("/api/v1/apis?context=%2Fa", 200, "\"name\":\"a\"", "nothing"),
            ("/api/v1/apis?context=%2Fb", 200, "\"items\":[]", "\"name\":\"a\""),
            ("/api/v1/tiers?context=%2Fa", 400, "no context", "nothing"),
            ("/api/v1/apis?lifecycle=GONE", 400, "PROTOTYPED", "nothing"),
            ("/api/v1/tiers?ownr=anna", 400, "did you mean owner", "nothing"),
            ("/api/v1/tiers?owner=a&owner=b", 400, "owner is given twice", "nothing"),
        ] {
            let (found, body) = curl(&plane, true, &[path]).await;
            assert!(found == status && body.contains(word), "{path}: {found} {body}");
            assert!(!body.contains(other), "{path}: {body}");
        }
        let head = ["-i", "/api/v1/tiers?pageSize=1"];
        expect(&plane, &head, 200, "link: </api/v1/tiers?pageSize=1&pageToken=").await;
    });
}

#[test]
fn whoever_knows_a_resource_is_told_so() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        let (_, body) = curl(&plane, true, &["-i", "/api/v1/tiers/Gold"]).await;
        let tag =
            body.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().trim().to_owned();
        let known = format!("if-none-match: {tag}");
        expect(&plane, &["-H", &known, "/api/v1/tiers/Gold"], 304, "").await;
        expect(&plane, &["-H", "if-none-match: \"0\"", "/api/v1/tiers/Gold"], 200, "Gold").await;
        expect(&plane, &["-I", "/api/v1/tiers/Gold"], 200, "content-length: ").await;
        expect(&plane, &["-H", "accept: text/html", "/api/v1/tiers/Gold"], 406, "not_acceptable")
            .await;
    });
}

#[test]
fn the_services_of_administrators_are_reached_over_rest() {
    check(async |stack| {
        let plane = stack.start().await;
        stack
            .apply(
                &plane,
                "{apiVersion: turnpike/v1, kind: Application, metadata: {name: shop}, spec: {}}",
            )
            .await;
        let post =
            |body: &'static str, path: &'static str| ["-X", "POST", "-H", JSON, "-d", body, path];
        expect(&plane, &post("{}", "/api/v1/publish/wait"), 200, "\"revision\":\"1\"").await;
        let keys = "/api/v1/applications/shop/api-keys";
        let (status, made) = curl(&plane, true, &post(r#"{"label":"l"}"#, keys)).await;
        assert_eq!(status, 201, "{made}");
        let id = made.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap();
        let path = format!("{keys}/{id}");
        expect(&plane, &["-X", "DELETE", &path], 200, "revision").await;
        let nobody = ["-X", "DELETE", "/api/v1/applications/nobody/api-keys/k"];
        expect(&plane, &nobody, 404, "urn:turnpike:problem:not_found").await;
        let wrong = post(r#"{"timout":"5s"}"#, "/api/v1/publish/wait");
        expect(&plane, &wrong, 400, "did you mean `timeout`").await;
        let other = post(r#"{"application":"other"}"#, keys);
        expect(&plane, &other, 400, "the path says `shop`").await;
        let (status, body) = curl(&plane, false, &post("{}", "/api/v1/publish/wait")).await;
        assert!(status == 401 && body.contains("unauthenticated"), "{status} {body}");
    });
}

#[test]
fn the_good_part_of_a_document_is_stored_when_asked() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("first", 1)).await;
        let text = [tier("Good", 5), tier("Bad", 0)].join("---\n");
        let apply = |path: &'static str| ["-H", YAML, "-d", text.as_str(), path].map(str::to_owned);
        for (path, status, word) in [
            ("/api/v1/apply", 400, "Tier/Bad"),
            ("/api/v1/apply?partial=true&dryRun=true", 200, "Tier/Bad"),
            ("/api/v1/apply?partial=true", 200, "\"key\":\"Tier/Good\""),
        ] {
            let asked = apply(path);
            let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
            expect(&plane, &asked, status, word).await;
        }
        expect(&plane, &["/api/v1/tiers/Good"], 200, "Good").await;
        expect(&plane, &["/api/v1/tiers/Bad"], 404, "not_found").await;
    });
}

#[test]
fn conditions_are_kept() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        let spec = r#"{"spec":{"quota":{"requests":"5","per":"60s"}}}"#;
        let put = |condition: &'static str| {
            ["-X", "PUT", "-H", JSON, "-H", condition, "-d", spec, "/api/v1/tiers/Gold"]
        };
        expect(&plane, &put("if-none-match: *"), 412, "precondition_failed").await;
        expect(&plane, &put("if-match: \"7\""), 412, "precondition_failed").await;
        expect(&plane, &put("if-match: \"1\", \"9\""), 200, r#""revision""#).await;
        expect(&plane, &put("if-match: *"), 200, r#""revision""#).await;
        let absent = ["-X", "DELETE", "-H", "if-match: *", "/api/v1/tiers/None"];
        expect(&plane, &absent, 412, "precondition_failed").await;
        let old = r#"{"metadata":{"revision":"1"},"spec":{}}"#;
        let put = ["-X", "PUT", "-H", JSON, "-d", old, "/api/v1/tiers/Gold"];
        expect(&plane, &put, 409, "conflict").await;
    });
}

#[test]
fn what_is_not_understood_is_refused_with_the_right_status() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        expect(&plane, &["/api/v1/tierz"], 404, "/api/v1/tiers").await;
        expect(&plane, &["-X", "POST", "/api/v1/tiers/Gold"], 405, "GET, HEAD, PUT, DELETE").await;
        let xml = ["-H", "content-type: application/xml", "-d", "<a/>", "/api/v1/apply"];
        expect(&plane, &xml, 415, "application/yaml").await;
        expect(&plane, &["-X", "PUT", "-H", JSON, "-d", "{", "/api/v1/tiers/x"], 400, "not JSON")
            .await;
        let other =
            ["-X", "PUT", "-H", JSON, "-d", r#"{"metadata":{"name":"y"}}"#, "/api/v1/tiers/x"];
        expect(&plane, &other, 400, "Tier/x").await;
        expect(&plane, &["/api/v1/tiers?pageToken=%21"], 400, "page token").await;
        expect(&plane, &["/console"], 404, "console").await;
        let file = plane.host.data.join("large");
        std::fs::write(&file, vec![b'#'; 17 * 1024 * 1024]).unwrap();
        let file = format!("@{}", file.display());
        expect(&plane, &["-H", YAML, "--data-binary", &file, "/api/v1/apply"], 413, "too_large")
            .await;
    });
}

#[test]
fn a_resource_that_is_too_large_is_a_problem_and_not_a_failure() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        let text = "x".repeat(10 * 1024 * 1024);
        let large =
            api("a").replace("spec: {", &format!("spec: {{definition: {{text: \"{text}\"}}, "));
        let file = plane.host.data.join("large");
        std::fs::write(&file, large).unwrap();
        let file = format!("@{}", file.display());
        expect(
            &plane,
            &["-H", YAML, "--data-binary", &file, "/api/v1/apply"],
            400,
            "problems\":[{",
        )
        .await;
    });
}

#[test]
fn without_the_token_only_the_description_is_shown() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        for path in ["/api/v1/tiers", "/api/v1/tiers/Gold", "/api/v1/gateways"] {
            let (status, body) = curl(&plane, false, &[path]).await;
            assert!(status == 401 && body.contains("unauthenticated"), "{path}: {status} {body}");
            let (status, _) =
                curl(&plane, false, &["-H", "authorization: Bearer wrong", path]).await;
            assert_eq!(status, 401);
        }
        let (status, body) = curl(&plane, false, &["/api/v1/openapi.json"]).await;
        assert!(status == 200 && body.contains("3.1.0"));
        let (status, _) = curl(&plane, false, &["/carbon"]).await;
        assert_eq!(status, 302);
    });
}

#[test]
fn steps_are_taken_and_what_waits_is_listed() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a").replace("PUBLISHED", "CREATED")).await;
        let life = "/api/v1/apis/a:1/lifecycle";
        let post = |body: &'static str, path: &'static str| ["-H", JSON, "-d", body, path];
        expect(&plane, &[life], 200, r#""action":"publish""#).await;
        expect(&plane, &post(r#"{"action":"retire"}"#, life), 409, "out_of_turn").await;
        expect(&plane, &post(r#"{"action":"explode"}"#, life), 400, "`explode` is not known here")
            .await;
        expect(&plane, &post(r#"{"action":"publish"}"#, life), 200, r#""state":"PUBLISHED""#).await;
        let versions = "/api/v1/apis/a:1/versions";
        expect(&plane, &post(r#"{"newVersion":"2"}"#, versions), 201, r#""key":"Api/a:2""#).await;
        expect(&plane, &["/api/v1/workflow"], 200, r#""items":[]"#).await;
        expect(&plane, &["/api/v1/workflow?al=true"], 400, "did you mean all").await;
        expect(&plane, &post("{}", "/api/v1/workflow/none/approve"), 404, "not_found").await;
    });
}

#[test]
fn the_past_is_told_and_put_back() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        let apply = "/api/v1/apply?reason=more&fields=true";
        expect(&plane, &["-H", YAML, "-d", &tier("Gold", 2), apply], 200, "spec.quota.requests")
            .await;
        expect(&plane, &["/api/v1/history?key=Tier/Gold"], 200, r#""reason":"more""#).await;
        expect(&plane, &["/api/v1/history?kind=api"], 200, r#""entries":[]"#).await;
        expect(&plane, &["/api/v1/history?since=yesterday"], 400, "2026-01-31T12:00:00Z").await;
        expect(&plane, &["/api/v1/history?key=Gold"], 400, "Tier/Gold").await;
        let then = "/api/v1/history/as-of?key=Tier/Gold&revision=1";
        expect(&plane, &[then], 200, r#""requests":1"#).await;
        expect(&plane, &["/api/v1/history/as-of?revision=9"], 404, "not_kept").await;
        expect(&plane, &["/api/v1/history/diff?from=1"], 200, r#""before":"1""#).await;
        let back = r#"{"key":"Tier/Gold","revision":"1"}"#;
        let back = ["-X", "POST", "-H", JSON, "-d", back, "/api/v1/history/rollback"];
        expect(&plane, &back, 200, r#""revision":"3""#).await;
        expect(&plane, &["/api/v1/tiers/Gold"], 200, r#""requests":1"#).await;
        expect(&plane, &["/api/v1/audit"], 200, "resources.changed").await;
        let spec = r#"{"spec":{"quota":{"requests":"5","per":"60s"}}}"#;
        let late =
            ["-X", "PUT", "-H", JSON, "-H", "if-match: \"1\"", "-d", spec, "/api/v1/tiers/Gold"];
        expect(&plane, &late, 412, "token changed it at").await;
    });
}

#[test]
fn without_a_collector_nobody_is_told_of_calls() {
    check(async |stack| {
        let plane = stack.start_with("control-plane", "[collector]\naddress = \"\"\n").await;
        stack.apply(&plane, &tier("first", 1)).await;
        for (path, status, word) in [
            ("/api/v1/analytics/usage", 404, "collector.address"),
            ("/api/v1/analytics/usage?interval=soon", 400, "\"field\":\"interval\""),
            ("/api/v1/analytics/usage?api=a&api=b", 400, "api is given twice"),
            ("/api/v1/analytics/usages", 404, "no_route"),
            ("/api/v1/alerts", 404, "collector.address"),
            ("/api/v1/alerts/watch", 404, "collector.address"),
            ("/api/v1/reports/monthly?year=2026&month=10", 404, "collector.address"),
        ] {
            expect(&plane, &[path], status, word).await;
        }
        let (status, body) = curl(&plane, false, &["/api/v1/analytics/tail"]).await;
        assert!(status == 401 && body.contains("unauthenticated"), "{status} {body}");
        let refused = ["-H", "accept: application/json", "/api/v1/alerts/watch"];
        expect(&plane, &refused, 406, "text/event-stream").await;
    });
}

#[test]
fn a_collector_that_does_not_answer_is_told_with_when_to_ask_again() {
    check(async |stack| {
        let settings = "[collector]\naddress = \"https://127.0.0.1:1\"\n";
        let plane = stack.start_with("control-plane", settings).await;
        stack.apply(&plane, &tier("first", 1)).await;
        expect(&plane, &["-i", "/api/v1/analytics/logs"], 503, "retry-after: 1").await;
        expect(&plane, &["/api/v1/analytics/tail"], 503, "unavailable").await;
    });
}
