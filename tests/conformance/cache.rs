//! The response cache: every case of http-cache-tests.

use std::process::Command;

use harness::{Alone, free_port};
use serde_json::Value;

/// Required cases that do not pass, each with its reason.
const EXCEPTIONS: [&str; 6] = [
    // Wants `Age: 0,7200` to be read by its first member, as RFC 9111 §5.1 says; `age-parse-dup-0`,
    // `-dup-0-twoline`, `-dup-old` and `-prefix-twoline` want such lists to be stale. No reading has
    // both. A list is ancient here: that passes the four, and nothing stale is taken for fresh.
    "age-parse-prefix",
    // The server names a transfer coding that was not asked for and that nobody can take off (RFC
    // 9112 §7), so the first of the two calls is answered 502 and the second is not asked at all.
    "headers-store-Transfer-Encoding",
    // The server hangs up, and nothing stale may be given: the gateway says 502, as RFC 9111
    // §5.2.2.2 wants an error. The case looks for a field in it that only the server writes. By the
    // suite's own rules these four are not asked where `stale-close` is answered with no, as here.
    "stale-close-must-revalidate",
    "stale-close-no-cache",
    "stale-close-proxy-revalidate",
    "stale-close-s-maxage=2",
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
