//! Are keys in a device used there, and is nothing signed when it is away? (KM-082)
//!
//! With `SoftHSM2`, a token in files, and the real program.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jose::{Expectation, KeySet};
use turnpike_proto::identity::v1::clients_client::ClientsClient;
use turnpike_proto::identity::v1::keys_client::KeysClient;
use turnpike_proto::identity::v1::{
    ListKeysRequest, RegisterClientRequest, RegisterClientResponse, RevokeKeyRequest,
    RotateKeysRequest, SigningKey,
};

use crate::databases::{Scratch, each};
use crate::process::Process;

const TOOL: &str = "softhsm2-util";
/// Where Debian puts it.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "8642";

type Environment = Vec<(&'static str, String)>;

/// As a process takes it.
fn settings<'e>(environment: &'e [(&'static str, String)]) -> Vec<(&'e str, &'e str)> {
    environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// A token of a test's own; `None`: there is no `SoftHSM2` on this machine.
fn token(folder: &Path) -> Option<Environment> {
    if !Path::new(MODULE).exists() {
        eprintln!("left out: no {MODULE}");
        return None;
    }
    let tokens = folder.join("tokens");
    std::fs::create_dir_all(&tokens).expect("a folder");
    let (rules, pin) = (folder.join("softhsm2.conf"), folder.join("pin"));
    let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
    std::fs::write(&rules, text).expect("a file");
    secret(&pin, PIN);
    let made = Command::new(TOOL)
        .env("SOFTHSM2_CONF", &rules)
        .args(["--init-token", "--free", "--label", "turnpike", "--so-pin", "1234", "--pin", PIN])
        .output()
        .expect("softhsm2-util");
    assert!(made.status.success(), "{made:?}");
    Some(vec![
        ("SOFTHSM2_CONF", rules.display().to_string()),
        ("TURNPIKE_KEYS_PKCS11_MODULE", MODULE.to_owned()),
        ("TURNPIKE_KEYS_PKCS11_TOKEN", "turnpike".to_owned()),
        ("TURNPIKE_KEYS_PKCS11_PIN_FILE", pin.display().to_string()),
        ("TURNPIKE_KEYS_PKCS11_SESSIONS", "2".to_owned()),
    ])
}

/// A file that only its owner may read.
fn secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).expect("a file");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, mode).expect("a mode");
}

/// How many objects the token holds.
fn objects(folder: &Path) -> usize {
    let mut count = 0;
    for token in std::fs::read_dir(folder.join("tokens")).expect("the tokens") {
        for file in std::fs::read_dir(token.expect("a token").path()).expect("its objects") {
            let name = file.expect("a file").file_name();
            let name = name.to_string_lossy();
            count += usize::from(name.ends_with(".object") && name != "token.object");
        }
    }
    count
}

async fn client(process: &Process, data: &Path, algorithm: &str) -> RegisterClientResponse {
    let asked = RegisterClientRequest {
        name: "app".to_owned(),
        access_token_algorithm: algorithm.to_owned(),
        ..Default::default()
    };
    let mut clients = ClientsClient::new(process.channel(data, "control-plane"));
    clients.register(asked).await.expect("a client").into_inner()
}

async fn keys(process: &Process, data: &Path) -> Vec<SigningKey> {
    let mut keys = KeysClient::new(process.channel(data, "admin"));
    keys.list(ListKeysRequest {}).await.expect("keys").into_inner().keys
}

/// What somebody with the published keys makes of a token: its `alg`, where it is genuine.
async fn verified(process: &Process, data: &Path, token: &str) -> Option<String> {
    let set = KeySet::parse(&process.keys(data).await).expect("keys");
    let expect = Expectation {
        algorithms: jose::Algorithm::ALL.to_vec(),
        ..Expectation::access_token("https://127.0.0.1:9453/oauth2")
    };
    let now = chassis::Clock::system().unix_seconds();
    jose::verify(token, &set, &expect, now).ok()?;
    Some(crate::stand::text(&crate::stand::part(token, 0), "alg"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_signs_and_keeps_the_keys_through_rotation_restart_and_revocation() {
    each(async |scratch| {
        let data = scratch.folder.path();
        let Some(environment) = token(data) else { return };
        let process = Process::start_with(&scratch, &settings(&environment)).await;
        let es = client(&process, data, "").await;
        let token = process.token(data, &es).await;
        assert_eq!(verified(&process, data, &token).await.as_deref(), Some("ES256"));
        let listed = keys(&process, data).await;
        assert!(listed.iter().all(|key| key.home == "hsm"), "{listed:?}");
        // A public and a private half of the key that signs and of the next one.
        assert_eq!(objects(data), 4);

        for algorithm in ["RS256", "ES384", "PS256", "EdDSA"] {
            let other = client(&process, data, algorithm).await;
            let token = process.token(data, &other).await;
            assert_eq!(verified(&process, data, &token).await.as_deref(), Some(algorithm));
        }
        assert_eq!(objects(data), 20);

        let mut admin = KeysClient::new(process.channel(data, "admin"));
        admin.rotate(RotateKeysRequest { at_once: true }).await.expect("rotated");
        let second = process.token(data, &es).await;
        assert_ne!(crate::stand::part(&second, 0)["kid"], crate::stand::part(&token, 0)["kid"]);
        process.kill();

        let process = Process::start_with(&scratch, &settings(&environment)).await;
        for token in [&token, &second] {
            assert!(verified(&process, data, token).await.is_some());
            assert!(process.active(data, token).await);
        }
        let kid = crate::stand::text(&crate::stand::part(&second, 0), "kid");
        let before = objects(data);
        let mut admin = KeysClient::new(process.channel(data, "admin"));
        admin.revoke(RevokeKeyRequest { kid }).await.expect("revoked");
        assert!(verified(&process, data, &second).await.is_none());
        assert!(!process.active(data, &second).await);
        assert!(process.active(data, &token).await, "another key signed it");
        // It is gone from the device as well, and a new next one came.
        assert_eq!(objects(data), before);
        let third = process.token(data, &es).await;
        assert_eq!(verified(&process, data, &third).await.as_deref(), Some("ES256"));
        assert_eq!(process.stop().await, Some(0));

        // Nothing of it lies in the store, and nobody signs with other keys by mistake.
        let alone = Process::refused(&scratch, &[]).await;
        assert!(alone.contains("are in a device"), "{alone}");
        let mut wrong = environment.clone();
        secret(&data.join("wrong"), "0000");
        wrong.push(("TURNPIKE_KEYS_PKCS11_PIN_FILE", data.join("wrong").display().to_string()));
        let refused = Process::refused(&scratch, &settings(&wrong)).await;
        assert!(refused.contains("refuses the PIN"), "{refused}");

        // On purpose.
        let leave = [("TURNPIKE_KEYS_PKCS11_LEAVE", "true")];
        let process = Process::start_with(&scratch, &leave).await;
        let fourth = process.token(data, &es).await;
        for token in [&third, &fourth] {
            assert!(verified(&process, data, token).await.is_some());
        }
        let listed = keys(&process, data).await;
        let homes = |state: &str| {
            let of = listed.iter().filter(|key| key.state == state);
            of.map(|key| key.home.clone()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(homes("active").into_iter().collect::<Vec<_>>(), ["store"]);
        assert!(homes("retiring").contains("hsm"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_move_from_the_store_into_a_device() {
    let scratch = Scratch::sqlite();
    let data = scratch.folder.path();
    let Some(environment) = token(data) else { return };
    let process = Process::start(&scratch).await;
    let app = client(&process, data, "").await;
    let token = process.token(data, &app).await;
    assert_eq!(process.stop().await, Some(0));

    let process = Process::start_with(&scratch, &settings(&environment)).await;
    let fresh = process.token(data, &app).await;
    for token in [&token, &fresh] {
        assert!(verified(&process, data, token).await.is_some());
    }
    let listed = keys(&process, data).await;
    let of = |state: &str| listed.iter().find(|key| key.state == state).expect("a key");
    assert_eq!((of("active").home.as_str(), of("retiring").home.as_str()), ("hsm", "store"));
}

/// Where the token goes away while the program runs, nobody gets a token that was signed otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_signed_while_the_device_is_away() {
    let scratch = Scratch::sqlite();
    let data = scratch.folder.path();
    let Some(environment) = token(data) else { return };
    let process = Process::start_with(&scratch, &settings(&environment)).await;
    let app = client(&process, data, "").await;
    process.token(data, &app).await;
    let (here, away) = (data.join("tokens"), data.join("elsewhere"));
    std::fs::rename(&here, &away).expect("moved");
    let (status, body) = process.ask_token(data, &app).await;
    assert!(status.contains("503") || status.contains("500"), "{status} {body}");
    assert!(!body.contains("access_token"), "{body}");
    std::fs::rename(&away, &here).expect("moved back");
    let back = async {
        loop {
            let (status, body) = process.ask_token(data, &app).await;
            if status.contains("200") {
                return body;
            }
            chassis::Clock::system().sleep(Duration::from_millis(50)).await;
        }
    };
    let body = tokio::time::timeout(Duration::from_secs(30), back).await.expect("in time");
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let token = crate::stand::text(&body, "access_token");
    assert_eq!(verified(&process, data, &token).await.as_deref(), Some("ES256"));
}
