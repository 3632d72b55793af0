//! The response cache: every case of http-cache-tests.

use std::process::Command;

use harness::{Alone, free_port};
use serde_json::Value;

/// Required cases that do not pass, each with its reason.
const EXCEPTIONS: [&str; 7] = [
    // `Age: 0,7200` is to be read as 0 and `Age: 0, 0` as ancient. A list is ancient here.
    "age-parse-prefix",
    // The server sends a transfer coding that nobody knows; such an answer is refused with 502.
    "headers-store-Transfer-Encoding",
    // The case takes an answer without the server's own fields for a kept one; here it is the
    // gateway's 502, since nothing stale may be given.
    "stale-close-must-revalidate",
    "stale-close-no-cache",
    "stale-close-proxy-revalidate",
    "stale-close-s-maxage=2",
    // `Surrogate-Control` counts for devices that tell their name; the gateway tells none.
    "surrogate-fresh-cc-nostore",
];

fn resources(port: u16) -> String {
    format!(
        "apiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: suite, version: '1.0' }}\nspec:\n  \
         context: /suite\n  lifecycle: PUBLISHED\n  security: {{ schemes: [none] }}\n  \
         endpoints: {{ production: {{ urls: ['http://127.0.0.1:{port}'] }} }}\n  \
         cache: {{ storeCookies: true }}\n  operations:\n    - {{ method: '*', path: '/*' }}\n    \
         - {{ method: '*', path: '/config/*', cache: {{ off: true }} }}\n    \
         - {{ method: '*', path: '/state/*', cache: {{ off: true }} }}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_required_case_of_cache_tests_passes_but_those_that_cannot() {
    let folder = std::env::var("TURNPIKE_HTTP_CACHE_TESTS").unwrap_or_default();
    if folder.is_empty() {
        println!("left out: http-cache-tests (TURNPIKE_HTTP_CACHE_TESTS names no folder)");
        return;
    }
    let port = free_port();
    let gateway = Alone::start(&resources(port), "").await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/cache_tests.mjs");
    let mut command = Command::new("node");
    command.args(["--no-warnings", script, &folder, &port.to_string()]);
    command.arg(format!("http://{}/suite/1.0", gateway.http()));
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("a thread").expect("node");
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    for kind in ["required", "optimal", "check"] {
        let tests = said[kind]["tests"].as_u64().unwrap_or_default();
        let failed = said[kind]["failed"].as_object().map_or(0, serde_json::Map::len) as u64;
        println!("http-cache-tests, {kind}: {} passed of {tests}", tests.saturating_sub(failed));
    }
    let failed = said["required"]["failed"].as_object().expect("a report");
    let mut names: Vec<&str> = failed.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, EXCEPTIONS, "{failed:#?}");
}
