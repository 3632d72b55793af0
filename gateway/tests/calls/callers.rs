//! What is a certificate good for that a caller shows?

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::certificate::Told;
use gateway::receiver::Asked;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::stand::{LIMIT, Stand, request};
use crate::tls::{Stranger, asks, client, connect};

/// An API with this `security`, the certificate of `known` as one that is known, and the authority of
/// `signed`.
fn resources(security: &str, known: &Stranger, signed: &Stranger) -> String {
    let indented = |pem: String| pem.replace('\n', "\n    ");
    format!(
        r#"
apiVersion: turnpike/v1
kind: Api
metadata: {{ name: orders, version: "1.0" }}
spec:
  context: /orders
  lifecycle: PUBLISHED
  security: {{ {security} }}
  endpoints:
    production: {{ urls: ["http://BACKEND/base"] }}
    sandbox: {{ urls: ["http://BACKEND/sandbox"] }}
  operations:
    - {{ method: GET, path: "/echo" }}
    - {{ method: GET, path: "/read", scopes: [orders.read] }}
    - {{ method: GET, path: "/person", auth: application_user }}
---
apiVersion: turnpike/v1
kind: Certificate
metadata: {{ name: partner }}
spec:
  use: caller
  chain: |
    {}
---
apiVersion: turnpike/v1
kind: Certificate
metadata: {{ name: partners }}
spec:
  use: client_ca
  chain: |
    {}
---
{{ apiVersion: turnpike/v1, kind: Application, metadata: {{ name: shop }}, spec: {{ keys: [ {{ consumerKey: live }} ] }} }}
---
{{ apiVersion: turnpike/v1, kind: Subscription, metadata: {{ name: s }}, spec: {{ application: shop, api: "orders:1.0" }} }}
---
{{ apiVersion: turnpike/v1, kind: Tier, metadata: {{ name: Few }}, spec: {{ quota: {{ requests: 2, per: 86400s }} }} }}
"#,
        indented(known.read("caller.pem")),
        indented(signed.read("ca.pem")),
    )
}

/// Status, number and what the backend saw of a call; `None`: the caller does not come in.
async fn call(
    stand: &Stand,
    caller: Option<&Stranger>,
    path: &str,
    fields: &str,
) -> Option<String> {
    let mut stream = connect(stand, &client(stand, caller)).await.ok()?;
    let fields = format!("{fields}connection: close\r\n");
    let request = request(&format!("GET /orders/1.0{path}"), &fields, "");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut heard = Vec::new();
    // With TLS 1.3 a client learns only now that it is refused.
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut heard)).await.unwrap();
    read.ok()?;
    Some(String::from_utf8_lossy(&heard).into_owned())
}

async fn check(stand: &Stand, caller: Option<&Stranger>, path: &str, fields: &str, expected: &str) {
    let said = call(stand, caller, path, fields).await.unwrap_or_default();
    let status = said.get(9..12).unwrap_or("none");
    let code =
        said.split_once("\"code\":\"").map_or("", |(_, rest)| rest.split('"').next().unwrap());
    assert_eq!(format!("{status} {code}").trim(), expected, "{path}: {said}");
}

async fn stand(security: &str, known: &Stranger, signed: &Stranger) -> Stand {
    Stand::with(&resources(security, known, signed), asks(Asked::Optional, Told::None)).await
}

#[tokio::test]
async fn a_certificate_that_is_known_is_good_by_its_key() {
    let (known, signed) = (Stranger::new(), Stranger::new());
    let security = "schemes: [mutual_tls], mutualTls: { certificates: [ { certificate: partner, \
                    rights: { type: sandbox, scopes: [orders.read], tier: Few } } ] }";
    let stand = stand(security, &known, &signed).await;
    let said = call(&stand, Some(&known), "/echo", "").await.unwrap();
    assert!(said.contains("/sandbox/echo"), "{said}");
    check(&stand, Some(&known), "/person", "", "401 900905").await;
    check(&stand, Some(&known), "/read", "", "200").await;
    // The third call of the day, and the tier has two.
    check(&stand, Some(&known), "/echo", "", "429 900804").await;
    // One of a believed authority comes in, and is not good here.
    check(&stand, Some(&signed), "/echo", "", "401 900901").await;
    check(&stand, None, "/echo", "", "401 900902").await;
}

#[tokio::test]
async fn a_certificate_of_an_authority_is_good_by_the_names_inside() {
    let (known, signed) = (Stranger::new(), Stranger::new());
    let with = |name: &str| {
        format!(
            "schemes: [mutual_tls], mutualTls: {{ authorities: [ {{ certificate: partners, \
             names: ['{name}'] }} ] }}"
        )
    };
    let stand = stand(&with("uri:turnpike://caller/*"), &known, &signed).await;
    check(&stand, Some(&signed), "/echo", "", "200").await;
    check(&stand, Some(&signed), "/read", "", "403 900910").await;
    check(&stand, Some(&known), "/echo", "", "401 900901").await;
    stand.publish(&resources(&with("uri:turnpike://other/*"), &known, &signed));
    check(&stand, Some(&signed), "/echo", "", "401 900901").await;
    stand.publish(&resources(&with("dns:caller.example"), &known, &signed));
    check(&stand, Some(&signed), "/echo", "", "401 900901").await;
}

#[tokio::test]
async fn a_certificate_and_a_token_are_asked_for_together() {
    let (known, signed) = (Stranger::new(), Stranger::new());
    let callers = "mutualTls: { certificates: [ { certificate: partner } ] }";
    let both = format!("schemes: [mutual_tls, oauth2], required: all, {callers}");
    let stand = stand(&both, &known, &signed).await;
    let token = stand.bearer("live");
    check(&stand, Some(&known), "/echo", &token, "200").await;
    check(&stand, Some(&known), "/echo", "", "401 900902").await;
    check(&stand, None, "/echo", &token, "401 900902").await;
    check(&stand, Some(&signed), "/echo", &token, "401 900901").await;
    let any = format!("schemes: [mutual_tls, oauth2], {callers}");
    stand.publish(&resources(&any, &known, &signed));
    // A certificate that is not good here counts as none where a token is enough.
    check(&stand, Some(&signed), "/echo", &token, "200").await;
    check(&stand, Some(&known), "/echo", "", "200").await;
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_is_good_with_it() {
    let (known, signed) = (Stranger::new(), Stranger::new());
    let stand = stand("", &known, &signed).await;
    let leaf = CertificateDer::from_pem_slice(signed.read("caller.pem").as_bytes()).unwrap();
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &leaf));
    let token = stand.token("live", &json!({ "cnf": { "x5t#S256": thumbprint } }));
    let fields = format!("authorization: Bearer {token}\r\n");
    check(&stand, Some(&signed), "/echo", &fields, "200").await;
    check(&stand, Some(&known), "/echo", &fields, "401 900901").await;
    check(&stand, None, "/echo", &fields, "401 900901").await;
    // What anybody says of a certificate is not believed.
    let said = format!(
        "{fields}client-cert: :{}:\r\n",
        base64::engine::general_purpose::STANDARD.encode(&leaf)
    );
    check(&stand, None, "/echo", &said, "401 900901").await;
}
