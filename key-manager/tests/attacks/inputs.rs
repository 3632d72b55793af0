//! Does every endpoint answer every bad request with the code that its RFC names, and with nothing of
//! its inside?

use bytes::Bytes;
use http::{HeaderValue, Method};
use key_manager::endpoint::{LARGEST_BODY, Reply, Request};
use key_manager::registration::{Access, Registered};
use serde_json::Value;

use crate::databases::Scratch;
use crate::stand::{BEGIN, Dressed, Stand, config, post, said};

/// Those of programs, and what they answer besides POST.
const PROGRAMS: [&str; 10] = [
    "token",
    "par",
    "device_authorization",
    "bc-authorize",
    "introspect",
    "revoke",
    "userinfo",
    "register",
    "register/nobody",
    "jwks",
];
/// Those of people.
const PAGES: [&str; 10] = [
    "authorize",
    "login",
    "consent",
    "factor",
    "continue",
    "account",
    "signup",
    "logout",
    "device",
    "approvals",
];
/// RFC 6749 5.2, RFC 6750 3.1, RFC 7009 2.2.1, RFC 7591 3.2.2, RFC 8628 3.5, RFC 8707 2, RFC 9449 5.
const CODES: [&str; 13] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
    "invalid_token",
    "invalid_redirect_uri",
    "invalid_client_metadata",
    "invalid_dpop_proof",
    "temporarily_unavailable",
    "not_found",
];

/// What an answer never holds.
const INSIDE: [&str; 16] = [
    "panicked",
    "unwrap",
    "src/",
    ".rs:",
    "sqlx",
    "sqlite",
    "postgres",
    "SELECT",
    "INSERT",
    "no such table",
    "key_manager",
    "backtrace",
    "thread '",
    "Error {",
    "Some(",
    "/root/",
];

fn check(name: &str, endpoint: &str, reply: &Reply) {
    let status = reply.status().as_u16();
    assert!((200..500).contains(&status), "{endpoint}, {name}: {}", said(reply));
    let text = String::from_utf8_lossy(reply.body()).into_owned();
    for inside in INSIDE {
        assert!(!text.contains(inside), "{endpoint}, {name}: {text}");
    }
    if status < 400 {
        return;
    }
    let header = |name: &str| {
        reply.headers().get(name).map_or("", |value| value.to_str().expect("text")).to_owned()
    };
    assert_eq!(header("cache-control"), "no-store", "{endpoint}, {name}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{endpoint}, {name}");
    assert_eq!(header("www-authenticate").is_empty(), status != 401, "{endpoint}, {name}");
    if PAGES.contains(&endpoint) {
        assert!(text.starts_with("<!doctype html>"), "{endpoint}, {name}: {text}");
        assert!(header("content-type").starts_with("text/html"), "{endpoint}, {name}");
        return;
    }
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{endpoint}: {text}"));
    let code = body["error"].as_str().unwrap_or_default();
    assert!(CODES.contains(&code), "{endpoint}, {name}: {text}");
    let members = body.as_object().map_or(0, serde_json::Map::len);
    assert_eq!((members, header("content-type").as_str()), (2, "application/json"), "{text}");
    let described = body["error_description"].as_str().unwrap_or_default();
    let plain = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    assert!(!described.is_empty() && described.chars().all(plain), "{endpoint}, {name}: {text}");
}

/// Bodies and queries that no client sends.
fn odd() -> Vec<(&'static str, Vec<u8>)> {
    let mut state = 0x2545_f491_u32;
    let mut noise = |length: usize| -> Vec<u8> {
        (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state.to_be_bytes()[0]
            })
            .collect()
    };
    let many = (0..65).map(|at| format!("p{at}=1&")).collect::<Vec<_>>().concat();
    vec![
        ("nothing", Vec::new()),
        ("a sign", b"=".to_vec()),
        ("signs", b"&&&=&=".to_vec()),
        ("half an escape", b"a=%".to_vec()),
        ("no escape", b"a=%zz".to_vec()),
        ("NUL", b"a=%00".to_vec()),
        ("NUL in a name", b"a%00=b".to_vec()),
        ("no UTF-8", b"a=%ff".to_vec()),
        ("raw bytes that are no UTF-8", b"a=\xff\xfe".to_vec()),
        ("overlong UTF-8", b"a=%c0%af".to_vec()),
        ("a surrogate", b"a=%ed%a0%80".to_vec()),
        ("twice", b"a=1&a=2".to_vec()),
        ("twice in another spelling", b"a=1&%61=2".to_vec()),
        ("the client twice", b"client_id=a&client_id=b".to_vec()),
        ("too many", many.into_bytes()),
        ("a long name", [b"n".repeat(8_000), b"=1".to_vec()].concat()),
        ("a long value", [b"token=".to_vec(), b"v".repeat(60_000)].concat()),
        ("a list", b"token[]=a&token[0]=b&client_id[$ne]=x".to_vec()),
        ("SQL", b"client_id='%20OR%201%3D1%20--&token=';DROP%20TABLE%20client;--".to_vec()),
        ("LDAP", b"name=*)(uid=*))(%7C(uid=*&password=x".to_vec()),
        ("a template", b"client_id=%7B%7B7*7%7D%7D&state=%24%7Bjndi:ldap://x%7D".to_vec()),
        ("a script", b"state=%3Cscript%3Ealert(1)%3C/script%3E&client_id=x".to_vec()),
        ("a path", b"client_id=..%2f..%2fetc%2fpasswd".to_vec()),
        ("numbers", b"max_age=99999999999999999999&requested_expiry=-9223372036854775809".to_vec()),
        ("JSON", br#"{"grant_type":"client_credentials","client_id":{"$ne":1}}"#.to_vec()),
        ("JSON that is none", b"{".to_vec()),
        ("a name twice in JSON", br#"{"a":1,"a":2}"#.to_vec()),
        ("half a surrogate in JSON", br#"{"client_name":"\ud800"}"#.to_vec()),
        ("a deep nest", [b"[".repeat(20_000), b"]".repeat(20_000)].concat()),
        ("a number beyond all", br#"{"default_max_age":1e999}"#.to_vec()),
        ("XML", br#"<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>"#.to_vec()),
        ("noise", noise(300)),
        ("much noise", noise(20_000)),
        ("too much", vec![b'x'; LARGEST_BODY + 1]),
    ]
}

async fn ground(scratch: &Scratch) -> (Stand, Registered) {
    let mut config = config();
    config.registration.access = Access::Everybody;
    let stand = Stand::with(scratch, scratch.folder.path(), BEGIN, config).await;
    let client = stand.client(&["a"]).await;
    (stand, client)
}

#[tokio::test]
async fn every_bad_body_of_every_endpoint_is_refused_in_its_words() {
    const MEDIA: [&str; 6] = [
        "application/x-www-form-urlencoded",
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/x-www-form-urlencoded; charset=utf-7",
        "",
    ];
    let scratch = Scratch::sqlite();
    let (stand, client) = ground(&scratch).await;
    let (id, secret) = (client.client.id.as_str(), client.secret.as_str());
    for endpoint in PROGRAMS.into_iter().chain(PAGES) {
        for (name, bytes) in odd() {
            for media in MEDIA {
                let mut request = post(&format!("/oauth2/{endpoint}"), "");
                request.body =
                    Some(Bytes::from(bytes.clone())).filter(|body| body.len() <= LARGEST_BODY);
                request.headers.remove("content-type");
                if !media.is_empty() {
                    request.headers.insert("content-type", HeaderValue::from_static(media));
                }
                check(name, endpoint, &stand.ask(&request).await);
                // And by somebody who may ask.
                check(name, endpoint, &stand.ask(&request.basic(id, secret)).await);
            }
        }
    }
}

#[tokio::test]
async fn every_bad_query_of_every_endpoint_is_refused_in_its_words() {
    let scratch = Scratch::sqlite();
    let (stand, _) = ground(&scratch).await;
    for endpoint in PROGRAMS.into_iter().chain(PAGES).chain([".well-known/openid-configuration"]) {
        for (name, bytes) in odd() {
            // A request line holds no other bytes.
            let Ok(query) = String::from_utf8(bytes) else { continue };
            for method in [Method::GET, Method::POST] {
                let request = post(&format!("/oauth2/{endpoint}"), "");
                let request = Request { method, query: Some(query.clone()), ..request };
                check(name, endpoint, &stand.ask(&request).await);
            }
        }
    }
}

#[tokio::test]
async fn every_other_method_and_address_is_refused_in_its_words() {
    let scratch = Scratch::sqlite();
    let (stand, _) = ground(&scratch).await;
    let odd = |name: &[u8]| Method::from_bytes(name).expect("a method");
    let methods = [
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
        Method::HEAD,
        odd(b"PROPFIND"),
        odd(b"post"),
        odd(b"GETT"),
    ];
    for endpoint in PROGRAMS.into_iter().chain(PAGES) {
        for method in &methods {
            let request = post(&format!("/oauth2/{endpoint}"), "a=b");
            let reply = stand.ask(&Request { method: method.clone(), ..request }).await;
            check(method.as_str(), endpoint, &reply);
            let status = reply.status().as_u16();
            let known = *method == Method::HEAD && endpoint == "jwks";
            // A registration is changed and removed by its client, who shows its token.
            let own = endpoint == "register/nobody" && status == 401;
            // Sign-up is off.
            let off = endpoint == "signup" && status == 404;
            assert!(known || own || off || status == 405, "{method} {endpoint}: {status}");
            assert_eq!(status == 405, reply.headers().contains_key("allow"), "{method} {endpoint}");
        }
        for path in [
            format!("/oauth2/{endpoint}/"),
            format!("/oauth2//{endpoint}"),
            format!("/oauth2/{}", endpoint.to_uppercase()),
            format!("/oauth2/{endpoint}%2f"),
            format!("/oauth2/%2e%2e/oauth2/{endpoint}"),
            format!("/oauth2/../oauth2/{endpoint}"),
            format!("/oauth2/{endpoint};x=y"),
            format!("/oauth2/{endpoint}.json"),
            format!("/oauth2/oauth2/{endpoint}"),
        ] {
            let reply = stand.ask(&post(&path, "a=b")).await;
            let status = reply.status().as_u16();
            // Behind `register/` stands the name of a client, which nobody has.
            let named = path.contains("register/") && [401, 405].contains(&status);
            assert!(status == 404 || named, "{path}: {}", said(&reply));
        }
    }
}
