//! Do OAuth 2 and OpenID Connect clients that others wrote get along with the key manager, unchanged?
//!
//! Their scripts lie in `oauth_clients/`. Each prints a line per case; what is known to fail stands in
//! `MISSING` with its reason, and the test fails when such a case goes well.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use harness::process::Process;
use harness::{KeyManager, eventually};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use turnpike_proto::identity::v1::RegisterClientRequest;

const REDIRECT: &str = "https://app.example/cb";
const AFTER: &str = "https://app.example/bye";
const PASSWORD: &str = "correct horse battery";
const EMAIL: &str = "ann@example.com";
/// A key for tests; its public half is registered.
const KEY: &str = r#"{"kty":"EC","crv":"P-256","kid":"k1",
    "x":"PCrzGS-6h8LmcQ2NdhvedmdSiBIOf6I5uHiYJQg5Q-M",
    "y":"pUY_XFeq6QUbYuaDcGPTlCuHcR5LQ6AKoHi6NHnKlV4",
    "d":"5P-DoXm1SPT5nNunl6TuSBcE5M5oOF9ZfssN_gKgZhs"}"#;

/// What is not as it is by default: Authlib makes assertions that are good for an hour, and clients may
/// register themselves.
const SETTINGS: &str = "[clients]\nassertion = \"1h\"\n[registration]\naccess = \"open\"";

/// The script, the case, and why it does not go well.
const MISSING: &[(&str, &str, &str)] = &[];

const PEOPLE: [&str; 2] = ["authorization_code", "refresh_token"];

fn client(method: &str, grants: &[&str]) -> RegisterClientRequest {
    let people = grants.contains(&"authorization_code");
    RegisterClientRequest {
        name: "app".to_owned(),
        grant_types: grants.iter().map(|&grant| grant.to_owned()).collect(),
        scopes: ["openid", "profile", "email", "read"].map(str::to_owned).to_vec(),
        redirect_uris: if people { vec![REDIRECT.to_owned()] } else { Vec::new() },
        token_endpoint_auth_method: method.to_owned(),
        public: method == "none",
        post_logout_redirect_uris: if people { vec![AFTER.to_owned()] } else { Vec::new() },
        ..RegisterClientRequest::default()
    }
}

/// The clients that the scripts use, by their name there.
fn clients(public_key: &str) -> Vec<(&'static str, RegisterClientRequest)> {
    let keyed = |request: RegisterClientRequest| RegisterClientRequest {
        jwks: public_key.to_owned(),
        ..request
    };
    let tls = || RegisterClientRequest {
        tls_client_auth_subject_dn: "CN=oauth-client".to_owned(),
        ..client("tls_client_auth", &PEOPLE)
    };
    vec![
        ("basic", client("client_secret_basic", &PEOPLE)),
        ("post", client("client_secret_post", &PEOPLE)),
        ("secret_jwt", client("client_secret_jwt", &PEOPLE)),
        ("key_jwt", keyed(client("private_key_jwt", &PEOPLE))),
        ("public", client("none", &PEOPLE)),
        ("tls", tls()),
        (
            "tls_bound",
            RegisterClientRequest { tls_client_certificate_bound_access_tokens: true, ..tls() },
        ),
        ("machine", client("client_secret_basic", &["client_credentials"])),
        ("signed_introspection", client("client_secret_basic", &["client_credentials"])),
        (
            "device",
            client("none", &["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]),
        ),
        (
            "ciba",
            client("client_secret_basic", &["urn:openid:params:grant-type:ciba", "refresh_token"]),
        ),
        (
            "exchange",
            client("client_secret_basic", &["urn:ietf:params:oauth:grant-type:token-exchange"]),
        ),
        (
            "opaque",
            RegisterClientRequest {
                access_token_format: "opaque".to_owned(),
                ..client("client_secret_basic", &PEOPLE)
            },
        ),
        ("jarm", client("client_secret_basic", &PEOPLE)),
        ("jarm_dpop", client("client_secret_basic", &PEOPLE)),
        (
            "dpop",
            RegisterClientRequest { dpop_bound_access_tokens: true, ..client("none", &PEOPLE) },
        ),
    ]
}

/// A key manager with a person and the clients, and what the scripts have to know of it.
async fn ground() -> (KeyManager, Value) {
    let key: Value = serde_json::from_str(KEY).expect("a key");
    let mut public = key.clone();
    public.as_object_mut().expect("a key").remove("d");
    let manager = KeyManager::start(SETTINGS).await;
    chassis::pki::development(&manager.folder().join("pki"), &["oauth-client"])
        .expect("a certificate");
    let claims = json!({ "email": EMAIL, "email_verified": true }).to_string();
    let sub = manager.person("ann", PASSWORD, &claims).await;
    let mut known = serde_json::Map::new();
    for (name, request) in clients(&json!({ "keys": [public] }).to_string()) {
        let method = request.token_endpoint_auth_method.clone();
        let made = manager.register(request).await;
        let mut metadata = json!({ "use_mtls_endpoint_aliases": method == "tls_client_auth" });
        if name == "signed_introspection" {
            metadata["introspection_signed_response_alg"] = json!("ES256");
        }
        let (id, secret) = (made.client_id, made.client_secret);
        let client = json!({ "id": id, "secret": secret, "method": method, "metadata": metadata });
        known.insert(name.to_owned(), client);
    }
    let pki = manager.folder().join("pki");
    let pair = [pki.join("oauth-client.pem"), pki.join("oauth-client.key")];
    let settings = json!({
        "issuer": manager.issuer(),
        "clients": known,
        "person": { "name": "ann", "password": PASSWORD, "sub": sub, "email": EMAIL },
        "redirect": REDIRECT,
        "key": key,
        "certificates": { "tls": pair, "tls_bound": pair },
        "afterLogout": AFTER,
    });
    (manager, settings)
}

/// Runs a script; the cases and why they failed, "" for those that went well.
async fn cases(
    program: &str,
    arguments: &[&str],
    folder: &str,
    manager: &KeyManager,
) -> BTreeMap<String, String> {
    let authority = manager.authority();
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .env("NODE_EXTRA_CA_CERTS", &authority)
        .env("REQUESTS_CA_BUNDLE", &authority)
        .env("PYTHONPATH", Path::new(folder).join("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_mins(2), command.output()).await;
    let output = output.expect("an end").expect("a program");
    let said = String::from_utf8_lossy(&output.stdout);
    let read = |line: &str| -> Option<(String, String)> {
        let line: Value = serde_json::from_str(line).ok()?;
        Some((line["name"].as_str()?.to_owned(), line["why"].as_str()?.to_owned()))
    };
    let cases: BTreeMap<_, _> = said.lines().filter_map(read).collect();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !cases.is_empty(), "{arguments:?}: {words}{said}");
    cases
}

/// The folder of the clients; `None`, said aloud: they are not here.
fn folder(name: &str) -> Option<String> {
    let folder = std::env::var("TURNPIKE_OAUTH_CLIENTS").unwrap_or_default();
    if folder.is_empty() {
        println!("left out: {name} (TURNPIKE_OAUTH_CLIENTS names no folder)");
        return None;
    }
    Some(folder)
}

async fn check(name: &str, program: &str) {
    let Some(folder) = folder(name) else { return };
    let (manager, settings) = ground().await;
    judge(name, program, &folder, &manager, &settings).await;
}

/// Runs the script `name` and holds what it said against what is known.
async fn judge(name: &str, program: &str, folder: &str, manager: &KeyManager, settings: &Value) {
    let script = format!("{}/conformance/oauth_clients/{name}", env!("CARGO_MANIFEST_DIR"));
    let settings = settings.to_string();
    let arguments: Vec<&str> = match program {
        "node" => vec![&script, folder, &settings],
        _ => vec!["-B", &script, &settings],
    };
    let cases = cases(program, &arguments, folder, manager).await;
    let missing = |case: &str| MISSING.iter().any(|(of, known, _)| (*of, *known) == (name, case));
    let (passed, failed): (Vec<_>, Vec<_>) = cases.iter().partition(|(_, why)| why.is_empty());
    println!("{name}: {} passed, {} failed", passed.len(), failed.len());
    for (case, why) in &failed {
        println!("  {case}: {why}");
    }
    let unknown: Vec<_> =
        MISSING.iter().filter(|(of, case, _)| *of == name && !cases.contains_key(*case)).collect();
    assert!(unknown.is_empty(), "no such cases: {unknown:?}");
    let worse: Vec<_> = failed.iter().filter(|(case, _)| !missing(case)).collect();
    assert!(worse.is_empty(), "{worse:#?}");
    let better: Vec<_> = passed.iter().filter(|(case, _)| missing(case)).collect();
    assert!(better.is_empty(), "these go well now; strike them off MISSING: {better:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openid_client_gets_along() {
    check("openid_client.mjs", "node").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authlib_gets_along() {
    check("authlib_client.py", "python3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_oauthlib_gets_along() {
    check("requests_oauthlib_client.py", "python3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oauth4webapi_gets_along() {
    check("oauth4webapi.mjs", "node").await;
}

/// What Apache needs to know; `{…}` is filled in.
const APACHE: &str = "ServerRoot {folder}\nServerName 127.0.0.1\nListen 127.0.0.1:{port}\n\
    PidFile {folder}/pid\nErrorLog /dev/stderr\nLogLevel warn\n\
    DefaultRuntimeDir {folder}\nUser www-data\nGroup www-data\n\
    LoadModule mpm_event_module {modules}/mod_mpm_event.so\n\
    LoadModule authn_core_module {modules}/mod_authn_core.so\n\
    LoadModule authz_core_module {modules}/mod_authz_core.so\n\
    LoadModule authz_user_module {modules}/mod_authz_user.so\n\
    LoadModule dir_module {modules}/mod_dir.so\n\
    LoadModule filter_module {modules}/mod_filter.so\n\
    LoadModule include_module {modules}/mod_include.so\n\
    LoadModule auth_openidc_module {modules}/mod_auth_openidc.so\n\
    DocumentRoot {folder}/pages\nDirectoryIndex index.html\n\
    OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration\n\
    OIDCClientID {id}\nOIDCClientSecret {secret}\nOIDCRedirectURI {callback}\n\
    OIDCCryptoPassphrase a-passphrase-of-a-test\nOIDCPKCEMethod S256\n\
    OIDCScope \"openid profile email\"\nOIDCCABundlePath {authority}\nOIDCCookieSameSite Off\n\
    <Location />\nAuthType openid-connect\nRequire valid-user\nOptions +Includes\n\
    SetOutputFilter INCLUDES\n</Location>\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mod_auth_openidc_gets_along() {
    const MODULES: &str = "/usr/lib/apache2/modules";
    const NAME: &str = "mod_auth_openidc.mjs";
    let Some(folder) = folder(NAME) else { return };
    if !Path::new(MODULES).join("mod_auth_openidc.so").exists() {
        println!("left out: {NAME} (Debian's libapache2-mod-auth-openidc is not installed)");
        return;
    }
    let (manager, mut settings) = ground().await;
    let port = harness::free_port();
    let callback = format!("http://127.0.0.1:{port}/cb");
    let request = RegisterClientRequest {
        redirect_uris: vec![callback.clone()],
        ..client("client_secret_basic", &PEOPLE)
    };
    let made = manager.register(request).await;
    let own = manager.folder().join("apache");
    std::fs::create_dir_all(own.join("pages/inside")).expect("a folder");
    let page = "<!--#echo var=\"OIDC_CLAIM_sub\" --> <!--#echo var=\"OIDC_CLAIM_email\" -->";
    std::fs::write(own.join("pages/inside/index.html"), page).expect("a file");
    // Apache does not stay root, and a temporary folder is its owner's alone.
    for folder in [manager.folder(), &manager.folder().join("pki")] {
        std::fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("permissions");
    }
    let mut text = APACHE.to_owned();
    for (name, value) in [
        ("folder", own.display().to_string()),
        ("modules", MODULES.to_owned()),
        ("port", port.to_string()),
        ("issuer", manager.issuer()),
        ("id", made.client_id),
        ("secret", made.client_secret),
        ("callback", callback.clone()),
        ("authority", manager.authority().display().to_string()),
    ] {
        text = text.replace(&format!("{{{name}}}"), &value);
    }
    std::fs::write(own.join("apache.conf"), text).expect("a file");
    let mut command = std::process::Command::new("apache2");
    command.arg("-DFOREGROUND").arg("-f").arg(own.join("apache.conf"));
    let _apache = Process::start("apache2", &mut command, &own.join("apache.log"));
    eventually("Apache listens", Duration::from_secs(30), || async move {
        TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
    settings["protected"] = json!(format!("http://127.0.0.1:{port}/inside/"));
    settings["callback"] = json!(callback);
    judge(NAME, "node", &folder, &manager, &settings).await;
}
