//! Are tokens of npm's oidc-provider taken at the gateway, is its word about them heard, do applications get
//! clients there, and do people log in with their accounts there?
//!
//! The real provider stands beside a real control plane, key manager and gateway.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use harness::process::Process;
use harness::{Backend, Stack, eventually, free_port};
use serde_json::{Value, json};

use crate::federation_ground::{
    AUDIENCE, SETTINGS, SHOP, becomes, key_manager, listening, post, published, secret, verdict,
};

const OPAQUE: &str = "https://api.example/opaque";
const INITIAL: &str = "initial-access-token-of-a-test";

/// A running oidc-provider.
struct OidcProvider {
    process: Option<Process>,
    settings: Value,
    issuer: String,
    port: u16,
}

impl OidcProvider {
    /// Starts it beside `stack`; `None`, said aloud: it is not here.
    async fn start(stack: &Stack) -> Option<Self> {
        let folder = std::env::var("TURNPIKE_OIDC_PROVIDER").unwrap_or_default();
        if folder.is_empty() {
            println!("left out: oidc-provider (TURNPIKE_OIDC_PROVIDER names no folder)");
            return None;
        }
        let pki = stack.pki();
        chassis::pki::development(&pki, &["provider"]).expect("a certificate");
        let port = free_port();
        let issuer = format!("https://127.0.0.1:{port}");
        let client = |id: &str| {
            json!({
                "client_id": id, "client_secret": format!("{id}-secret-of-a-test"),
                "grant_types": ["client_credentials"], "redirect_uris": [], "response_types": [],
            })
        };
        let settings = json!({
            "folder": folder,
            "issuer": issuer,
            "port": port,
            "certificate": pki.join("provider.pem"),
            "key": pki.join("provider.key"),
            "clients": [client("shop"), client("turnpike"), relying_party(stack)],
            "kid": "one",
            "initialAccessToken": INITIAL,
            "account": { "email": "ann@example.com", "email_verified": true },
        });
        let mut provider = Self { process: None, settings, issuer, port };
        provider.launch(stack).await;
        Some(provider)
    }

    /// Logs a person in at the key manager with their account here; what the script says.
    async fn log_in(&self, stack: &Stack, client: &str, title: &str, name: &str) -> Value {
        let script = "conformance/federation/login.py";
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        let settings = json!({
            "authorize": format!("{}/authorize", stack.issuer()),
            "token": format!("{}/token", stack.issuer()),
            "client": client, "redirect": "http://127.0.0.1/cb", "title": title, "name": name,
            "authority": stack.pki().join("ca.pem"),
        });
        let mut command = tokio::process::Command::new("python3");
        command.arg("-B").arg(script).arg(settings.to_string()).kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_mins(1), command.output()).await;
        let output = output.expect("an end").expect("python3");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    async fn launch(&mut self, stack: &Stack) {
        let script = "conformance/federation/oidc_provider.mjs";
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        let mut command = Command::new("node");
        command.arg(script).arg(self.settings.to_string());
        let log = stack.folder().join("oidc-provider.log");
        self.process = Some(Process::start("oidc-provider", &mut command, &log));
        listening("oidc-provider", self.port).await;
    }

    /// Starts it anew with another signing key.
    async fn rotate(&mut self, stack: &Stack) {
        self.process.take().expect("a running provider").kill();
        self.settings["kid"] = json!("two");
        self.launch(stack).await;
    }

    /// The `KeyManager` resource and the secrets that it names.
    fn resource(&self, changes: &Value) -> String {
        let mut spec = json!({
            "issuer": self.issuer,
            "audiences": [AUDIENCE, OPAQUE],
            "algorithms": ["ES256"],
            "introspection": {
                "client": { "id": "turnpike", "secret": "provider-client" }, "cacheSeconds": 1,
            },
            "tokenPatterns": ["[A-Za-z0-9_-]{43}"],
            "scopes": { "read": "orders.read" },
            "registration": { "tokenSecret": "provider-initial" },
        });
        merge(&mut spec, changes);
        [
            secret("provider-client", "turnpike-secret-of-a-test"),
            secret("provider-initial", INITIAL),
            key_manager("elsewhere", &spec),
        ]
        .concat()
    }

    async fn token(&self, client: (&str, &str), resource: &str) -> String {
        let form =
            [("grant_type", "client_credentials"), ("scope", "read"), ("resource", resource)];
        let answer = post(&format!("{}/token", self.issuer), client, &form).await;
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    async fn revoke(&self, client: (&str, &str), token: &str) {
        let url = format!("{}/token/revocation", self.issuer);
        post(&url, client, &[("token", token)]).await;
    }
}

/// Our own client there, for people.
fn relying_party(stack: &Stack) -> Value {
    json!({
        "client_id": "login", "client_secret": "login-secret-of-a-test",
        "redirect_uris": [format!("{}/federation/elsewhere", stack.issuer())],
        "grant_types": ["authorization_code"], "response_types": ["code"],
    })
}

fn merge(into: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().into_iter().flatten() {
        into[name] = value.clone();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_oidc_provider_are_taken_and_its_word_is_heard() {
    let backend = Backend::start("orders").await;
    let mut stack = Stack::start_uncounted(&[SETTINGS]).await;
    let Some(mut provider) = OidcProvider::start(&stack).await else { return };
    let resources = [provider.resource(&json!({})), published(&backend.url(), &["shop"])];
    stack.apply(&resources.concat()).await;

    // A JWT is verified with keys that the key manager has read there.
    let jwt = provider.token(SHOP, AUDIENCE).await;
    assert_eq!(jwt.split('.').count(), 3, "{jwt}");
    becomes(&stack, &jwt, "/items/1", "200").await;
    assert_eq!(verdict(&stack, &jwt, "/read").await, "200", "its scope has another name here");
    assert_eq!(verdict(&stack, &jwt, "/write").await, "403 900910");

    // A client there that belongs to no application here is nobody.
    let stranger = provider.token(("turnpike", "turnpike-secret-of-a-test"), AUDIENCE).await;
    assert_eq!(verdict(&stack, &stranger, "/items/1").await, "403 900908");
    let elsewhere = provider.token(SHOP, "https://other.example/jwt").await;
    assert_eq!(verdict(&stack, &elsewhere, "/items/1").await, "401 900901", "another audience");

    // Of a token that says nothing the provider is asked, and it can take it back.
    let opaque = provider.token(SHOP, OPAQUE).await;
    assert!(!opaque.contains('.'), "{opaque}");
    becomes(&stack, &opaque, "/read", "200").await;
    assert_eq!(verdict(&stack, &opaque, "/write").await, "403 900910");
    provider.revoke(SHOP, &opaque).await;
    becomes(&stack, &opaque, "/read", "401 900901").await;
    assert_eq!(verdict(&stack, &"x".repeat(43), "/read").await, "401 900901");
    assert_eq!(verdict(&stack, &"x".repeat(44), "/read").await, "401 900901");

    // A new key is found though nobody said so, and what the old one signed is refused.
    provider.rotate(&stack).await;
    let fresh = provider.token(SHOP, AUDIENCE).await;
    becomes(&stack, &fresh, "/items/1", "200").await;
    becomes(&stack, &jwt, "/items/1", "401 900901").await;

    // While both the provider and the key manager are away, keys that are known are good.
    provider.process.take().expect("a running provider").kill();
    stack.kill("key-manager");
    stack.kill("gateway");
    stack.restart("gateway").await;
    assert_eq!(verdict(&stack, &fresh, "/items/1").await, "200");
    let unasked = verdict(&stack, &opaque, "/read").await;
    assert!(unasked.starts_with("503 "), "nobody can be asked: {unasked}");
    stack.restart("key-manager").await;
    let status = eventually("the outage is seen", Duration::from_secs(20), async || {
        let all = stack.turnpike(&["key-managers"]).await;
        let one =
            all["providers"].as_array()?.iter().find(|one| one["name"] == "elsewhere")?.clone();
        (one["healthy"] != json!(true)).then_some(one)
    })
    .await;
    assert_eq!(status["keys"], 1, "the keys of the last run stay: {status}");
    assert!(status["lastError"].as_str().is_some_and(|text| !text.is_empty()), "{status}");
    assert_eq!(verdict(&stack, &fresh, "/items/1").await, "200");

    // Who is not in use is refused on every path.
    provider.launch(&stack).await;
    stack.apply(&provider.resource(&json!({ "enabled": false }))).await;
    becomes(&stack, &fresh, "/items/1", "401 900901").await;
    let opaque = provider.token(SHOP, OPAQUE).await;
    assert_eq!(verdict(&stack, &opaque, "/read").await, "401 900901");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_gets_its_client_at_oidc_provider() {
    let backend = Backend::start("orders").await;
    let stack = Stack::start_uncounted(&[SETTINGS]).await;
    let Some(provider) = OidcProvider::start(&stack).await else { return };
    let resources = [provider.resource(&json!({})), published(&backend.url(), &[])];
    stack.apply(&resources.concat()).await;
    let arguments = ["keys", "generate", "--app", "shop", "--type", "production"];
    let arguments = [&arguments[..], &["--key-manager", "elsewhere"]].concat();
    let keys = eventually("the provider is known", Duration::from_secs(20), async || {
        let output = stack.try_turnpike(&[&arguments[..], &["-o", "json"]].concat()).await;
        output
            .status
            .success()
            .then(|| serde_json::from_slice::<Value>(&output.stdout).expect("JSON"))
    })
    .await;
    let text = |name: &str| keys[name].as_str().unwrap_or_default().to_owned();
    let (id, secret) = (text("consumerKey"), text("consumerSecret"));
    let token = provider.token((&id, &secret), AUDIENCE).await;
    becomes(&stack, &token, "/items/1", "200").await;

    // A client that is there already belongs to the application once it is named.
    let mapped = provider.token(SHOP, AUDIENCE).await;
    assert_eq!(verdict(&stack, &mapped, "/items/1").await, "403 900908");
    let map =
        ["keys", "map", "--app", "shop", "--key-manager", "elsewhere", "--type", "production"];
    stack.turnpike(&[&map[..], &["--consumer-key", "shop"]].concat()).await;
    becomes(&stack, &mapped, "/items/1", "200").await;
    let again = stack.try_turnpike(&[&map[..], &["--consumer-key", "shop"]].concat()).await;
    assert!(!again.status.success(), "it belongs to one application only, and once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_log_in_with_their_accounts_at_oidc_provider() {
    let stack = Stack::start_uncounted(&[SETTINGS]).await;
    let Some(provider) = OidcProvider::start(&stack).await else { return };
    let login = |linking: &str| {
        let client = json!({ "id": "login", "secret": "provider-login" });
        let login = json!({ "title": "Corp", "client": client, "linking": linking });
        let login_secret = secret("provider-login", "login-secret-of-a-test");
        [login_secret, provider.resource(&json!({ "login": login }))].concat()
    };
    stack.apply(&login("none")).await;
    let add = ["client", "add", "shop", "--redirect-uri", "http://127.0.0.1/cb", "--public"];
    let client = stack.turnpike(&add).await;
    let client = client["clientId"].as_str().expect("an identifier").to_owned();
    let said = eventually("the button is there", Duration::from_secs(20), async || {
        let said = provider.log_in(&stack, &client, "Corp", "ann").await;
        let page = said["page"].as_str().unwrap_or_default();
        (!page.contains("name=\"password\"")).then_some(said)
    })
    .await;
    let page = said["page"].as_str().unwrap_or_default();
    assert!(
        page.contains("nobody here has this account"),
        "nobody is let in who is not known: {said}"
    );

    stack.apply(&login("create")).await;
    let first = eventually("an account is made", Duration::from_secs(20), async || {
        let said = provider.log_in(&stack, &client, "Corp", "ann").await;
        said["claims"]["sub"].is_string().then_some(said)
    })
    .await;
    let claims = &first["claims"];
    assert_eq!(claims["amr"], json!(["fed"]), "{first}");
    assert_eq!(claims["acr"], "urn:turnpike:acr:provider", "{first}");
    assert_eq!(claims["iss"], stack.issuer(), "our own token, not that of the provider");
    let again = provider.log_in(&stack, &client, "Corp", "ann").await;
    assert_eq!(again["claims"]["sub"], claims["sub"], "the same person has one account");
    let other = provider.log_in(&stack, &client, "Corp", "ben").await;
    assert_ne!(other["claims"]["sub"], claims["sub"], "another person has another");

    let there = ["--key-manager", "elsewhere", "--account", "ben"];
    stack.turnpike(&[&["user", "unlink"], &there[..]].concat()).await;
    let ann = claims["sub"].as_str().expect("a subject");
    stack.turnpike(&[&["user", "link", ann], &there[..]].concat()).await;
    let linked = provider.log_in(&stack, &client, "Corp", "ben").await;
    assert_eq!(linked["claims"]["sub"], claims["sub"], "who was linked by hand has that account");

    stack.apply(&provider.resource(&json!({ "enabled": false }))).await;
    eventually("the button is gone", Duration::from_secs(20), async || {
        let said = provider.log_in(&stack, &client, "Corp", "ann").await;
        said["page"].as_str().is_some_and(|page| !page.contains("Corp")).then_some(())
    })
    .await;
}
