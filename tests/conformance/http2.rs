//! HTTP/2: every case of h2spec, and the abuse cases of the HTTP suite.

use std::path::PathBuf;
use std::process::Command;

use harness::{Alone, Backend};
use serde_json::Value;

/// A gateway with one open API at `/open/1.0`.
async fn gateway(backend: &Backend, receiver: &str) -> Alone {
    let resources = format!(
        "apiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: open, version: '1.0' }}\nspec:\n  \
         context: /open\n  lifecycle: PUBLISHED\n  security: {{ schemes: [none] }}\n  \
         endpoints: {{ production: {{ urls: ['{}'] }} }}\n",
        backend.url()
    );
    Alone::start(&resources, receiver).await
}

/// Runs h2spec with `arguments` and compares the failures with those that are `expected`.
async fn h2spec(under_tls: bool, expected: &[&str]) {
    let program = std::env::var("TURNPIKE_H2SPEC").unwrap_or_default();
    if program.is_empty() {
        println!("left out: h2spec (TURNPIKE_H2SPEC names none)");
        return;
    }
    let backend = Backend::start("b").await;
    let gateway = gateway(&backend, "").await;
    let address = if under_tls { gateway.https() } else { gateway.http() };
    let mut command = Command::new(program);
    command.args(["-S", "-h", "127.0.0.1", "-P", "/open/1.0/", "-p"]);
    command.arg(address.port().to_string());
    if under_tls {
        command.args(["-t", "-k"]);
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("a thread").expect("h2spec");
    let text = String::from_utf8_lossy(&output.stdout);
    let total = text.lines().rev().find(|line| line.contains(" tests, ")).unwrap_or_default();
    println!("h2spec {}: {total}", if under_tls { "under TLS" } else { "in the clear" });
    assert!(total.contains("146 tests, "), "all cases ran:\n{text}");
    let (_, summary) = text.split_once("Failures:").unwrap_or_default();
    let failed: Vec<&str> = summary
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("× "))
        .filter_map(|line| line.split_once(": ").map(|(_, name)| name))
        .collect();
    assert_eq!(failed, expected, "{summary}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_of_h2spec_passes_under_tls() {
    h2spec(true, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_clear_only_what_is_no_preface_differs_for_it_is_read_as_http1() {
    h2spec(false, &["Sends invalid connection preface"]).await;
}

/// What a case of the abuse probe reports, against its rules.
fn wrong(case: &Value) -> Vec<String> {
    let number = |name: &str| case[name].as_f64().unwrap_or(f64::MAX);
    let grown =
        case["rss_kb"][1].as_f64().unwrap_or(f64::MAX) - case["rss_kb"][0].as_f64().unwrap_or(0.0);
    [
        (case["closed"] != true, "the connection was not ended"),
        (number("sent") > 5_000.0, "the connection was ended late"),
        (number("polite_err") > 0.0, "a polite client was not served"),
        // On a quiet machine it is a few milliseconds.
        (number("p99_ms") > 1_000.0, "a polite client had to wait"),
        (grown > 32.0 * 1024.0, "the gateway took more than 32 MiB for it"),
    ]
    .into_iter()
    .filter(|(is_so, _)| *is_so)
    .map(|(_, what)| format!("{}: {what}: {case}", case["case"]))
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_abuse_is_cut_off_while_polite_clients_are_served() {
    let suites = std::env::var("TURNPIKE_SUITES").unwrap_or_else(|_| "../shared/suites".to_owned());
    let probe = PathBuf::from(suites).join("http-conformance/tools/h2_abuse.py");
    if !probe.exists() {
        println!("left out: the HTTP/2 abuse cases ({} is missing)", probe.display());
        return;
    }
    let backend = Backend::start("b").await;
    // Whoever only holds a connection is to be lost within the three seconds of a case.
    let limits = "idle_timeout = \"2s\"\nheader_timeout = \"2s\"\nstall_timeout = \"1s\"";
    let mut gateway = gateway(&backend, limits).await;
    let out = gateway.folder().join("abuse.json");
    let mut command = Command::new("python3");
    command.arg("-B").arg(probe).args(["--probe", "/open/1.0/", "--case", "all"]);
    command.args(["--target", &gateway.http().to_string(), "--pid", &gateway.pid().to_string()]);
    command.arg("--out").arg(&out);
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("a thread").expect("python3");
    let text = std::fs::read_to_string(&out).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let cases: Vec<Value> = serde_json::from_str(&text).expect("a report");
    let wrong: Vec<String> = cases.iter().flat_map(wrong).collect();
    println!("HTTP/2 abuse: {} cases, {} findings", cases.len(), wrong.len());
    assert_eq!(cases.len(), 16);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(gateway.is_running());
}
