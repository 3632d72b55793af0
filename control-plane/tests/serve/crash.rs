//! Is an acknowledged write still there after kill -9? Told of the real program.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chassis::pki::Identity;
use turnpike_proto::admin::v1::ListRequest;
use turnpike_proto::admin::v1::tiers_client::TiersClient;
use turnpike_proto::config::v1::resource::Resource as Any;

use crate::stack::{check, resources, tier};

fn start(folder: &Path) -> (Child, std::net::SocketAddr) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .env("TURNPIKE_SERVICE_DATA", folder.join("data"))
        .env("TURNPIKE_PKI_DIRECTORY", folder.join("pki"))
        .env("TURNPIKE_RPC_LISTEN", port.to_string())
        .env("TURNPIKE_REST_LISTEN", "127.0.0.1:0")
        .env("TURNPIKE_OPERATIONS_LISTEN", "127.0.0.1:0")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (child, port)
}

#[test]
fn no_acknowledged_write_is_lost_by_kill_9() {
    check(async |stack| {
        let pki = stack.path().join("pki");
        chassis::pki::development(&pki, &["admin"]).unwrap();
        let admin = Identity::named(&pki, "admin").unwrap();
        for round in 0..5 {
            let (mut child, port) = start(stack.path());
            let address = format!("https://{port}");
            let channel = chassis::rpc::channel(&admin, &address, "control-plane").unwrap();
            let mut tiers = TiersClient::new(channel);
            let kept = loop {
                match tiers.list(ListRequest::default()).await {
                    Ok(page) => break page.into_inner().items.len(),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            };
            assert_eq!(kept, round * 10);
            for n in 0..10 {
                let text = tier(&format!("t{round}-{n}"), 5);
                let Some(Any::Tier(tier)) = resources(&text).remove(0).resource else { panic!() };
                tiers.put(tier).await.unwrap();
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
    });
}
