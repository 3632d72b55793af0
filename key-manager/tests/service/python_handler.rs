//! Does the grant handler of the examples, which is not in Rust, get along with the key manager?

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use chassis::Host;
use key_manager::registration::Application;
use serde_json::json;
use tonic::Code;
use turnpike_proto::identity::v1::DescribeGrantHandlerRequest;
use turnpike_proto::identity::v1::grant_handler_client::GrantHandlerClient;

use crate::databases::Scratch;
use crate::kiosk::{TYPE, application, plugin};
use crate::stand::{BEGIN, Stand, config, json as body, part, said, text};

/// The example, with its messages made in a folder of the test.
struct Example {
    process: Child,
    port: u16,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What Python finds `grpc` in; `None`: nowhere.
#[expect(clippy::disallowed_methods, reason = "where ./test put the packages")]
fn packages() -> Option<String> {
    let at = std::env::var("TURNPIKE_GRPC_PYTHON").unwrap_or_default();
    let has = Command::new("python3")
        .args(["-c", "import grpc, grpc_tools"])
        .env("PYTHONPATH", &at)
        .stderr(Stdio::null())
        .status();
    if has.is_ok_and(|status| status.success()) {
        return Some(at);
    }
    eprintln!("left out: python3 with grpcio and grpcio-tools (TURNPIKE_GRPC_PYTHON)");
    None
}

fn start(data: &Path, packages: &str, vouchers: &str) -> Example {
    Host::development("kiosk", data).expect("a certificate");
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let (made, pki) = (data.join("messages"), data.join("pki"));
    std::fs::create_dir(&made).expect("a folder");
    std::fs::write(data.join("vouchers.txt"), vouchers).expect("a file");
    let status = Command::new("python3")
        .args(["-m", "grpc_tools.protoc", "-I", "proto"])
        .arg(format!("--python_out={}", made.display()))
        .arg(format!("--grpc_python_out={}", made.display()))
        .arg("turnpike/identity/v1/grant_handler.proto")
        .current_dir(root.parent().expect("the root"))
        .env("PYTHONPATH", packages)
        .status();
    assert!(status.expect("python3").success(), "the messages are not made");
    let mut process = Command::new("python3")
        .arg(root.join("examples/grant_handler_python/voucher_handler.py"))
        .args(["--listen", "127.0.0.1:0", "--ca"])
        .arg(pki.join("ca.pem"))
        .arg("--certificate")
        .arg(pki.join("kiosk.pem"))
        .arg("--key")
        .arg(pki.join("kiosk.key"))
        .arg("--vouchers")
        .arg(data.join("vouchers.txt"))
        .env("PYTHONPATH", format!("{}:{packages}", made.display()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example");
    let mut line = String::new();
    let out = process.stdout.take().expect("its output");
    BufReader::new(out).read_line(&mut line).expect("a line");
    let port = line.trim().rsplit(' ').next().and_then(|port| port.parse().ok());
    Example { process, port: port.unwrap_or_else(|| panic!("it does not listen: {line}")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vouchers_of_a_program_in_python_are_good_once() {
    let Some(packages) = packages() else { return };
    let scratch = Scratch::sqlite();
    let data = scratch.folder.path();
    let example = start(data, &packages, "# CODE NAME SCOPE...\nV-1234 ann a z\nV-5 nobody a\n");
    let mut config = config();
    let mut configured = plugin(([127, 0, 0, 1], example.port).into());
    configured.claims = vec!["voucher_shop".to_owned()];
    config.plugins.grants = vec![configured];
    let stand = Stand::with(&scratch, data, BEGIN, config).await;
    for handler in stand.authority.grants.handlers() {
        handler.describe().await.expect("a description");
    }
    let ann = stand.person().await;
    let grant_types = vec![TYPE.to_owned()];
    let redirect_uris = Vec::new();
    let client = stand.register(Application { grant_types, redirect_uris, ..application(true) });
    let client = client.await;
    let ask = async |voucher: &str| {
        let form = format!("grant_type={TYPE}&voucher={voucher}");
        stand.post("/oauth2/token", &client, &form).await
    };
    assert_eq!(said(&ask("V-9").await), "400 voucher_unknown");
    assert_eq!(said(&ask("V-5").await), "400 invalid_grant", "it names nobody");
    let reply = ask("V-1234").await;
    assert_eq!(said(&reply), "200");
    let tokens = body(&reply);
    assert_eq!((&tokens["scope"], &tokens["expires_in"]), (&json!("a"), &json!(600)));
    let claims = part(&text(&tokens, "access_token"), 1);
    assert_eq!(claims["sub"], ann.id.as_str());
    assert_eq!(claims["voucher_shop"], "station");
    assert_eq!(said(&ask("V-1234").await), "400 invalid_grant");

    // Another service of the same authority is turned away.
    let gateway = Host::development("gateway", data).expect("a host");
    let address = format!("https://127.0.0.1:{}", example.port);
    let channel = chassis::rpc::channel(&gateway.tls, &address, "kiosk").expect("a channel");
    let mut stranger = GrantHandlerClient::new(channel);
    let asked = stranger.describe(DescribeGrantHandlerRequest::default());
    assert_eq!(asked.await.expect_err("refused").code(), Code::PermissionDenied);
}
