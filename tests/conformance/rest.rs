//! REST: does schemathesis find an operation that does not do what its description says?
//!
//! Every check that it has, over every operation, with data that fits the description and data that does
//! not: the calls that it always makes, from the examples and the edges of each schema.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::Stack;
use harness::resources::api;
use serde_json::Value;

/// How long it may take; it takes a quarter of that.
const SECONDS: u64 = 200;

/// What it finds and is as it should be: its code, how the operation begins, and why.
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "ST202",
        "PUT /api/v1/",
        "admission knows what fields mean together, which a schema cannot say",
    ),
    ("ST202", "POST /api/v1/", "as PUT: names have to exist, and fields to fit each other"),
    ("ST202", "DELETE /api/v1/", "412 for an If-Match that does not hold is no fault of the data"),
    ("ST202", "GET /api/v1/history", "a revision is one that there was, and not 0"),
    ("ST201", "POST /api/v1/", "proto3 JSON takes null for what is left out"),
    ("ST201", "GET /api/v1/applications/{name}/limits", "a span of 0 takes no unit"),
];

/// Each finding: its code, its title and an operation.
fn findings(report: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all = Vec::new();
    for failure in report["failures"].as_array().expect("failures") {
        for operation in failure["operations"].as_array().into_iter().flatten() {
            all.push((text(&failure["code"]), text(&failure["title"]), text(operation)));
        }
    }
    all
}

/// What it says of the operations at `address`, and the whole text of its run.
async fn ask(folder: &str, stack: &Stack) -> (Value, String) {
    let (address, token) = stack.rest();
    let report = stack.folder().join("schemathesis.json");
    let mut command = tokio::process::Command::new("python3");
    command.env("PYTHONPATH", folder).env("NO_COLOR", "1").current_dir(stack.folder());
    command.args(["-B", "-m", "schemathesis.cli", "run"]);
    command.arg(format!("https://{address}/api/v1/openapi.json"));
    command.args(["--tls-verify", "false", "--checks", "all", "--seed", "7", "--workers", "1"]);
    // Whoever shows many wrong tokens is told to wait (429), and so would be the right one beside them;
    // that no operation lets in who shows none is a table of its own in the control plane.
    command.args(["--exclude-checks", "ignored_auth"]);
    // The phases that try the same calls each time.
    command.args(["--phases", "examples,coverage"]);
    command.args(["--continue-on-failure", "--max-time", &SECONDS.to_string()]);
    command.args(["--header", &format!("Authorization: Bearer {}", token.trim())]);
    command.args(["--report", "json", "--report-json-path"]).arg(&report);
    let output = tokio::time::timeout(Duration::from_mins(5), command.kill_on_drop(true).output());
    let output = output.await.expect("an end of schemathesis").expect("schemathesis");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = std::fs::read_to_string(&report).unwrap_or_else(|error| panic!("{error}: {said}"));
    (serde_json::from_str(&report).expect("a report"), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rest_operation_does_what_its_description_says() {
    let folder = std::env::var("TURNPIKE_SCHEMATHESIS").unwrap_or_default();
    if folder.is_empty() {
        println!("left out: schemathesis (TURNPIKE_SCHEMATHESIS names none)");
        return;
    }
    let stack = Stack::start_uncounted(&[]).await;
    let sample = api("orders", "http://127.0.0.1:9", &["Unlimited"])
        + "---\n{apiVersion: turnpike/v1, kind: Application, metadata: {name: shop}, spec: {}}\n"
        + "---\n{apiVersion: turnpike/v1, kind: Subscription, metadata: {name: shop-orders}, spec: \
           {application: shop, api: 'orders:1.0.0', tier: Unlimited}}\n";
    stack.apply(&sample).await;
    let (report, said) = ask(&folder, &stack).await;
    let (mut known, mut new) = (BTreeSet::new(), Vec::new());
    for (code, title, operation) in findings(&report) {
        let is_known =
            |(of, begin, _): &&(&str, &str, &str)| *of == code && operation.starts_with(begin);
        match KNOWN.iter().find(is_known) {
            Some(found) => drop(known.insert(found)),
            None => new.push(format!("{code} {title}: {operation}")),
        }
    }
    let total = &report["operations"]["total"];
    assert_eq!(&report["operations"]["tested"], total, "{said}");
    assert_eq!(report["operations"]["errored"], 0, "{said}");
    println!("{total} passed, {} failed; {} findings are known", new.len(), known.len());
    assert!(new.is_empty(), "{}\n{said}", new.join("\n"));
    let gone: Vec<_> = KNOWN.iter().filter(|one| !known.contains(one)).collect();
    assert!(gone.is_empty(), "these are found no more: {gone:?}");
}
