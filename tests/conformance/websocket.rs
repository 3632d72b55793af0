//! WebSocket: does Autobahn's fuzzing client see through the gateway what it sees without it?

use std::collections::BTreeMap;
use std::time::Duration;

use harness::process::Process;
use harness::{Alone, eventually, free_port};
use serde_json::Value;
use tokio::net::TcpStream;

/// The cases that are run, and how many those are.
///
/// Of the 216 cases 12 and 13, compression, each way of agreeing on it is tried with short messages
/// and with fragments. All of them take many minutes, twelve are errors of the runner itself, and
/// what is inside a frame passes the gateway unread.
const CASES: &str = "1.* 2.* 3.* 4.* 5.* 6.* 7.* 9.* 10.* 12.*.4 12.*.11 13.*.4 13.*.11";
const COUNT: usize = 325;

fn resources(port: u16) -> String {
    format!(
        "apiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: echo, version: '1.0' }}\nspec:\n  \
         context: /echo\n  lifecycle: PUBLISHED\n  type: WS\n  security: {{ schemes: [none] }}\n  \
         endpoints: {{ production: {{ urls: ['http://127.0.0.1:{port}'] }} }}\n"
    )
}

/// What the fuzzing client says of the server at `url`, by case.
async fn verdicts(folder: &str, url: &str) -> BTreeMap<String, Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/websocket_fuzzing.py");
    let mut command = tokio::process::Command::new("python3");
    command.args(["-IB", script, folder, url]).args(CASES.split(' ')).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_mins(3), command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("no end of {url}")).expect("python3");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_websocket_case_of_autobahn_ends_as_it_does_without_the_gateway() {
    let folder = std::env::var("TURNPIKE_AUTOBAHN").unwrap_or_default();
    if folder.is_empty() {
        println!("left out: the WebSocket cases of Autobahn (TURNPIKE_AUTOBAHN names no folder)");
        return;
    }
    let port = free_port();
    let gateway = Alone::start(&resources(port), "").await;
    let mut command = std::process::Command::new("node");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/websocket_echo.mjs"));
    command.args([&folder, &port.to_string()]);
    let _echo = Process::start("echo", &mut command, &gateway.folder().join("echo.log"));
    eventually("the echo server listens", Duration::from_secs(30), || async move {
        TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;

    let directly = verdicts(&folder, &format!("ws://127.0.0.1:{port}/")).await;
    let through = verdicts(&folder, &format!("ws://{}/echo/1.0", gateway.http())).await;
    let bad = |case: &Value| {
        let good = ["OK", "NON-STRICT", "INFORMATIONAL"];
        [&case["behavior"], &case["close"]]
            .into_iter()
            .any(|verdict| !good.contains(&verdict.as_str().unwrap_or_default()))
    };
    let failed: Vec<_> = through.iter().filter(|(_, case)| bad(case)).collect();
    let other: Vec<_> =
        directly.iter().filter(|(name, case)| through.get(*name) != Some(*case)).collect();
    println!(
        "Autobahn through the gateway: {} cases, {} failed, {} differ from those without it",
        through.len(),
        failed.len(),
        other.len()
    );
    let shown =
        |name: &String| format!("{name}: {} and through it {}", directly[name], through[name]);
    assert_eq!((directly.len(), through.len()), (COUNT, COUNT), "all cases ran");
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(
        other.is_empty(),
        "{:#?}",
        other.iter().map(|(name, _)| shown(name)).collect::<Vec<_>>()
    );
}
