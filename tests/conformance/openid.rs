//! What would the conformance suite of the OpenID Foundation say of the key manager?
//!
//! The suite comes as no package, so its modules are written anew in `openid/`, each under its name. They
//! speak HTTP and fill in forms, like the suite. The same modules run against npm's `oidc-provider`, which
//! is certified: what fails there is either in `DIFFERENT` or a fault of ours. What is known to fail at the
//! key manager stands in `MISSING` with its reason, and the test fails when such a module goes well.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use harness::process::Process;
use harness::{KeyManager, eventually, free_port};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::task::JoinSet;
use turnpike_proto::identity::v1::keys_client::KeysClient;
use turnpike_proto::identity::v1::{RegisterClientRequest, RotateKeysRequest};

const REDIRECT: &str = "https://app.example/cb";
const AFTER: &str = "https://app.example/bye";
const PASSWORD: &str = "correct horse battery";

/// The plan, the module, and why it does not go well at the key manager.
const MISSING: &[(&str, &str, &str)] = &[
    ("dynamic", "oidcc-request-uri-unsigned", "a request object without a signature is not taken"),
    ("dynamic", "oidcc-request-uri-signed-rs256", "a request object without an end is not taken"),
    (
        "dynamic",
        "oidcc-registration-logo-uri",
        "pages show nothing from elsewhere: whoever registers a client could choose another's logo",
    ),
];

/// The same for `oidc-provider`.
const DIFFERENT: &[(&str, &str, &str)] = &[
    (
        "dynamic",
        "oidcc-discovery-endpoint-verification",
        "since its version 9 no access token comes from the authorization endpoint",
    ),
    ("dynamic", "oidcc-request-uri-unsigned", "since its version 9 nothing is fetched"),
    ("dynamic", "oidcc-request-uri-signed-rs256", "since its version 9 nothing is fetched"),
    ("dynamic", "oidcc-registration-logo-uri", "the pages that it brings along show no logo"),
    (
        "frontchannel",
        "oidcc-frontchannel-logout-discovery-endpoint-verification",
        "it does not tell by frames",
    ),
    ("frontchannel", "oidcc-frontchannel-rp-initiated-logout", "it does not tell by frames"),
];

/// Clients may register themselves, and the key manager may ask the harness's own site. Many modules at a
/// time are a load that is none of theirs.
const SETTINGS: &str = "[store]\ntimeout = \"30s\"\n\
    [clients]\nlegacy_response_types = true\n\
    [registration]\naccess = \"open\"\nwithout_pkce = true\n\
    [outbound]\nallow = [\"127.0.0.0/8\"]\nauthorities = \"{folder}/pki/ca.pem\"";

/// All that is known of the person, in every scope.
fn claims() -> Value {
    json!({
        "name": "Ann Example", "given_name": "Ann", "family_name": "Example", "middle_name": "Bea",
        "nickname": "annie", "preferred_username": "ann", "profile": "https://ann.example",
        "picture": "https://ann.example/me.png", "website": "https://ann.example",
        "gender": "female", "birthdate": "1990-01-31", "zoneinfo": "Europe/Berlin", "locale": "de",
        "email": "ann@example.com", "email_verified": true,
        "phone_number": "+49 30 123456", "phone_number_verified": true,
        "address": { "formatted": "A street\nA town", "country": "Germany" },
    })
}

/// A client that is there before a plan begins, as both servers are told of it.
struct Known {
    name: String,
    method: &'static str,
    redirect: String,
    /// A private key; null: none.
    key: Value,
    /// The name of a certificate; empty: none is shown.
    certificate: &'static str,
    /// How its tokens are bound; empty: not at all.
    bound: &'static str,
}

impl Known {
    fn plain(name: &str, method: &'static str) -> Self {
        let redirect = REDIRECT.to_owned();
        let name = name.to_owned();
        Self { name, method, redirect, key: Value::Null, certificate: "", bound: "" }
    }

    /// The public half of its key.
    fn jwks(&self) -> Value {
        let mut key = self.key.clone();
        if let Some(key) = key.as_object_mut() {
            key.retain(|name, _| !["d", "p", "q", "dp", "dq", "qi"].contains(&name.as_str()));
        }
        json!({ "keys": [key] })
    }

    /// What the modules have to know of it.
    fn told(&self, id: &str, secret: &str, pki: &Path) -> Value {
        let file = |end: &str| pki.join(format!("{}.{end}", self.certificate));
        let certificate = (!self.certificate.is_empty()).then(|| [file("pem"), file("key")]);
        json!({
            "id": id, "secret": secret, "method": self.method, "redirect": self.redirect,
            "key": self.key, "certificate": certificate,
        })
    }
}

/// The clients of every plan: those of a secret, and two for each way of FAPI 2.0. The names are those in
/// the modules.
fn known() -> Vec<Known> {
    let mut all = vec![
        Known::plain("basic", "client_secret_basic"),
        Known::plain("second", "client_secret_basic"),
        Known::plain("post", "client_secret_post"),
    ];
    for (auth, method) in [("private_key_jwt", "private_key_jwt"), ("mtls", "tls_client_auth")] {
        for bound in ["dpop", "mtls"] {
            let made = Command::new("node").arg(script("keys.mjs")).output().expect("keys");
            let keys: Value = serde_json::from_slice(&made.stdout).expect("keys");
            let shows = auth == "mtls" || bound == "mtls";
            let clients = [
                ("first", "rsa", "client-first", REDIRECT.to_owned()),
                ("second", "ec", "client-second", format!("{REDIRECT}?dummy1=lorem&dummy2=ipsum")),
            ];
            for (who, key, certificate, redirect) in clients {
                let name = format!("fapi2-{auth}-{bound}-{who}");
                let certificate = if shows { certificate } else { "" };
                all.push(Known {
                    name,
                    method,
                    redirect,
                    key: keys[key].clone(),
                    certificate,
                    bound,
                });
            }
        }
    }
    all
}

const CERTIFICATES: [&str; 3] = ["client-site", "client-first", "client-second"];

/// A running server, and what the modules have to know of it.
#[derive(Debug)]
struct Target {
    settings: Value,
    authority: PathBuf,
    server: Server,
}

#[derive(Debug)]
enum Server {
    Ours(KeyManager),
    Other { _process: Process, _folder: tempfile::TempDir },
}

/// What every target has: the person, and a site of the harness with a certificate of `pki`.
fn settings(pki: &Path, issuer: &str, clients: &Value, rotates: bool) -> Value {
    let file = |name: &str| pki.join(name).display().to_string();
    json!({
        "issuer": issuer,
        "clients": clients,
        "person": { "name": "ann", "password": PASSWORD, "claims": claims() },
        "redirect": REDIRECT,
        "afterLogout": AFTER,
        "site": { "certificate": file("client-site.pem"), "key": file("client-site.key") },
        "rotates": rotates,
    })
}

async fn key_manager() -> Target {
    let manager = KeyManager::start(SETTINGS).await;
    let pki = manager.folder().join("pki");
    chassis::pki::development(&pki, &CERTIFICATES).expect("certificates");
    let mut about = claims();
    // It is the name of the account.
    about.as_object_mut().expect("claims").remove("preferred_username");
    manager.person("ann", PASSWORD, &about.to_string()).await;
    let mut clients = serde_json::Map::new();
    for client in known() {
        let fapi = !client.bound.is_empty();
        let text = |name: &str| client.key[name].as_str().unwrap_or_default().to_owned();
        let tls = client.method == "tls_client_auth";
        let request = RegisterClientRequest {
            name: client.name.clone(),
            grant_types: ["authorization_code", "refresh_token"].map(str::to_owned).to_vec(),
            scopes: ["openid", "profile", "email", "address", "phone"].map(str::to_owned).to_vec(),
            redirect_uris: vec![client.redirect.clone()],
            token_endpoint_auth_method: client.method.to_owned(),
            token_endpoint_auth_signing_alg: if fapi && !tls { text("alg") } else { String::new() },
            jwks: if fapi && !tls { client.jwks().to_string() } else { String::new() },
            tls_client_auth_subject_dn: if tls {
                format!("CN={}", client.certificate)
            } else {
                String::new()
            },
            dpop_bound_access_tokens: client.bound == "dpop",
            tls_client_certificate_bound_access_tokens: client.bound == "mtls",
            require_pushed_authorization_requests: fapi,
            client_profile: if fapi { "fapi2".to_owned() } else { String::new() },
            post_logout_redirect_uris: vec![AFTER.to_owned()],
            // The suite's OpenID plans ask without PKCE, but where they look at PKCE.
            allow_no_pkce_insecure: !fapi,
            ..RegisterClientRequest::default()
        };
        let made = manager.register(request).await;
        let told = client.told(&made.client_id, &made.client_secret, &pki);
        clients.insert(client.name, told);
    }
    Target {
        settings: settings(&pki, &manager.issuer(), &clients.into(), true),
        authority: manager.authority(),
        server: Server::Ours(manager),
    }
}

/// npm's `oidc-provider` from the folder `packages`.
async fn oidc_provider(packages: &str) -> Target {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pki = folder.path().join("pki");
    chassis::pki::development(&pki, &CERTIFICATES).expect("certificates");
    chassis::pki::development(&pki, &["server"]).expect("a certificate");
    let (mut clients, mut registered) = (serde_json::Map::new(), Vec::new());
    for client in known() {
        let mut about = json!({
            "client_id": client.name, "token_endpoint_auth_method": client.method,
            "redirect_uris": [client.redirect], "post_logout_redirect_uris": [AFTER],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        });
        let secret = chassis::random::token(32);
        match client.method {
            "private_key_jwt" => {
                about["token_endpoint_auth_signing_alg"] = client.key["alg"].clone();
            }
            "tls_client_auth" => {
                about["tls_client_auth_subject_dn"] = json!(format!("CN={}", client.certificate));
            }
            _ => about["client_secret"] = json!(secret),
        }
        if !client.bound.is_empty() {
            about["jwks"] = client.jwks();
            about["dpop_bound_access_tokens"] = json!(client.bound == "dpop");
            about["tls_client_certificate_bound_access_tokens"] = json!(client.bound == "mtls");
            about["require_pushed_authorization_requests"] = json!(true);
            about["id_token_signed_response_alg"] = json!("ES256");
        }
        registered.push(about);
        clients.insert(client.name.clone(), client.told(&client.name, &secret, &pki));
    }
    let port = free_port();
    let issuer = format!("https://127.0.0.1:{port}");
    let settings = settings(&pki, &issuer, &clients.into(), false);
    let mut person = settings["person"].clone();
    person["claims"]["updated_at"] = json!(1_700_000_000);
    let of_server = json!({
        "issuer": issuer, "port": port, "clients": registered, "person": person,
        "certificate": pki.join("server.pem"), "key": pki.join("server.key"),
        "authority": pki.join("ca.pem"),
    });
    let mut command = Command::new("node");
    command.arg(script("provider.mjs")).arg(packages).arg(of_server.to_string());
    command.env("NODE_EXTRA_CA_CERTS", pki.join("ca.pem"));
    let process = Process::start("oidc-provider", &mut command, &folder.path().join("log"));
    eventually("oidc-provider listens", Duration::from_mins(2), || async move {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
    let authority = pki.join("ca.pem");
    Target { settings, authority, server: Server::Other { _process: process, _folder: folder } }
}

fn script(name: &str) -> String {
    format!("{}/conformance/openid/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs a plan; what its modules say, a line each. A module that wants new keys of the server says so, and
/// goes on when it hears that there are some.
async fn run(target: &Target, plan: &str) -> Vec<Value> {
    let mut command = tokio::process::Command::new("node");
    command
        .arg(script("main.mjs"))
        .arg(plan)
        .arg(target.settings.to_string())
        .env("NODE_EXTRA_CA_CERTS", &target.authority)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("node");
    let mut answers = child.stdin.take().expect("an input");
    let mut said = BufReader::new(child.stdout.take().expect("an output")).lines();
    let mut modules = Vec::new();
    while let Some(line) = said.next_line().await.expect("text") {
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{plan}: {line}"));
        if line["rotate"].is_null() {
            modules.push(line);
            continue;
        }
        let Server::Ours(manager) = &target.server else { panic!("nobody rotates these keys") };
        let mut keys = KeysClient::new(manager.channel("control-plane"));
        keys.rotate(RotateKeysRequest { at_once: true }).await.expect("new keys");
        answers.write_all(b"rotated\n").await.expect("a reader");
    }
    assert!(child.wait().await.expect("an end").success() && !modules.is_empty(), "{plan}");
    modules
}

/// Runs a plan and holds what its modules say against what is known.
async fn judge(who: &str, target: &Target, plan: &str, known: &[(&str, &str, &str)]) {
    let modules = tokio::time::timeout(Duration::from_mins(9), run(target, plan)).await;
    let modules = modules.expect("an end");
    let text = |module: &Value, field: &str| module[field].as_str().unwrap_or_default().to_owned();
    let (passed, failed): (Vec<_>, Vec<_>) =
        modules.iter().partition(|module| text(module, "why").is_empty());
    let mut report = format!("{who}, {plan}: {} passed, {} failed\n", passed.len(), failed.len());
    for module in &modules {
        for (field, what) in [("why", "FAILED"), ("leftOut", "left out"), ("remarks", "remark")] {
            let said = text(module, field) + &list(&module[field]);
            if !said.is_empty() {
                let _ = writeln!(report, "  {}: {what}: {said}", text(module, "name"));
            }
        }
    }
    print!("{report}");
    let is_known = |module: &str| known.iter().any(|(of, name, _)| (*of, *name) == (plan, module));
    let names: Vec<_> = modules.iter().map(|module| text(module, "name")).collect();
    let unknown: Vec<_> = known
        .iter()
        .filter(|(of, name, _)| *of == plan && !names.iter().any(|known| known == name))
        .collect();
    assert!(unknown.is_empty(), "no such modules: {unknown:?}");
    let worse: Vec<_> = failed.iter().filter(|one| !is_known(&text(one, "name"))).collect();
    assert!(worse.is_empty(), "{who}, {plan}: {worse:#?}");
    let better: Vec<_> = passed.iter().filter(|one| is_known(&text(one, "name"))).collect();
    assert!(better.is_empty(), "{who}, {plan}: these go well now; strike them off: {better:#?}");
}

fn list(value: &Value) -> String {
    let texts: Vec<_> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    texts.join("; ")
}

/// Runs plans at a time against one server.
async fn all(
    who: &'static str,
    target: Target,
    plans: &[&'static str],
    known: &'static [(&str, &str, &str)],
) {
    let target = Arc::new(target);
    let mut running = JoinSet::new();
    for &plan in plans {
        let target = Arc::clone(&target);
        running.spawn(async move { judge(who, &target, plan, known).await });
    }
    let mut wrong = Vec::new();
    while let Some(judged) = running.join_next().await {
        wrong.extend(judged.err());
    }
    assert!(wrong.is_empty(), "{who}: {} plans are not as they are known", wrong.len());
}

/// Runs the plans against both servers, as far as they are here.
async fn check(plans: &[&'static str]) {
    if Command::new("node").arg("--version").output().is_err() {
        println!("left out: the OpenID conformance modules (they take node)");
        return;
    }
    let ours = async { all("the key manager", key_manager().await, plans, MISSING).await };
    let theirs = async {
        let packages = std::env::var("TURNPIKE_OIDC_PROVIDER").unwrap_or_default();
        if packages.is_empty() {
            println!("left out: oidc-provider (TURNPIKE_OIDC_PROVIDER names no folder)");
            return;
        }
        all("oidc-provider", oidc_provider(&packages).await, plans, DIFFERENT).await;
    };
    tokio::join!(ours, theirs);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_manager_is_the_openid_provider_that_it_should_be() {
    check(&["config", "basic", "formpost", "dynamic", "logout", "backchannel", "frontchannel"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_manager_keeps_the_security_profile_of_fapi_2() {
    check(&[
        "fapi2-private_key_jwt-dpop",
        "fapi2-private_key_jwt-mtls",
        "fapi2-mtls-dpop",
        "fapi2-mtls-mtls",
    ])
    .await;
}
