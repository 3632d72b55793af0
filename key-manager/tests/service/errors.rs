//! Is every refusal the one that the RFCs name? (RFC 6749 section 5.2, RFC 9110)

use bytes::Bytes;
use http::Method;
use key_manager::endpoint::Request;
use key_manager::registration::Registered;
use key_manager::store::Store as _;

use crate::databases::each;
use crate::stand::{Dressed, Stand, post, said};

/// A request by name, so that the table below can be read.
fn request(name: &str, client: &Registered) -> Request {
    const GOOD: &str = "grant_type=client_credentials";
    let (id, secret) = (client.client.id.as_str(), client.secret.as_str());
    let good = |form: &str| post("/oauth2/token", form).basic(id, secret);
    match name {
        "as it should be" => good(GOOD),
        "grant_type missing" => good(""),
        "grant_type empty" => good("grant_type="),
        "grant_type unknown" => good("grant_type=password"),
        "grant_type in capitals" => good("grant_type=CLIENT_CREDENTIALS"),
        "a parameter twice" => good("grant_type=client_credentials&scope=a&scope=a"),
        "an unknown parameter" => good("grant_type=client_credentials&foo=bar"),
        "an unknown parameter twice" => good("grant_type=client_credentials&foo=1&foo=2"),
        "a broken escape" => good("grant_type=client_credentials&scope=%zz"),
        "NUL" => good("grant_type=client_credentials&scope=%00"),
        "no UTF-8" => good("grant_type=client_credentials&scope=%ff"),
        "a scope that it may not have" => good("grant_type=client_credentials&scope=z"),
        "no client" => post("/oauth2/token", GOOD),
        "only a client_id" => post("/oauth2/token", &format!("{GOOD}&client_id={id}")),
        "an unknown client" => post("/oauth2/token", GOOD).basic("nobody", secret),
        "a wrong secret" => post("/oauth2/token", GOOD).basic(id, "wrong"),
        "an empty secret" => post("/oauth2/token", GOOD).basic(id, ""),
        "a wrong secret in the form" => {
            post("/oauth2/token", &format!("{GOOD}&client_id={id}&client_secret=wrong"))
        }
        "two methods" => good(&format!("{GOOD}&client_id={id}&client_secret={secret}")),
        "two Authorization headers" => good(GOOD).basic(id, secret),
        "another client in the form" => good(&format!("{GOOD}&client_id=other")),
        "Bearer" => post("/oauth2/token", GOOD).header("authorization", "Bearer abc"),
        "Basic that is no base64" => post("/oauth2/token", GOOD).header("authorization", "Basic !"),
        "SQL as a client" => post("/oauth2/token", GOOD).basic("' OR 1=1 --", secret),
        "JSON" => {
            let mut json = good(r#"{"grant_type":"client_credentials"}"#);
            json.headers.insert("content-type", "application/json".parse().expect("a value"));
            json
        }
        "no content type" => {
            let mut bare = good(GOOD);
            bare.headers.remove("content-type");
            bare
        }
        "two content types" => good(GOOD).header("content-type", "application/json"),
        "a content type with charset" => {
            let mut charset = good(GOOD);
            let media = "application/x-www-form-urlencoded; charset=UTF-8";
            charset.headers.insert("content-type", media.parse().expect("a value"));
            charset
        }
        "an encoded body" => good(GOOD).header("content-encoding", "gzip"),
        "parameters in the URL" => Request { query: Some(GOOD.to_owned()), ..good("") },
        "a large body" => good(&format!("{GOOD}&foo={}", "x".repeat(64 * 1024))),
        "GET" => Request { method: Method::GET, body: Some(Bytes::new()), ..good("") },
        "PUT" => Request { method: Method::PUT, ..good(GOOD) },
        "POST to the key set" => Request { path: "/oauth2/jwks".to_owned(), ..good(GOOD) },
        "no token to introspect" => Request { path: "/oauth2/introspect".to_owned(), ..good("") },
        "introspection by nobody" => post("/oauth2/introspect", "token=x"),
        "no token to revoke" => Request { path: "/oauth2/revoke".to_owned(), ..good("") },
        "revocation by nobody" => post("/oauth2/revoke", "token=x"),
        "another address" => Request { path: "/oauth2/nothing".to_owned(), ..good("") },
        other => panic!("{other} is not in the table"),
    }
}

/// The request by its name, and what is answered.
const TABLE: &[(&str, &str)] = &[
    ("as it should be", "200"),
    ("grant_type missing", "400 invalid_request"),
    ("grant_type empty", "400 invalid_request"),
    ("grant_type unknown", "400 unsupported_grant_type"),
    ("grant_type in capitals", "400 unsupported_grant_type"),
    ("a parameter twice", "400 invalid_request"),
    ("an unknown parameter", "200"),
    ("an unknown parameter twice", "400 invalid_request"),
    ("a broken escape", "400 invalid_request"),
    ("NUL", "400 invalid_request"),
    ("no UTF-8", "400 invalid_request"),
    ("a scope that it may not have", "400 invalid_scope"),
    ("no client", "401 invalid_client"),
    ("only a client_id", "401 invalid_client"),
    ("an unknown client", "401 invalid_client"),
    ("a wrong secret", "401 invalid_client"),
    ("an empty secret", "401 invalid_client"),
    ("a wrong secret in the form", "401 invalid_client"),
    ("two methods", "400 invalid_request"),
    ("two Authorization headers", "400 invalid_request"),
    ("another client in the form", "400 invalid_request"),
    ("Bearer", "401 invalid_client"),
    ("Basic that is no base64", "401 invalid_client"),
    ("SQL as a client", "401 invalid_client"),
    ("JSON", "400 invalid_request"),
    ("no content type", "400 invalid_request"),
    ("two content types", "400 invalid_request"),
    ("a content type with charset", "200"),
    ("an encoded body", "400 invalid_request"),
    ("parameters in the URL", "400 invalid_request"),
    ("a large body", "413 invalid_request"),
    ("GET", "405 invalid_request"),
    ("PUT", "405 invalid_request"),
    ("POST to the key set", "405 invalid_request"),
    ("no token to introspect", "400 invalid_request"),
    ("introspection by nobody", "401 invalid_client"),
    ("no token to revoke", "400 invalid_request"),
    ("revocation by nobody", "401 invalid_client"),
    ("another address", "404 not_found"),
];

#[tokio::test]
async fn every_wrong_request_gets_the_error_that_its_rfc_names() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let client = stand.client(&["a"]).await;
        for (name, answer) in TABLE {
            let reply = stand.ask(&request(name, &client)).await;
            assert_eq!(said(&reply), *answer, "{name}");
            let header = |name: &str| {
                reply.headers().get(name).map(|value| value.to_str().expect("text").to_owned())
            };
            assert_eq!(header("cache-control").as_deref(), Some("no-store"), "{name}");
            let challenge = header("www-authenticate");
            assert_eq!(challenge.is_some(), reply.status() == 401, "{name}");
            assert!(challenge.is_none_or(|text| text.starts_with("Basic realm=")), "{name}");
            assert_eq!(header("allow").is_some(), reply.status() == 405, "{name}");
            assert_eq!(header("content-type").as_deref(), Some("application/json"), "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_may_only_use_the_grants_that_it_was_registered_for() {
    let scratch = crate::databases::Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.client(&[]).await;
    let found = stand.store.client(&client.client.id).await.expect("a store");
    let mut stored = found.expect("a client");
    stored.client.id = key_manager::domain::ClientId::parse("without").expect("an id");
    stored.client.grant_types = vec!["device_code".to_owned()];
    stored.secrets[0].digest = stand.authority.pepper.digest("without", "secret");
    stand.store.add_client(&stored).await.expect("added");
    let asked = post("/token", "grant_type=client_credentials").basic("without", "secret");
    assert_eq!(said(&stand.ask(&asked).await), "400 unauthorized_client");
}

#[tokio::test]
async fn a_refusal_repeats_nothing_that_could_hurt_its_reader() {
    let scratch = crate::databases::Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = stand.client(&[]).await;
    let form = "%22%5C%0a%3Cscript%3E%C3%A4=1&%22%5C%0a%3Cscript%3E%C3%A4=2";
    let reply = stand.post("/token", &client, form).await;
    insta::assert_snapshot!(String::from_utf8_lossy(reply.body()), @r#"{"error":"invalid_request","error_description":"the parameter `''?<script>?` comes twice"}"#);
}
