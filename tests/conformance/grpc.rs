//! gRPC: does each interop case of grpc-go pass through the gateway, in the clear and under TLS?

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use harness::process::Process;
use harness::{Alone, eventually, free_port};
use tokio::net::TcpStream;
use tokio::process::Command;

/// The cases that need no account of a cloud. `pick_first_unary` is not among them: it asks the
/// server for its name, which this server does not tell.
const CASES: [&str; 18] = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "custom_metadata",
    "orca_per_rpc",
    "orca_oob",
    "rpc_soak",
    "channel_soak",
];

/// One API per service of the server, and one for a service that the server does not have.
const SERVICES: [&str; 3] = [
    "grpc.testing.TestService",
    "grpc.testing.UnimplementedService",
    "xds.service.orca.v3.OpenRcaService",
];

fn resources(port: u16) -> String {
    let api = |(number, service): (usize, &&str)| {
        format!(
            "---\napiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: s{number}, version: '1.0' }}\n\
             spec:\n  context: /{service}\n  defaultVersion: true\n  lifecycle: PUBLISHED\n  \
             type: GRPC\n  security: {{ schemes: [none] }}\n  \
             endpoints: {{ production: {{ urls: ['http://127.0.0.1:{port}/{service}'] }} }}\n"
        )
    };
    SERVICES.iter().enumerate().map(api).collect()
}

/// Why a case did not pass.
async fn failure(mut command: Command) -> Option<String> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(Duration::from_mins(1), command.output()).await {
        Err(_) => Some("no end".to_owned()),
        Ok(Ok(output)) if output.status.success() => None,
        Ok(output) => Some(format!("{output:?}")),
    }
}

/// The client for one case, which calls the gateway.
fn client(folder: &Path, gateway: &Alone, under_tls: bool, case: &str) -> Command {
    let address = if under_tls { gateway.https() } else { gateway.http() };
    let mut command = Command::new(folder.join("client"));
    command.args(["--server_host=127.0.0.1", "--test_case", case]);
    command.arg(format!("--server_port={}", address.port()));
    // How long a call takes is asked elsewhere; here a loaded machine is no failure.
    command.arg("--soak_per_iteration_max_acceptable_latency_ms=20000");
    command.arg("--soak_overall_timeout_seconds=50");
    if case.starts_with("orca_") {
        // By this policy the client listens to what the server says of its load.
        let policy = r#"{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}"#;
        command.args(["--service_config_json", policy]);
    }
    if under_tls {
        command.args(["--use_tls", "--use_test_ca", "--server_host_override=localhost"]);
        command.arg("--ca_file").arg(gateway.folder().join("pki/ca.pem"));
    }
    command
}

/// Runs every case.
async fn check(under_tls: bool) {
    let folder = std::env::var("TURNPIKE_GRPC_INTEROP").unwrap_or_default();
    if folder.is_empty() {
        println!("left out: the gRPC interop cases (TURNPIKE_GRPC_INTEROP names no folder)");
        return;
    }
    let folder = Path::new(&folder);
    let port = free_port();
    let gateway = Alone::start(&resources(port), "").await;
    // It has no option for an address, so it listens on all of them while the cases run.
    let mut server = std::process::Command::new(folder.join("server"));
    server.arg(format!("--port={port}"));
    let _server = Process::start("server", &mut server, &gateway.folder().join("server.log"));
    eventually("the server listens", Duration::from_secs(30), || async move {
        TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;

    let mut failed = Vec::new();
    for case in CASES {
        if let Some(why) = failure(client(folder, &gateway, under_tls, case)).await {
            println!("{case}: {why}");
            failed.push(case);
        }
    }
    let passed = CASES.len() - failed.len();
    let how = if under_tls { "under TLS" } else { "in the clear" };
    println!("gRPC interop {how}: {passed} passed, {} failed", failed.len());
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_grpc_interop_case_passes_in_the_clear() {
    check(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_grpc_interop_case_passes_under_tls() {
    check(true).await;
}
