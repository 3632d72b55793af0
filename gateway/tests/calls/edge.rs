//! How large and how many may clients be, and who may speak for them?

use std::net::SocketAddr;
use std::sync::Arc;

use chassis::proxies::Source;
use gateway::receiver::Settings;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::stand::{Client, Stand, request};

const OPEN: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: open, version: "1.0" }
spec:
  context: /open
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
---
apiVersion: turnpike/v1
kind: Api
metadata: { name: small, version: "1.0" }
spec:
  context: /small
  lifecycle: PUBLISHED
  limits: { maxRequestBytes: 3 }
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
"#;

/// Sends `bytes` of body to `path`, announced or in chunks, and compares the outcome of both.
async fn check(stand: &Stand, path: &str, bytes: usize, expected: &str) {
    let body = "x".repeat(bytes);
    let announced = request(&format!("POST {path}"), "", &body);
    let chunked = request(&format!("POST {path}"), "transfer-encoding: chunked\r\n", "");
    let chunked = format!("{chunked}{bytes:x}\r\n{body}\r\n0\r\n\r\n");
    for wire in [announced, chunked] {
        let mut client = stand.client().await;
        client.say(&wire).await;
        let answer = client.hear().await;
        let shown = if answer.status == 200 { "200".to_owned() } else { answer.fault() };
        assert_eq!(shown, expected, "{wire:.100} {answer:?}");
    }
}

#[tokio::test]
async fn a_body_beyond_its_limit_is_refused_however_it_is_framed() {
    let stand = Stand::with(OPEN, |settings| settings.receiver.max_body = 10).await;
    check(&stand, "/open/1.0/echo", 10, "200").await;
    check(&stand, "/open/1.0/echo", 11, "413 413").await;
    check(&stand, "/small/1.0/echo", 3, "200").await;
    check(&stand, "/small/1.0/echo", 4, "413 413").await;
    // What was too long is not let through in part.
    let whole = stand.backend.seen.requests.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(whole, 4);
}

/// Trusts this machine, and wants to be told whose connections they are.
fn behind_a_proxy(settings: &mut Settings) {
    settings.receiver.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
    settings.receiver.proxy_protocol = vec!["127.0.0.1:0".parse().unwrap()];
}

fn line(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 192.0.2.99 4711 80\r\n").into_bytes()
}

fn binary(client: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x13".to_vec();
    header.extend(client);
    // Our address, both ports, and an addition of seven bytes.
    header.extend([192, 0, 2, 99, 18, 103, 0, 80, 4, 0, 4, 1, 2, 3, 4]);
    header
}

async fn proxied(address: SocketAddr, header: &[u8]) -> Client {
    let mut client = Client(TcpStream::connect(address).await.unwrap());
    client.0.write_all(header).await.unwrap();
    client
}

#[tokio::test]
async fn a_proxy_in_front_says_whose_connection_it_is() {
    let stand = Stand::with(OPEN, behind_a_proxy).await;
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00".to_vec();
    for (header, client) in [
        (line("192.0.2.7"), "192.0.2.7"),
        (binary([192, 0, 2, 8]), "192.0.2.8"),
        (b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n".to_vec(), "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (local, "127.0.0.1"),
    ] {
        let mut speaker = proxied(stand.serving.http()[0], &header).await;
        speaker.say(&request("GET /open/1.0/echo", "x-forwarded-for: 6.6.6.6\r\n", "")).await;
        let body = speaker.hear().await.body;
        // Only a proxy that speaks for itself is believed when it names others.
        let earlier = if client == "127.0.0.1" { "6.6.6.6, " } else { "" };
        let expected = format!("x-forwarded-for: {earlier}{client}\r\n");
        assert!(body.contains(&expected), "{client}: {body}");
    }
}

#[tokio::test]
async fn a_proxy_header_stands_before_tls() {
    let stand = Stand::with(OPEN, behind_a_proxy).await;
    let client = proxied(stand.serving.https()[0], &binary([192, 0, 2, 8])).await;
    let config = stand.host.tls.client_config(&["http/1.1"]).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::clone(&config)).connect(name, client.0).await.unwrap();
    let close = "connection: close\r\n";
    stream.write_all(request("GET /open/1.0/echo", close, "").as_bytes()).await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert!(heard.contains("x-forwarded-for: 192.0.2.8\r\n"), "{heard}");
}

#[tokio::test]
async fn who_does_not_say_whose_connection_it_is_is_closed() {
    let stand = Stand::with(OPEN, behind_a_proxy).await;
    let http = stand.serving.http()[0];
    let plain = request("GET /open/1.0/echo", "", "").into_bytes();
    let endless = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat();
    let huge = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec();
    let wrong = b"PROXY TCP4 a b c d\r\n".to_vec();
    for (number, header) in [plain, endless, huge, wrong].into_iter().enumerate() {
        assert!(proxied(http, &header).await.is_closed().await, "{number}");
        let closed = u64::try_from(number).unwrap() + 1;
        stand.until("gateway_connections_unproxied_total", closed).await;
    }
    let others = |settings: &mut Settings| {
        behind_a_proxy(settings);
        settings.receiver.trusted_proxies = vec!["192.0.2.0/24".to_owned()];
    };
    let stand = Stand::with(OPEN, others).await;
    let header = line("192.0.2.7");
    assert!(proxied(stand.serving.http()[0], &header).await.is_closed().await);
    stand.until("gateway_connections_unproxied_total", 1).await;
}

#[tokio::test]
async fn a_client_with_too_many_connections_gets_no_more() {
    let narrow = |settings: &mut Settings| {
        behind_a_proxy(settings);
        settings.receiver.max_connections_per_address = 2;
    };
    let stand = Stand::with(OPEN, narrow).await;
    let http = stand.serving.http()[0];
    let works = async |client: &mut Client| {
        client.say(&request("GET /open/1.0/echo", "", "")).await;
        client.hear().await.status == 200
    };
    let mut one = proxied(http, &line("192.0.2.1")).await;
    let mut two = proxied(http, &line("192.0.2.1")).await;
    assert!(works(&mut one).await && works(&mut two).await);
    assert!(proxied(http, &line("192.0.2.1")).await.is_closed().await);
    stand.until("gateway_connections_crowded_total", 1).await;
    let mut other = proxied(http, &line("192.0.2.2")).await;
    assert!(works(&mut other).await, "somebody else is not concerned");
    assert!(works(&mut one).await, "nor is who was there before");
    drop(one);
    stand.until("gateway_connections", 2).await;
    let mut again = proxied(http, &line("192.0.2.1")).await;
    assert!(works(&mut again).await);
}

#[tokio::test]
async fn proxies_may_speak_by_the_standard_field() {
    let standard = |settings: &mut Settings| {
        settings.receiver.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
        settings.receiver.client_from = Source::Forwarded;
    };
    let stand = Stand::with(OPEN, standard).await;
    let said = "Forwarded: for=192.0.2.7;proto=https;host=outside.example\r\n\
                X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil.example\r\n";
    let body = stand.call("GET /open/1.0/echo", said, "").await.body;
    for line in [
        "x-forwarded-for: 192.0.2.7, 127.0.0.1\r\n",
        "x-forwarded-proto: https\r\n",
        "x-forwarded-host: outside.example\r\n",
        "forwarded: for=192.0.2.7;proto=https;host=outside.example, \
         for=127.0.0.1;host=\"api.example\";proto=http\r\n",
    ] {
        assert!(body.contains(line), "{line}{body}");
    }
    assert!(!body.contains("6.6.6.6") && !body.contains("evil"), "{body}");
    // Of anybody else nothing is believed.
    let strict = |settings: &mut Settings| settings.receiver.client_from = Source::Forwarded;
    let stand = Stand::with(OPEN, strict).await;
    let body = stand.call("GET /open/1.0/echo", said, "").await.body;
    assert!(body.contains("x-forwarded-for: 127.0.0.1\r\n"), "{body}");
    let own = "forwarded: for=127.0.0.1;host=\"api.example\";proto=http\r\n";
    assert!(body.contains(own), "{body}");
    assert!(!body.contains("192.0.2.7"), "{body}");
}
