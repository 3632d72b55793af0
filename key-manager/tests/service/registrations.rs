//! Is a client registered only for what works, and is it told which field is wrong? (KM-050, KM-056)

use jose::{Algorithm, SigningKey};
use key_manager::client_auth::Settings;
use key_manager::registration::{Application, register};
use serde_json::json;

use crate::databases::Scratch;
use crate::stand::{BEGIN, Stand, config, json as body};

async fn stand(scratch: &Scratch, certificates: bool) -> Stand {
    let mut config = config();
    config.certificates.accept = certificates;
    if certificates {
        config.certificates.ca = scratch.folder.path().join("pki/ca.pem").display().to_string();
        // Makes the file.
        chassis::Host::development("key-manager", scratch.folder.path()).expect("a host");
    }
    Stand::with(scratch, scratch.folder.path(), BEGIN, config).await
}

/// `answer` is "ok", or what the refusal begins with.
async fn check(stand: &Stand, settings: Settings, answer: &str) {
    let application = Application {
        name: "app".to_owned(),
        settings: settings.clone(),
        ..Application::default()
    };
    let said = match register(&stand.authority, &application).await {
        Ok(_) => "ok".to_owned(),
        Err(refusal) => {
            assert!(refusal.is_callers(), "{refusal:?}");
            refusal.to_string()
        }
    };
    assert!(said.starts_with(answer), "{settings:?}: {said}");
}

fn method(name: &str) -> Settings {
    Settings { method: name.to_owned(), ..Settings::default() }
}

fn keys(keys: &[&SigningKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
    json!({ "keys": keys }).to_string()
}

#[tokio::test]
async fn a_method_is_one_that_works_here() {
    let scratch = Scratch::sqlite();
    let without = stand(&scratch, false).await;
    check(&without, method(""), "ok").await;
    for name in ["client_secret_basic", "client_secret_post", "client_secret_jwt"] {
        check(&without, method(name), "ok").await;
    }
    let field = "token_endpoint_auth_method: ";
    for name in ["attest_jwt_client_auth", "CLIENT_SECRET_BASIC", "password"] {
        check(&without, method(name), field).await;
    }
    check(&without, method("none"), field).await;
    for name in ["tls_client_auth", "self_signed_tls_client_auth"] {
        check(&without, method(name), field).await;
    }
    let bound = Settings { certificate_bound: true, ..Settings::default() };
    check(&without, bound.clone(), "tls_client_certificate_bound_access_tokens: ").await;
    check(&stand(&scratch, true).await, bound, "ok").await;
}

#[tokio::test]
async fn keys_are_public_and_fit_the_algorithm() {
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch, true).await;
    let (curve, rsa) = (
        SigningKey::generate(Algorithm::ES256).expect("a key"),
        SigningKey::generate(Algorithm::PS256).expect("a key"),
    );
    let with = |algorithm: &str, jwks: &str| Settings {
        algorithm: algorithm.to_owned(),
        jwks: jwks.to_owned(),
        ..method("private_key_jwt")
    };
    check(&stand, with("", &keys(&[&curve])), "ok").await;
    check(&stand, with("ES256", &keys(&[&rsa, &curve])), "ok").await;
    check(&stand, with("PS256", &keys(&[&rsa])), "ok").await;
    check(&stand, with("", &keys(&[&rsa])), "jwks: ").await;
    check(&stand, with("RS256", &keys(&[&rsa])), "jwks: ").await;
    check(&stand, with("", ""), "jwks: ").await;
    check(&stand, with("", "{\"keys\":[]}"), "jwks: ").await;
    check(&stand, with("", "not JSON"), "jwks: ").await;
    check(&stand, with("", &" ".repeat(17_000)), "jwks: ").await;
    check(&stand, with("", &keys(&[&curve; 17])), "jwks: ").await;
    let mut private = curve.public_jwk();
    private["d"] = json!("AAAA");
    check(&stand, with("", &json!({ "keys": [private] }).to_string()), "jwks: keys[0]").await;
    let mut weak = rsa.public_jwk();
    weak["n"] = json!("A".repeat(171));
    check(&stand, with("PS256", &json!({ "keys": [weak] }).to_string()), "jwks: keys[0]").await;
    let mut off = curve.public_jwk();
    off["x"] = off["y"].clone();
    check(&stand, with("", &json!({ "keys": [off] }).to_string()), "jwks: keys[0]").await;

    let field = "token_endpoint_auth_signing_alg: ";
    for name in ["none", "HS256", "es256", "RS512"] {
        check(&stand, with(name, &keys(&[&curve])), field).await;
    }
    let hmac = |name: &str| Settings { algorithm: name.to_owned(), ..method("client_secret_jwt") };
    check(&stand, hmac("HS256"), "ok").await;
    check(&stand, hmac("HS512"), field).await;
    check(&stand, hmac("RS256"), field).await;
    check(&stand, Settings { algorithm: "ES256".to_owned(), ..method("") }, field).await;
    // Whatever a client proves itself with, it may sign its requests.
    check(&stand, Settings { jwks: keys(&[&curve]), ..method("") }, "ok").await;
    let own = Settings { jwks: keys(&[&curve]), ..method("self_signed_tls_client_auth") };
    check(&stand, own, "ok").await;
    check(&stand, method("self_signed_tls_client_auth"), "jwks: ").await;
}

#[tokio::test]
async fn a_certificate_has_exactly_one_name_to_be_known_by() {
    let scratch = Scratch::sqlite();
    let stand = stand(&scratch, true).await;
    let tls = || method("tls_client_auth");
    let text = str::to_owned;
    check(&stand, Settings { subject_dn: text("CN=app,O=Acme"), ..tls() }, "ok").await;
    check(&stand, Settings { san_dns: text("app.example"), ..tls() }, "ok").await;
    check(&stand, Settings { san_uri: text("spiffe://acme/app"), ..tls() }, "ok").await;
    check(&stand, Settings { san_ip: text("2001:db8::1"), ..tls() }, "ok").await;
    check(&stand, Settings { san_email: text("app@acme.example"), ..tls() }, "ok").await;
    let all = "tls_client_auth_subject_dn, ";
    check(&stand, tls(), all).await;
    let two = Settings { san_dns: text("a.example"), san_ip: text("192.0.2.1"), ..tls() };
    check(&stand, two, all).await;
    check(&stand, Settings { san_dns: text("a.example"), ..method("") }, all).await;
    let wrong = "tls_client_auth_subject_dn: ";
    check(&stand, Settings { subject_dn: text("app"), ..tls() }, wrong).await;
    check(&stand, Settings { subject_dn: text("CN=*\n"), ..tls() }, wrong).await;
    check(&stand, Settings { san_dns: text("*.example"), ..tls() }, "tls_client_auth_san_dns: ")
        .await;
    check(&stand, Settings { san_uri: text("app"), ..tls() }, "tls_client_auth_san_uri: ").await;
    check(&stand, Settings { san_ip: text("192.0.2.0/24"), ..tls() }, "tls_client_auth_san_ip: ")
        .await;
    check(&stand, Settings { san_email: text("app"), ..tls() }, "tls_client_auth_san_email: ")
        .await;
}

#[tokio::test]
async fn discovery_announces_certificates_where_they_are_taken() {
    let scratch = Scratch::sqlite();
    let announced = async |config| {
        let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
        let document = body(&stand.get("/.well-known/openid-configuration").await);
        let methods = document["token_endpoint_auth_methods_supported"].to_string();
        let bound = document["tls_client_certificate_bound_access_tokens"] == true;
        let has = |name: &str| methods.contains(name);
        let aliases = document["mtls_endpoint_aliases"]["token_endpoint"].clone();
        (has("\"tls_client_auth"), has("self_signed"), bound, aliases, has("none"))
    };
    assert_eq!(announced(config()).await, (false, false, false, json!(null), true));
    let mut with = config();
    with.certificates.accept = true;
    assert_eq!(announced(with.clone()).await, (false, true, true, json!(null), true));
    chassis::Host::development("key-manager", scratch.folder.path()).expect("a host");
    with.certificates.ca = scratch.folder.path().join("pki/ca.pem").display().to_string();
    let base = "https://id.example:9457/oauth2";
    with.certificates.url = Some(key_manager::endpoint::Issuer::parse(base).expect("a URL"));
    let token = json!(format!("{base}/token"));
    assert_eq!(announced(with).await, (true, true, true, token, true));
}
