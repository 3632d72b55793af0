//! What do the tests of third-party providers stand on?

use std::time::Duration;

use harness::resources::{api, subscription, tier};
use harness::{Stack, eventually};
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// Providers are believed whose certificates the test's own authority signed, and read again soon.
pub(super) const SETTINGS: (&str, &str) = (
    "key-manager",
    "[outbound]\nauthorities = \"{folder}/pki/ca.pem\"\n[federation]\nrefresh = \"4s\"\npause = \"1s\"",
);
/// For whom tokens are.
pub(super) const AUDIENCE: &str = "https://api.example/jwt";
/// The client of the application there.
pub(super) const SHOP: (&str, &str) = ("shop", "shop-secret-of-a-test");

pub(super) fn secret(name: &str, value: &str) -> String {
    resource("Secret", name, &json!({ "value": value }))
}

pub(super) fn key_manager(name: &str, spec: &Value) -> String {
    resource("KeyManager", name, spec)
}

fn resource(kind: &str, name: &str, spec: &Value) -> String {
    let whole = json!({
        "apiVersion": "turnpike/v1", "kind": kind, "metadata": { "name": name }, "spec": spec,
    });
    format!("---\n{whole}\n")
}

pub(super) async fn listening(name: &str, port: u16) {
    eventually(&format!("{name} listens"), Duration::from_mins(2), || async move {
        TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
}

/// Posts a form with the client's name and secret in the Authorization field. curl is another
/// implementation than ours.
pub(super) async fn post(url: &str, (id, secret): (&str, &str), form: &[(&str, &str)]) -> Value {
    let mut command = tokio::process::Command::new("curl");
    command.args(["--silent", "--show-error", "--insecure", "--max-time", "20"]);
    command.args(["--user", &format!("{id}:{secret}"), url]);
    for (name, value) in form {
        command.arg("--data-urlencode").arg(format!("{name}={value}"));
    }
    let output = command.output().await.expect("curl");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{url}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// An API that takes tokens of `elsewhere`, an application with clients there, and its subscription.
pub(super) fn published(backend: &str, clients: &[&str]) -> String {
    let api = api("orders", backend, &["Gold"]).replace(
        "  tiers:",
        "    - { method: GET, path: /read, scopes: [orders.read] }\n    \
         - { method: GET, path: /write, scopes: [orders.write] }\n  \
         keyManagers: [elsewhere]\n  tiers:",
    );
    let keys: Vec<String> = clients.iter().map(|id| format!("elsewhere/{id}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    [
        tier("Gold", 100_000),
        api,
        harness::resources::application("shop", &keys),
        subscription("shop", "orders", "Gold"),
    ]
    .concat()
}

pub(super) async fn verdict(stack: &Stack, token: &str, path: &str) -> String {
    let target = format!("/orders/1.0.0{path}");
    let answer = stack.client().with_token(token).get(&target).await;
    if answer.status == 200 { "200".to_owned() } else { answer.verdict() }
}

/// Calls until the answer is this one.
pub(super) async fn becomes(stack: &Stack, token: &str, path: &str, expected: &str) {
    let what = format!("{path} answers {expected}");
    eventually(&what, Duration::from_secs(20), async || {
        let said = verdict(stack, token, path).await;
        (said == expected).then_some(())
    })
    .await;
}
