//! Are tokens of glewlwyd and of Keycloak taken at the gateway until they take them back?
//!
//! Both sign JWTs that would be good until they end; their word about each is asked besides.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use harness::process::Process;
use harness::{Backend, Stack, eventually, free_port};
use serde_json::{Value, json};

use crate::federation_ground::{
    AUDIENCE, SETTINGS, SHOP, becomes, key_manager, listening, post, published, secret, verdict,
};

/// A provider whose access tokens are JWTs, and that is asked about each: its token is taken, and refused
/// once it took it back.
async fn check(stack: &Stack, resources: &str, provider: &Foreign) {
    let backend = Backend::start("orders").await;
    stack.apply(&[resources, &published(&backend.url(), &["shop"])].concat()).await;
    let token = provider.token().await;
    assert_eq!(token.split('.').count(), 3, "{token}");
    becomes(stack, &token, "/read", "200").await;
    assert_eq!(verdict(stack, &token, "/write").await, "403 900910");
    let other = provider.token().await;
    post(&provider.revocation, SHOP, &[("token", &token)]).await;
    becomes(stack, &token, "/read", "401 900901").await;
    assert_eq!(verdict(stack, &other, "/read").await, "200", "only the one that was taken back");
    let mut forged = other;
    forged.truncate(forged.len() - 6);
    assert_eq!(verdict(stack, &format!("{forged}AAAAAA"), "/read").await, "401 900901");
}

/// Where a provider gives tokens and takes them back.
struct Foreign {
    token: String,
    revocation: String,
    scope: &'static str,
}

impl Foreign {
    async fn token(&self) -> String {
        let form = [("grant_type", "client_credentials"), ("scope", self.scope)];
        let answer = post(&self.token, SHOP, &form).await;
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_glewlwyd_is_taken_until_it_is_taken_back() {
    const MODULES: &str = "/usr/lib/glewlwyd/plugin/libprotocol_oidc.so";
    if !Path::new(MODULES).exists() {
        println!("left out: glewlwyd (Debian's package is not installed)");
        return;
    }
    let stack = Stack::start_uncounted(&[SETTINGS]).await;
    chassis::pki::development(&stack.pki(), &["provider"]).expect("a certificate");
    let port = free_port();
    let script = "conformance/federation/glewlwyd.sh";
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let run = |step: &str| {
        let mut command = Command::new("bash");
        command.arg(&script).arg(step).arg(stack.folder().join("glewlwyd")).arg(port.to_string());
        command.arg(stack.pki());
        command
    };
    let log = stack.folder().join("glewlwyd.log");
    let _glewlwyd = Process::start("glewlwyd", &mut run("serve"), &log);
    listening("glewlwyd", port).await;
    let output = run("fill").output().expect("the script");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let issuer = format!("https://127.0.0.1:{port}/api/oidc");
    // It answers a client about its own tokens only.
    let spec = json!({
        "issuer": issuer,
        "audiences": ["read"],
        "consumerKeyClaim": "client_id",
        "scopes": { "read": "orders.read" },
        "introspection": {
            "client": { "id": "shop", "secret": "provider-client" }, "jwt": true, "cacheSeconds": 1,
        },
    });
    let resources =
        [secret("provider-client", "shop-secret-of-a-test"), key_manager("elsewhere", &spec)];
    let provider = Foreign {
        token: format!("{issuer}/token"),
        revocation: format!("{issuer}/revoke"),
        scope: "read",
    };
    check(&stack, &resources.concat(), &provider).await;
}

/// A script that waits for Java. It passes on that it is asked to end; killed, it would leave Java behind.
struct Keycloak(Process);

impl Drop for Keycloak {
    fn drop(&mut self) {
        if self.0.is_running() {
            self.0.signal("TERM");
        }
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while self.0.is_running() && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A realm with a client for the shop, whose scopes are roles, and one for us.
fn realm() -> Value {
    let mapper = |name: &str, mapper: &str, config: Value| {
        json!({
            "name": name, "protocol": "openid-connect", "protocolMapper": mapper, "config": config,
        })
    };
    let audience = mapper(
        "audience",
        "oidc-audience-mapper",
        json!({ "included.custom.audience": AUDIENCE, "access.token.claim": "true" }),
    );
    // It answers those about a token whom the token names.
    let asked = mapper(
        "asked",
        "oidc-audience-mapper",
        json!({ "included.client.audience": "turnpike", "access.token.claim": "true" }),
    );
    let roles = mapper(
        "roles",
        "oidc-hardcoded-claim-mapper",
        json!({
            "claim.name": "rights.here", "claim.value": "[\"read\"]", "jsonType.label": "JSON",
            "access.token.claim": "true",
        }),
    );
    let client = |id: &str| {
        json!({
            "clientId": id, "enabled": true, "protocol": "openid-connect", "publicClient": false,
            "secret": format!("{id}-secret-of-a-test"), "serviceAccountsEnabled": true,
            "standardFlowEnabled": false, "protocolMappers": [audience, asked, roles],
        })
    };
    json!({
        "realm": "corp", "enabled": true, "accessTokenLifespan": 600,
        "clients": [client("shop"), client("turnpike")],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_keycloak_is_taken_until_it_is_taken_back() {
    let folder = std::env::var("TURNPIKE_KEYCLOAK").unwrap_or_default();
    if folder.is_empty() {
        println!("left out: Keycloak (TURNPIKE_KEYCLOAK names no folder)");
        return;
    }
    let stack = Stack::start_uncounted(&[SETTINGS]).await;
    let pki = stack.pki();
    chassis::pki::development(&pki, &["provider"]).expect("a certificate");
    // It builds itself anew for its settings, in its own folder.
    let home = stack.folder().join("keycloak");
    let copied = Command::new("cp").arg("-r").arg(&folder).arg(&home).status().expect("cp");
    assert!(copied.success());
    std::fs::create_dir_all(home.join("data/import")).expect("a folder");
    std::fs::write(home.join("data/import/corp.json"), realm().to_string()).expect("a file");
    let port = free_port();
    let mut command = Command::new("bash");
    command
        .arg(home.join("bin/kc.sh"))
        .args(["start-dev", "--import-realm", "--db=dev-mem", "--http-enabled=false"])
        .args(["--http-host=127.0.0.1", &format!("--https-port={port}")])
        .arg(format!("--http-port={}", free_port()))
        .arg(format!("--hostname=https://127.0.0.1:{port}"))
        .arg(format!("--https-certificate-file={}", pki.join("provider.pem").display()))
        .arg(format!("--https-certificate-key-file={}", pki.join("provider.key").display()))
        .env("JAVA_OPTS_KC_HEAP", "-Xms64m -Xmx512m");
    let log = stack.folder().join("keycloak.log");
    let _keycloak = Keycloak(Process::start("Keycloak", &mut command, &log));
    let issuer = format!("https://127.0.0.1:{port}/realms/corp");
    let metadata = format!("{issuer}/.well-known/openid-configuration");
    eventually("Keycloak answers", Duration::from_mins(10), || async {
        let mut command = tokio::process::Command::new("curl");
        command.args(["--silent", "--insecure", "--fail", "--max-time", "20", &metadata]);
        command.output().await.is_ok_and(|output| output.status.success()).then_some(())
    })
    .await;
    let spec = json!({
        "issuer": issuer,
        "audiences": [AUDIENCE],
        "algorithms": ["RS256"],
        "consumerKeyClaim": "azp",
        "scopeClaim": "rights.here",
        "scopes": { "read": "orders.read" },
        "introspection": {
            "client": { "id": "turnpike", "secret": "provider-client" },
            "jwt": true, "cacheSeconds": 1,
        },
    });
    let resources =
        [secret("provider-client", "turnpike-secret-of-a-test"), key_manager("elsewhere", &spec)];
    let base = format!("{issuer}/protocol/openid-connect");
    let provider = Foreign {
        token: format!("{base}/token"),
        revocation: format!("{base}/revoke"),
        scope: "profile",
    };
    check(&stack, &resources.concat(), &provider).await;
}
