//! What does REST answer? Asked by curl, as an operator would.

use std::process::Command;

use crate::stack::{Plane, api, check, tier};

/// "status code" of an answer to curl with these arguments; the path comes last.
async fn curl(plane: &Plane, token: bool, arguments: &[&str]) -> (u16, String) {
    let (path, options) = arguments.split_last().unwrap();
    let mut command = Command::new("curl");
    command.args(["-sk", "-w", "\n%{http_code}", "--max-time", "30"]).args(options);
    if token {
        let token = std::fs::read_to_string(plane.host.data.join("admin.token")).unwrap();
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
        expect(&plane, &put("if-match: \"1\""), 200, r#""revision""#).await;
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
        expect(&plane, &["-X", "POST", "/api/v1/tiers/Gold"], 405, "GET, PUT, DELETE").await;
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
        expect(&plane, &post(r#"{"action":"explode"}"#, life), 400, "bad_request").await;
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
