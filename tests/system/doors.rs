//! Who gets in at which port, and what is shown to anybody?
//!
//! What each method is open to stands in the tables of the services, with a snapshot each; here the real
//! programs are asked by somebody who is in none of them, and by nobody at all.

use std::fmt::Write as _;
use std::time::Duration;

use harness::Client;
use harness::stack::{Engines, SERVICES, Stack};
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

/// Where people sign in is said before anybody is known.
const ANYBODY: &str = "/turnpike.admin.v1.People/SignIn";

/// Which service answers the methods of a package; `None`: a program of the operator.
fn server(service: &str) -> Option<&'static str> {
    let (package, name) = service.rsplit_once('.')?;
    match package {
        "turnpike.admin.v1" | "turnpike.config.v1" => Some("control-plane"),
        "turnpike.usage.v1" => Some("analytics-collector"),
        "turnpike.identity.v1" if name != "GrantHandler" && name != "ProviderConnector" => {
            Some("key-manager")
        }
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_is_in_no_table_may_call_nothing() {
    let stack = Stack::start(Engines::Embedded).await;
    let (mut asked, mut wrong) = (0, String::new());
    for service in turnpike_proto::POOL.services() {
        let Some(server) = server(service.full_name()) else { continue };
        let mut client = Grpc::new(stack.channel("visitor", server));
        for method in service.methods() {
            let path = format!("/{}/{}", service.full_name(), method.name());
            if path == ANYBODY {
                continue;
            }
            client.ready().await.expect("a connection");
            let codec = ProstCodec::<(), ()>::default();
            let path = PathAndQuery::try_from(path).expect("a path");
            let mut request = Request::new(());
            // A stream that is open to it would go on for ever.
            request.set_timeout(Duration::from_secs(30));
            let said = client.unary(request, path.clone(), codec).await;
            let code = said.map_or_else(|status| status.code(), |_| Code::Ok);
            asked += 1;
            if !matches!(code, Code::PermissionDenied | Code::Unauthenticated) {
                writeln!(wrong, "{path}: {code:?}").expect("a line");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(asked > 80, "only {asked} methods");
}

/// What the operations port of each service answers whoever reaches it, by method and path.
const SHOWN: &str = "\
analytics-collector GET /livez 200
analytics-collector GET /readyz 200
analytics-collector GET /metrics 200
key-manager GET /livez 200
key-manager GET /readyz 200
key-manager GET /metrics 200
key-manager GET /loglevel 200
control-plane GET /livez 200
control-plane GET /readyz 200
control-plane GET /metrics 200
control-plane GET /loglevel 200
gateway GET /livez 200
gateway GET /readyz 200
gateway GET /metrics 200
gateway GET /loglevel 200
gateway GET /config_dump 200
gateway GET /.well-known/turnpike/backend-jwks 200
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operations_port_shows_this_and_no_more() {
    let stack = Stack::start(Engines::Embedded).await;
    let paths = [
        "/livez",
        "/readyz",
        "/metrics",
        "/loglevel",
        "/config_dump",
        "/cache/purge",
        "/.well-known/turnpike/backend-jwks",
        "/",
        "/api/v1/apis",
        "/oauth2/token",
        "/oauth2/jwks",
        "/debug/pprof",
        "/shutdown",
        "/quit",
        "/admin",
        "/env",
        "/config",
        "/..%2f..%2fetc/passwd",
    ];
    let mut shown = String::new();
    for name in SERVICES {
        let mut client = Client::new(stack.operations(name));
        for path in paths {
            let status = client.get(path).await.status.as_u16();
            if status == 200 {
                writeln!(shown, "{name} GET {path} {status}").expect("a line");
            } else {
                assert!(matches!(status, 404 | 405), "{name} {path} {status}");
            }
            for method in ["POST", "PUT", "DELETE", "PATCH"] {
                let changes =
                    matches!((method, path), ("PUT", "/loglevel") | ("POST", "/cache/purge"));
                let status = client.call(method, path, &[], "").await.status.as_u16();
                // What changes something refuses an empty order.
                let refused = if changes { matches!(status, 400 | 404) } else { status >= 404 };
                assert!(refused, "{name} {method} {path} {status}");
            }
        }
    }
    assert_eq!(shown, SHOWN);
}

#[test]
fn every_port_listens_on_this_machine_alone_until_somebody_says_otherwise() {
    let texts = [
        include_str!("../../analytics-collector/default.toml"),
        include_str!("../../key-manager/default.toml"),
        include_str!("../../control-plane/default.toml"),
        include_str!("../../gateway/default.toml"),
    ];
    let mut ports = 0;
    for line in texts.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.split_once('=') else { continue };
        if !matches!(name.trim(), "listen" | "http" | "https") {
            continue;
        }
        let value = value.split('#').next().unwrap_or_default();
        for address in value.split('"').skip(1).step_by(2).filter(|address| !address.is_empty()) {
            assert!(address.starts_with("127.0.0.1:"), "{line}");
            ports += 1;
        }
    }
    assert!(ports >= 10, "only {ports} ports were found");
}
