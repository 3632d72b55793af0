//! Attack list, mTLS: is a token that is bound to a certificate worth nothing without it?
//!
//! Names, authorities, ends and header fields at the token endpoint are in the suite `service`,
//! `certificates.rs`. Lists of revoked certificates are not read: an operator ends a client, or its
//! registered key.

use bytes::Bytes;
use http::Method;
use key_manager::client_auth::{Settings, thumbprint};
use key_manager::endpoint::{Peer, Request};
use key_manager::registration::Application;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use crate::browser::{Browser, app, encode, exchange_of, wish};
use crate::databases::Scratch;
use crate::stand::{BEGIN, Dressed, Stand, config, json as body, part, post, said, text};

/// A certificate that its holder wrote.
fn certificate() -> Bytes {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["app.example".to_owned()]).expect("a name");
    Bytes::copy_from_slice(params.self_signed(&key).expect("a certificate").der())
}

fn with(request: Request, certificate: Option<&Bytes>) -> Request {
    Request { peer: Peer { certificate: certificate.cloned(), ..request.peer.clone() }, ..request }
}

#[tokio::test]
async fn a_token_of_a_certificate_is_taken_over_its_connection_only() {
    let scratch = Scratch::sqlite();
    let mut config = config();
    config.certificates.accept = true;
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    stand.person().await;
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    let grants = ["authorization_code", "refresh_token", exchange].map(str::to_owned).to_vec();
    let settings = Settings { certificate_bound: true, ..Settings::default() };
    let client = Application { public: false, grant_types: grants, settings, ..app() };
    let client = stand.register(client).await;
    let (id, secret) = (client.client.id.as_str(), client.secret.as_str());
    let (own, other) = (certificate(), certificate());
    let code = Browser::new(&stand).code(&wish(&client, &[])).await;
    let asked = exchange_of(&client, &code, &[]).basic(id, secret);
    assert_eq!(said(&stand.ask(&asked).await), "400 invalid_request", "no certificate");
    let tokens = body(&stand.ask(&with(asked, Some(&own))).await);
    let token = text(&tokens, "access_token");
    assert_eq!(part(&token, 1)["cnf"], json!({ "x5t#S256": thumbprint(&own) }));

    let person = || {
        Request { method: Method::GET, ..post("/oauth2/userinfo", "") }
            .header("authorization", &format!("Bearer {token}"))
    };
    let form = encode(&[
        ("grant_type", exchange),
        ("subject_token", &token),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ]);
    for (name, shown, told) in
        [("its own", Some(&own), true), ("another", Some(&other), false), ("none", None, false)]
    {
        let heard = said(&stand.ask(&with(person(), shown)).await);
        assert_eq!(heard, if told { "200" } else { "401 invalid_token" }, "{name}");
        let exchanged = post("/oauth2/token", &form).basic(id, secret);
        let heard = said(&stand.ask(&with(exchanged, shown)).await);
        assert_eq!(heard == "200", told, "{name}: {heard}");
    }
    // What somebody writes into a header is no connection.
    let pem = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &own);
    for name in [
        "client-cert",
        "x-client-cert",
        "x-forwarded-client-cert",
        "ssl-client-cert",
        "x-ssl-client-cert",
        "x-forwarded-tls-client-cert",
        "x-arr-clientcert",
    ] {
        for value in
            [pem.clone(), format!(":{pem}:"), format!("Hash={};Cert=\"{pem}\"", thumbprint(&own))]
        {
            let heard = said(&stand.ask(&person().header(name, &value)).await);
            assert_eq!(heard, "401 invalid_token", "{name}");
        }
    }
}
