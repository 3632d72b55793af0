//! Which answers are compressed, and do clients get what was sent?

use std::io::Read as _;

use tokio::io::AsyncReadExt as _;

use crate::origin::Origin;
use crate::stand::{LIMIT, Stand, request};

const OPEN: &str = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: small, version: "1.0" }
spec:
  context: /small
  lifecycle: PUBLISHED
  security: { schemes: [none] }
  endpoints: { production: { urls: ["http://ORIGIN"] } }
  compression: { RULES }
"#;

async fn stand(rules: &str, answers: &[&str]) -> (Stand, Origin) {
    let origin = Origin::start(answers);
    let resources = OPEN.replace("ORIGIN", &origin.address.to_string()).replace("RULES", rules);
    (Stand::start(&resources).await, origin)
}

fn long() -> String {
    "{\"name\": \"value\"}, ".repeat(400)
}

/// The head of an answer in lower case and its body, chunks taken off.
async fn fetch(stand: &Stand, line: &str, fields: &str) -> (String, Vec<u8>) {
    let mut client = stand.client().await;
    let fields = format!("connection: close\r\n{fields}");
    client.say(&request(line, &fields, "")).await;
    let mut wire = Vec::new();
    let read = client.0.read_to_end(&mut wire);
    tokio::time::timeout(LIMIT, read).await.expect("an answer in time").unwrap();
    let end = wire.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(wire[..end].to_vec()).unwrap().to_lowercase();
    let mut rest = &wire[end..];
    if !head.contains("transfer-encoding: chunked") {
        return (head, rest.to_vec());
    }
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
    }
    (head, body)
}

fn decoded(coding: &str, body: &[u8]) -> String {
    let mut text = String::new();
    match coding {
        "gzip" => flate2::read::GzDecoder::new(body).read_to_string(&mut text).unwrap(),
        "br" => brotli::Decompressor::new(body, 4096).read_to_string(&mut text).unwrap(),
        "zstd" => {
            zstd::stream::read::Decoder::new(body).unwrap().read_to_string(&mut text).unwrap()
        }
        _ => return String::from_utf8(body.to_vec()).unwrap(),
    };
    text
}

fn field<'h>(head: &'h str, name: &str) -> &'h str {
    head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or("-")
}

/// What becomes of an answer with these fields for a client that takes `accepted`: its coding, its
/// `Vary`, its tag and its length. The body is always the one that was sent.
async fn check(rules: &str, answer: &str, call: &str, accepted: &str, expected: &str) {
    let (stand, _origin) = stand(rules, &[&format!("{answer}\n\n{}", long())]).await;
    let accepted = if accepted.is_empty() {
        String::new()
    } else {
        format!("accept-encoding: {accepted}\r\n")
    };
    let (head, body) = fetch(&stand, call, &accepted).await;
    let shown =
        ["content-encoding", "vary", "etag", "content-length"].map(|name| field(&head, name));
    assert_eq!(shown.join(" "), expected, "{answer} {accepted}\n{head}");
    if !call.starts_with("HEAD") && !head.contains(" 304 ") {
        let coding = field(&head, "content-encoding");
        assert_eq!(decoded(coding, &body), long());
        assert!(
            coding == "-" || coding == "own" || body.len() < long().len() / 10,
            "{}",
            body.len()
        );
    }
}

const GET: &str = "GET /small/1.0/a";
const JSON: &str = "200 OK\ncontent-type: application/json; charset=utf-8\netag: \"a\"";

#[tokio::test]
async fn a_client_gets_the_coding_that_it_likes_best() {
    for (accepted, coding) in [
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0.1, gzip;q=0.5", "gzip"),
    ] {
        let expected = format!("{coding} accept-encoding w/\"a\" -");
        check("", JSON, GET, accepted, &expected).await;
    }
    check("codings: [gzip]", JSON, GET, "br, gzip;q=0.1", "gzip accept-encoding w/\"a\" -").await;
}

#[tokio::test]
async fn who_does_not_take_it_gets_it_as_it_is() {
    let plain = format!("- accept-encoding \"a\" {}", long().len());
    for accepted in ["", "identity", "gzip;q=0", "deflate", "gzip;q=0.2, identity"] {
        check("", JSON, GET, accepted, &plain).await;
    }
}

#[tokio::test]
async fn what_is_not_to_be_changed_stays_as_it_is() {
    let length = long().len();
    for fields in [
        "content-type: image/png",
        "content-type: text/event-stream",
        "x: y",
        "content-type: text/plain\ncache-control: public, no-transform",
        "content-type: text/plain\ncontent-digest: sha-256=:x:",
    ] {
        check("", &format!("200 OK\n{fields}"), GET, "gzip", &format!("- - - {length}")).await;
    }
    let encoded = "200 OK\ncontent-type: text/plain\ncontent-encoding: own";
    check("", encoded, GET, "gzip", &format!("own - - {length}")).await;
    check("minBytes: 100000", JSON, GET, "gzip", &format!("- - \"a\" {length}")).await;
    let own = "types: [\"image/*\"]";
    check(own, JSON, GET, "gzip", &format!("- - \"a\" {length}")).await;
    check(own, "200 OK\ncontent-type: image/bmp", GET, "gzip", "gzip accept-encoding - -").await;
}

#[tokio::test]
async fn who_refuses_it_plain_gets_it_compressed_whatever_it_is() {
    let png = "200 OK\ncontent-type: image/png";
    check("", png, GET, "gzip, identity;q=0", "gzip accept-encoding - -").await;
}

#[tokio::test]
async fn head_and_not_modified_say_what_get_says() {
    check("", JSON, "HEAD /small/1.0/a", "gzip", "gzip accept-encoding w/\"a\" -").await;
    let unchanged = "304 Not Modified\netag: \"a\"\nvary: origin";
    check("", unchanged, GET, "gzip", "- origin w/\"a\" -").await;
    let vary = JSON.replace("200 OK", "200 OK\nvary: Accept-Encoding, Origin");
    check("", &vary, GET, "gzip", "gzip accept-encoding, origin w/\"a\" -").await;
}

#[tokio::test]
async fn bodies_of_any_size_come_whole() {
    let resources = OPEN.replace("http://ORIGIN", "http://BACKEND");
    let stand = Stand::start(&resources.replace("RULES", "types: [text/event-stream]")).await;
    for size in [0, 1, 1_000, 100_000, 3_000_000] {
        for coding in ["gzip", "br", "zstd"] {
            let line = format!("GET /small/1.0/events/{size}");
            let accepted = format!("accept-encoding: {coding}\r\n");
            let (head, body) = fetch(&stand, &line, &accepted).await;
            let text = decoded(field(&head, "content-encoding"), &body);
            assert_eq!(text, "x".repeat(size), "{coding}\n{head}");
        }
    }
}

#[tokio::test]
async fn a_part_of_a_stream_is_not_held_back() {
    use tokio::io::AsyncWriteExt as _;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let resources = OPEN.replace("ORIGIN", &address.to_string());
    let stand = Stand::start(&resources.replace("RULES", "types: [text/event-stream]")).await;
    let mut client = stand.client().await;
    client.say(&request("GET /small/1.0/a", "accept-encoding: gzip\r\n", "")).await;
    let (mut backend, _) = listener.accept().await.unwrap();
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    backend.write_all(format!("{head}5\r\nfirst\r\n").as_bytes()).await.unwrap();
    // The backend says no more before the client has seen the first part.
    let seen = async {
        let mut wire = Vec::new();
        loop {
            client.0.read_buf(&mut wire).await.unwrap();
            let Some(start) = wire.windows(2).position(|two| two == [0x1f, 0x8b]) else { continue };
            let chunk: Vec<u8> = wire[start..].to_vec();
            let mut text = [0; 5];
            if flate2::read::GzDecoder::new(&*chunk).read_exact(&mut text).is_ok() {
                return text;
            }
        }
    };
    assert_eq!(&tokio::time::timeout(LIMIT, seen).await.expect("the part in time"), b"first");
}
