//! How are connections of clients opened, held and closed?

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::stand::{Client, LIMIT, OPEN, Stand, request};

/// Sends two calls at once over one HTTP/2 connection and returns the bodies.
async fn over_http2(
    stand: &Stand,
    io: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    scheme: &str,
) -> Vec<String> {
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io))
            .await
            .unwrap();
    stand.host.tasks.spawn("client", connection);
    let ask = |path: &str, body: &str| {
        let uri = format!("{scheme}://api.example/open/1.0{path}");
        let body = Full::new(bytes::Bytes::from(body.to_owned()));
        let request = http::Request::post(uri).body(body).unwrap();
        let mut sender = sender.clone();
        async move {
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.version(), http::Version::HTTP_2);
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            String::from_utf8_lossy(&body).into_owned()
        }
    };
    let (echo, sized) = tokio::join!(ask("/echo", "hello"), ask("/sized/200000", ""));
    vec![echo, sized]
}

#[track_caller]
fn check(bodies: &[String], proto: &str) {
    let [echo, sized] = bodies else { panic!("two answers") };
    assert!(echo.contains(&format!("x-forwarded-proto: {proto}\r\n")), "{echo}");
    assert!(echo.contains("x-forwarded-host: api.example\r\n"), "{echo}");
    assert!(echo.ends_with("\r\n\r\nhello"), "{echo}");
    assert_eq!(sized.len(), 200_000);
}

async fn tls(stand: &Stand, alpn: &str) -> tokio_rustls::client::TlsStream<TcpStream> {
    let config = stand.host.tls.client_config(&[alpn]).unwrap();
    let stream = TcpStream::connect(stand.serving.https()[0]).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(&config)).connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn http2_is_spoken_in_the_clear_to_those_who_know() {
    let stand = Stand::start(OPEN).await;
    let stream = TcpStream::connect(stand.serving.http()[0]).await.unwrap();
    check(&over_http2(&stand, stream, "http").await, "http");
}

#[tokio::test]
async fn http2_is_spoken_under_tls_to_those_who_ask() {
    let stand = Stand::start(OPEN).await;
    check(&over_http2(&stand, tls(&stand, "h2").await, "https").await, "https");
}

#[tokio::test]
async fn http1_is_spoken_under_tls_too() {
    let stand = Stand::start(OPEN).await;
    let io = TokioIo::new(tls(&stand, "http/1.1").await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    stand.host.tasks.spawn("client", connection);
    let ask = http::Request::get("/open/1.0/echo").header("host", "api.example");
    let answer =
        sender.send_request(ask.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("x-forwarded-proto: https\r\n"));
}

#[tokio::test]
async fn a_head_that_starts_like_the_preface_is_still_a_head() {
    let stand = Stand::start(OPEN).await;
    let mut client = stand.client().await;
    client.say("P").await;
    client.say(request("PRIME /open/1.0/echo", "", "").strip_prefix('P').unwrap()).await;
    assert_eq!(client.hear().await.status, 200);
}

#[tokio::test]
async fn calls_that_are_sent_ahead_are_answered_in_their_order() {
    let stand = Stand::start(OPEN).await;
    let mut client = stand.client().await;
    let two = ["a", "b"].map(|x| request(&format!("GET /open/1.0/echo/{x}"), "", "")).concat();
    client.say(&two).await;
    let mut heard = Vec::new();
    while String::from_utf8_lossy(&heard).matches("/echo/").count() < 2 {
        tokio::io::AsyncReadExt::read_buf(&mut client.0, &mut heard).await.unwrap();
    }
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.find("/echo/a") < heard.find("/echo/b"), "{heard}");
}

#[tokio::test]
async fn garbage_is_refused_and_hurts_nobody() {
    let stand = Stand::start(OPEN).await;
    for garbage in [
        "\u{16}\u{3}\u{1}\0",
        "GET\r\n\r\n",
        "\0\0\0\0\0\0\0\0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nXX",
    ] {
        let mut client = stand.client().await;
        client.say(garbage).await;
        tokio::io::AsyncWriteExt::shutdown(&mut client.0).await.unwrap();
        assert!(client.is_closed().await, "{garbage:?}");
    }
    let mut client = Client(TcpStream::connect(stand.serving.https()[0]).await.unwrap());
    client.say("GET / HTTP/1.1\r\n\r\n").await;
    assert!(client.is_closed().await);
    assert_eq!(stand.call("GET /open/1.0/echo", "", "").await.status, 200);
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_refused() {
    let stand = Stand::start(OPEN).await;
    let long = format!("x: {}\r\n", "y".repeat(500_000));
    assert_eq!(stand.call("GET /open/1.0/echo", &long, "").await.fault(), "431 431");
    let many = "x: y\r\n".repeat(120);
    assert_eq!(stand.call("GET /open/1.0/echo", &many, "").await.fault(), "431 431");
    let target = format!("GET /open/1.0/{}", "y".repeat(5_000));
    assert_eq!(stand.call(&target, "", "").await.fault(), "414 414");
}

#[tokio::test]
async fn smuggled_framing_is_refused() {
    let stand = Stand::start(OPEN).await;
    for fields in [
        "content-length: 1\r\ncontent-length: 2\r\n",
        "content-length: -1\r\n",
        "content-length: 1\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: chunked, gzip\r\n",
    ] {
        let answer = stand.call("POST /open/1.0/echo", fields, "").await;
        assert_eq!(answer.fault(), "400 400", "{fields:?}: {answer:?}");
        assert_eq!(answer.field("connection"), Some("close"));
    }
    assert_eq!(stand.call("GET /open/1.0/echo", "host: other\r\n", "").await.fault(), "400 400");
}

#[tokio::test]
async fn a_client_that_never_finishes_its_head_is_lost() {
    let hasty = |settings: &mut gateway::receiver::Settings| {
        settings.receiver.header_timeout = Duration::from_millis(100);
    };
    let stand = Stand::with(OPEN, hasty).await;
    let mut client = stand.client().await;
    client.say("GET /open").await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_client_that_calls_nothing_is_lost() {
    let hasty = |settings: &mut gateway::receiver::Settings| {
        settings.receiver.idle_timeout = Duration::from_millis(100);
    };
    let stand = Stand::with(OPEN, hasty).await;
    let mut client = stand.client().await;
    client.say(&request("GET /open/1.0/echo", "", "")).await;
    assert_eq!(client.hear().await.status, 200);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_client_that_does_not_send_its_body_is_lost() {
    let hasty = |settings: &mut gateway::receiver::Settings| {
        settings.receiver.stall_timeout = Duration::from_millis(100);
    };
    let stand = Stand::with(OPEN, hasty).await;
    let mut client = stand.client().await;
    client.say(&request("POST /open/1.0/echo", "content-length: 9\r\n", "")).await;
    assert!(client.is_closed().await);
    stand.until("gateway_backend_connections", 0).await;
}

#[tokio::test]
async fn connections_beyond_the_bound_are_turned_away() {
    let narrow = |settings: &mut gateway::receiver::Settings| {
        settings.receiver.max_connections = 1;
    };
    let stand = Stand::with(OPEN, narrow).await;
    let mut first = stand.client().await;
    first.say(&request("GET /open/1.0/echo", "", "")).await;
    assert_eq!(first.hear().await.status, 200);
    assert!(stand.client().await.is_closed().await);
    assert_eq!(stand.number("gateway_connections_turned_away_total"), 1);
    drop(first);
    stand.until("gateway_connections", 0).await;
    assert_eq!(stand.call("GET /open/1.0/echo", "", "").await.status, 200);
}

#[tokio::test]
async fn a_stop_lets_calls_end_and_takes_no_new_ones() {
    let stand = Stand::start(OPEN).await;
    let (mut idle, mut busy) = (stand.client().await, stand.client().await);
    idle.say(&request("GET /open/1.0/echo", "", "")).await;
    assert_eq!(idle.hear().await.status, 200);
    // A call whose body is still to come.
    busy.say(&request("POST /open/1.0/echo", "content-length: 2\r\n", "")).await;
    busy.say("h").await;
    stand.until("gateway_backend_reused_total", 1).await;
    stand.host.shutdown.request();
    assert!(idle.is_closed().await);
    busy.say("i").await;
    let answer = busy.hear().await;
    assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
    let address = stand.serving.http()[0];
    let ended = stand.host.clock.timeout(LIMIT, stand.serving.drained()).await;
    assert!(ended.is_ok());
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let hasty = |settings: &mut gateway::receiver::Settings| {
        settings.receiver.drain = Duration::from_millis(100);
    };
    let stand = Stand::with(OPEN, hasty).await;
    let mut client = stand.client().await;
    client.say(&request("GET /open/1.0/never", "", "")).await;
    stand.until("gateway_backend_connections", 1).await;
    stand.host.shutdown.request();
    assert!(client.is_closed().await);
    assert!(stand.host.clock.timeout(LIMIT, stand.serving.drained()).await.is_ok());
}

#[tokio::test]
async fn what_is_no_request_is_counted_as_a_call() {
    let stand = Stand::start(OPEN).await;
    converse(&stand, "GET / HTTP/1.1|a b: c||", &["400 127 ends"]).await;
    stand.until("gateway_calls_total{class=\"4xx\"}", 1).await;
    assert_eq!(stand.number("gateway_faults_total{type=\"OTHER\"}"), 1);
}

#[tokio::test]
async fn a_client_that_drips_its_head_is_told_and_lost() {
    let hasty = |settings: &mut gateway::receiver::Settings| {
        settings.receiver.header_timeout = Duration::from_millis(100);
    };
    let stand = Stand::with(OPEN, hasty).await;
    let mut client = stand.client().await;
    client.say("GET /open/1.0/echo HTTP/1.1\r\nhost: a").await;
    assert_eq!(client.hear().await.fault(), "408 408");
    assert!(client.is_closed().await);
    stand.until("gateway_calls_total{class=\"4xx\"}", 1).await;
}

/// A client that has one second of patience and earns 1 ms with each byte.
fn impatient(settings: &mut gateway::receiver::Settings) {
    settings.receiver.stall_timeout = Duration::from_secs(1);
    settings.receiver.min_rate = 1000;
}

#[tokio::test]
async fn a_body_that_drips_is_told_and_lost() {
    let stand = Stand::with(OPEN, impatient).await;
    let mut client = stand.client().await;
    client.say(&request("POST /open/1.0/echo", "content-length: 9999\r\n", "")).await;
    let (mut heard, mut speak) = client.0.split();
    let drip = async {
        // It never stalls, and it never comes far.
        while tokio::io::AsyncWriteExt::write_all(&mut speak, b"x").await.is_ok() {
            stand.host.clock.sleep(Duration::from_millis(100)).await;
        }
    };
    let mut said = Vec::new();
    let hear = tokio::io::AsyncReadExt::read_buf(&mut heard, &mut said);
    let read = tokio::select! { () = drip => Ok(0), read = hear => read };
    assert!(read.is_ok_and(|read| read > 0));
    assert!(said.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&said));
    stand.until("gateway_backend_connections", 0).await;
}

#[tokio::test]
async fn a_body_that_is_slow_and_steady_enough_is_taken() {
    let stand = Stand::with(OPEN, impatient).await;
    let mut client = stand.client().await;
    client.say(&request("POST /open/1.0/echo", "content-length: 6000\r\n", "")).await;
    for _ in 0..20 {
        client.say(&"x".repeat(300)).await;
        stand.host.clock.sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(client.hear().await.status, 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_lost() {
    let stand = Stand::with(OPEN, impatient).await;
    let mut client = stand.client().await;
    client.say(&request("GET /open/1.0/sized/30000000", "", "")).await;
    stand.until("gateway_backend_connections", 1).await;
    stand.until("gateway_connections", 0).await;
    stand.until("gateway_backend_connections", 0).await;
    drop(client);
}

#[tokio::test]
async fn a_client_that_sends_unasked_is_not_kept_waiting() {
    let stand = Stand::start(OPEN).await;
    let begun = stand.host.clock.instant();
    for pause in [false, true] {
        let mut client = stand.client().await;
        let head = "POST /open/1.0/echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\
                    content-length: 2\r\n\r\n";
        if pause {
            client.say(head).await;
            stand.until("gateway_backend_reused_total", 1).await;
            client.say("hi").await;
        } else {
            client.say(&format!("{head}hi")).await;
        }
        assert!(client.hear().await.body.ends_with("\r\n\r\nhi"));
    }
    // The backend here never says "continue", which a client that asked waits a second for.
    let passed = stand.host.clock.instant().duration_since(begun);
    assert!(passed < Duration::from_millis(900), "{passed:?}");
}

/// Sends `wire`, in which `|` stands for CRLF, and compares the answers: status, length of the body
/// and whether the connection is announced to end, for each.
async fn converse(stand: &Stand, wire: &str, expected: &[&str]) {
    let mut client = stand.client().await;
    client.say(&wire.replace('|', "\r\n")).await;
    let mut heard = Vec::new();
    for _ in expected {
        let answer = client.hear().await;
        let ends = if answer.field("connection") == Some("close") { " ends" } else { "" };
        heard.push(format!("{} {}{ends}", answer.status, answer.body.len()));
    }
    assert_eq!(heard, expected, "{wire}");
    if heard.last().is_some_and(|last| last.ends_with("ends")) {
        assert!(client.is_closed().await, "{wire}");
    }
}

#[tokio::test]
async fn a_body_that_nobody_wants_does_not_end_the_connection_while_it_is_short() {
    let stand = Stand::start(OPEN).await;
    let next = "GET /open/1.0/sized/3 HTTP/1.1|host: a||";
    let refused = "POST /nothing HTTP/1.1|host: a|content-length: 5||hello";
    converse(&stand, &format!("{refused}{next}"), &["404 116", "200 3"]).await;
    let chunked = "POST /nothing HTTP/1.1|host: a|transfer-encoding: chunked||2|he|0||";
    converse(&stand, &format!("{chunked}{next}"), &["404 116", "200 3"]).await;
    let long = "POST /nothing HTTP/1.1|host: a|content-length: 99999||";
    converse(&stand, long, &["404 116 ends"]).await;
    let asks = "POST /nothing HTTP/1.1|host: a|content-length: 5|expect: 100-continue||";
    converse(&stand, asks, &["404 116 ends"]).await;
}

#[tokio::test]
async fn a_client_that_is_refused_while_it_sends_can_read_why() {
    let stand = Stand::start(OPEN).await;
    let body = "x".repeat(900_000);
    let answer = stand.call("POST /nothing", "", &body).await;
    assert_eq!((answer.fault().as_str(), answer.field("connection")), ("404 404", Some("close")));
}

#[tokio::test]
async fn old_clients_are_served_as_they_know_it() {
    let stand = Stand::start(OPEN).await;
    let old = "GET /open/1.0/sized/3 HTTP/1.0|host: a||";
    converse(&stand, old, &["200 3 ends"]).await;
    let keeps = "GET /open/1.0/sized/3 HTTP/1.0|host: a|connection: keep-alive||";
    converse(&stand, &format!("{keeps}{old}"), &["200 3", "200 3 ends"]).await;
    let mut client = stand.client().await;
    client.say("GET /open/1.0/chunked/3 HTTP/1.0\r\nhost: a\r\n\r\n").await;
    let mut heard = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut client.0, &mut heard).await.unwrap();
    assert!(heard.ends_with("connection: close\r\n\r\nxxx"), "{heard}");
}

#[tokio::test]
async fn a_client_that_says_close_is_closed() {
    let stand = Stand::start(OPEN).await;
    let close = "GET /open/1.0/sized/3 HTTP/1.1|host: a|connection: close||";
    converse(&stand, close, &["200 3 ends"]).await;
    converse(&stand, "GET / HTTP/1.1||", &["400 136"]).await;
}

#[tokio::test]
async fn trailers_reach_those_who_want_them() {
    let stand = Stand::start(OPEN).await;
    for (te, expected) in [("te: trailers\r\n", true), ("", false)] {
        let mut client = stand.client().await;
        client.say(&request("GET /open/1.0/trailers", te, "")).await;
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") || !heard.windows(3).any(|three| three == b"\r\n0") {
            tokio::io::AsyncReadExt::read_buf(&mut client.0, &mut heard).await.unwrap();
        }
        let heard = String::from_utf8(heard).unwrap();
        assert_eq!(heard.ends_with("\r\n0\r\nx-sum: 7\r\n\r\n"), expected, "{heard}");
    }
}
