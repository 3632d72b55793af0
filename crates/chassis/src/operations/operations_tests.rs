//! What an operator is answered, and what garbage and slow clients achieve.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Config, Reply, Route, serve};
use crate::clock::Clock;
use crate::host::Host;

struct Port {
    _folder: tempfile::TempDir,
    host: Host,
    address: SocketAddr,
}

async fn port() -> Port {
    let folder = tempfile::tempdir().expect("folder");
    let host = Host::development("gateway", folder.path()).expect("host");
    let echo =
        |ask: super::Ask| async move { Reply::json(format!("{}|{}", ask.query, ask.body.len())) };
    let routes = vec![Route::get("/echo", echo), Route::put("/echo", echo)];
    let config = Config { listen: ([127, 0, 0, 1], 0).into() };
    let address = serve(&host, &config, routes).await.expect("served");
    Port { _folder: folder, host, address }
}

/// Sends the bytes, reads until the other side closes.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    // The other side may close before everything is written.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let read = Clock::system().timeout(Duration::from_secs(30), reading).await;
    assert!(read.is_ok(), "the connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

/// `answer` stands for "STATUS rest-of-body".
async fn check(port: &Port, request: &str, answer: &str) {
    let head = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let said = exchange(port.address, head.as_bytes()).await;
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).unwrap_or_default();
    assert_eq!(format!("{status} {body}"), answer, "{request}");
}

#[tokio::test]
async fn readiness_is_red_with_reasons_until_every_condition_is_green() {
    let port = port().await;
    check(&port, "GET /livez", "200 ok\n").await;
    check(&port, "GET /readyz", "200 ok\n").await;
    let store = port.host.ready.condition("store");
    check(&port, "GET /readyz", "503 store: not reached yet\n").await;
    store.red("no leader");
    check(&port, "GET /readyz", "503 store: no leader\n").await;
    store.green();
    check(&port, "GET /readyz", "200 ok\n").await;
    store.remark(Some("read only".to_owned()));
    check(&port, "GET /readyz", "200 ok\nstore: read only\n").await;
    store.remark(None);
    port.host.shutdown.request();
    check(&port, "GET /readyz", "503 shutdown: draining\n").await;
    check(&port, "GET /livez", "200 ok\n").await;
}

#[tokio::test]
async fn metrics_are_open_metrics_text() {
    let port = port().await;
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let said = exchange(port.address, request).await;
    assert!(said.contains("content-type: application/openmetrics-text; version=1.0.0"), "{said}");
    assert!(said.contains("turnpike_build{service=\"gateway\""), "{said}");
    assert!(said.ends_with("# EOF\n"), "{said}");
}

#[tokio::test]
async fn routes_of_the_service_are_answered_and_others_are_not() {
    let port = port().await;
    check(&port, "GET /echo?a=1", "200 a=1|0").await;
    check(&port, "HEAD /echo?a=1", "200 ").await;
    check(&port, "DELETE /echo", "405 this method is not known here\n").await;
    check(&port, "POST /livez", "405 this method is not known here\n").await;
    check(&port, "GET /nothing", "404 there is nothing at this path\n").await;
    check(&port, "GET /../etc/passwd", "404 there is nothing at this path\n").await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let port = port().await;
    let mut request =
        b"PUT /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 70000\r\n\r\n"
            .to_vec();
    request.extend(vec![b'x'; 70_000]);
    let said = exchange(port.address, &request).await;
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
}

#[tokio::test]
async fn garbage_is_closed_and_the_port_goes_on_answering() {
    let port = port().await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(101));
    let garbage: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ];
    for bytes in garbage {
        let mut bytes = bytes.to_vec();
        bytes.extend_from_slice(b"\r\n\r\n");
        let said = exchange(port.address, &bytes).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
        check(&port, "GET /livez", "200 ok\n").await;
    }
}
