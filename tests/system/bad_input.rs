//! What becomes of input that nobody should send?

use std::process::Command;
use std::time::Duration;

use harness::process::program;
use harness::resources::{api, application};
use harness::{Backend, Engines, Stack, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Applying `resources` is refused with exit code 1, and the reason names all of `words`.
async fn check(stack: &Stack, resources: &str, words: &[&str]) {
    let file = stack.file("bad.yaml", resources);
    let output = stack.try_turnpike(&["apply", "-f", &file]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is missing in: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_resource_is_refused_with_its_field_and_reason() {
    let backend = Backend::start("orders").await;
    let stack = Stack::start(Engines::Embedded).await;
    let good = api("orders", &backend.url(), &["Unlimited"]);
    stack.apply(&good).await;

    check(&stack, &good.replace("lifecycle", "lifecycel"), &["lifecycel", "lifecycle"]).await;
    check(&stack, &good.replace("context: /orders", "context: 7"), &["spec.context"]).await;
    check(&stack, &good.replace("[\"Unlimited\"]", "[Golld]"), &["spec.tiers[0]", "Golld"]).await;
    let twin = api("twin", &backend.url(), &["Unlimited"]).replace("/twin", "/orders");
    check(&stack, &twin, &["spec.context", "orders"]).await;
    check(&stack, &good.replace("{id}", "{id:[0-9}"), &["spec.operations[0].path"]).await;
    let long = |size| good.clone() + &format!("  description: \"{}\"\n", "x".repeat(size));
    check(&stack, &long(10 << 20), &["10486", "8388608"]).await;
    check(&stack, &long(5 << 20), &["Api/orders:1.0.0", "4194304"]).await;
    check(&stack, "kind: Api\napiVersion: turnpike/v1\n", &["metadata"]).await;
    check(&stack, "{ not yaml: [", &["bad.yaml"]).await;

    // Nothing of it was stored, and what was there still serves.
    let stored = stack.turnpike(&["get", "api"]).await;
    let names: Vec<&str> = stored
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|api| api["metadata"]["name"].as_str())
        .collect();
    assert_eq!(names, ["orders"], "{stored}");
    assert_eq!(stack.client().get("/orders/1.0.0/open").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_a_port_closes_that_connection_only() {
    let backend = Backend::start("orders").await;
    let mut stack = Stack::start(Engines::Embedded).await;
    stack.apply(&api("orders", &backend.url(), &["Unlimited"])).await;
    let garbage: [&[u8]; 4] =
        [b"\x00\xff\xfe\x01garbage\r\n\r\n", &[0x16; 4096], b"PRI * HTTP/2.0\r\n\r\nnot h2", &[]];
    for (name, address) in stack.listeners() {
        for bytes in garbage {
            let mut stream = TcpStream::connect(address).await.expect("a listener");
            // The other side may close while we write; both are what we want.
            drop(stream.write_all(bytes).await);
            drop(stream.shutdown().await);
            let mut answer = Vec::new();
            let ended =
                tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer))
                    .await;
            assert!(ended.is_ok(), "{name} keeps a connection of garbage open");
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{name} answers garbage with 200");
        }
    }
    for name in harness::stack::SERVICES {
        assert!(stack.is_running(name), "{name} ended");
        stack.ready(name).await;
    }
    assert_eq!(stack.client().get("/orders/1.0.0/open").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_authority_is_refused() {
    let stack = Stack::start(Engines::Embedded).await;
    let other = tempfile::tempdir().expect("a folder");
    chassis::pki::development(other.path(), &["admin"]).expect("another authority");
    let pki = other.path();
    for server in ["control-plane", "analytics-collector"] {
        let arguments: &[&str] = match server {
            "control-plane" => &["gateways"],
            _ => &["analytics", "usage"],
        };
        // Its own authority is trusted by the client, so only the server can refuse.
        let ca = stack.pki().join("ca.pem");
        let paths = [ca, pki.join("admin.pem"), pki.join("admin.key")]
            .map(|path| path.to_string_lossy().into_owned());
        let [ca, certificate, key] = &paths;
        let own = ["--ca", ca, "--cert", certificate, "--key", key];
        let all: Vec<&str> = arguments.iter().copied().chain(own).collect();
        let output = stack.try_turnpike(&all).await;
        assert_eq!(output.status.code(), Some(1), "{server}: {output:?}");
    }
    stack.turnpike(&["gateways"]).await;
}

#[test]
fn an_unknown_setting_names_the_nearest_known_one() {
    let folder = tempfile::tempdir().expect("a folder");
    for service in harness::stack::SERVICES {
        let file = folder.path().join("bad.toml");
        std::fs::write(&file, "[operations]\nlistne = \"127.0.0.1:0\"\n").expect("a file");
        let output = Command::new(program(service)).arg("--config").arg(&file).output();
        let output = output.expect("the program");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{service}: {said}");
        for word in ["listne", "listen", "bad.toml", "2"] {
            assert!(said.contains(word), "{service}: `{word}` is missing in: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_control_plane_has_every_acknowledged_change() {
    let mut stack = Stack::start(Engines::Embedded).await;
    for round in 0..5 {
        let name = format!("app{round}");
        let file = stack.file("app.yaml", &application(&name, &[]));
        stack.turnpike(&["apply", "-f", &file]).await;
        stack.kill("control-plane");
        stack.restart("control-plane").await;
        let found = eventually("the application is there", Duration::from_secs(5), async || {
            let output = stack.try_turnpike(&["get", "application", &name]).await;
            output.status.success().then_some(true)
        })
        .await;
        assert!(found);
    }
}
