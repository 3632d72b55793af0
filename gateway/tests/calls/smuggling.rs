//! Can HTTP/2 say what HTTP/1.1 towards the backend would read as something else?

use std::sync::atomic::Ordering;

use crate::frames::{DATA, END_HEADERS, END_STREAM, Frames, HEADERS, USUAL, block, frame};
use crate::stand::{OPEN, Stand};

/// The usual call with changes, divided by `|`: `name=value` replaces or adds a field,
/// `+name=value` adds one in any case, `-name` leaves one out.
fn changed(changes: &str) -> Vec<(&str, &str)> {
    let mut fields = USUAL.to_vec();
    for change in changes.split('|').filter(|change| !change.is_empty()) {
        if let Some(name) = change.strip_prefix('-') {
            fields.retain(|(known, _)| *known != name);
            continue;
        }
        let (adds, change) = match change.strip_prefix('+') {
            Some(change) => (true, change),
            None => (false, change),
        };
        let (name, value) = change.split_once('=').unwrap();
        match fields.iter_mut().find(|(known, _)| *known == name && !adds) {
            Some(field) => field.1 = value,
            None => fields.push((name, value)),
        }
    }
    fields
}

/// Makes the changed call, with a body where there is one; returns its fate, what the backend echoed
/// and how many requests reached it.
async fn call(stand: &Stand, changes: &str, body: &str) -> (String, String, usize) {
    let before = stand.backend.seen.requests.load(Ordering::Relaxed);
    let mut client = Frames::connect(stand).await;
    let ends = if body.is_empty() { END_STREAM } else { 0 };
    let mut wire = frame(HEADERS, END_HEADERS | ends, 1, &block(changed(changes)));
    if !body.is_empty() {
        wire.extend(frame(DATA, END_STREAM, 1, body.as_bytes()));
    }
    client.say(&wire).await;
    let fate = client.fate(1).await;
    let reached = stand.backend.seen.requests.load(Ordering::Relaxed) - before;
    (fate, String::from_utf8_lossy(&client.body).into_owned(), reached)
}

/// Each of these calls is refused and never reaches the backend whole.
async fn check(refused: &[(&str, &str)]) {
    let stand = Stand::start(OPEN).await;
    let mut wrong = Vec::new();
    for (changes, body) in refused {
        let (fate, _, reached) = call(&stand, changes, body).await;
        if fate == "200" || reached > 0 {
            wrong.push(format!("{changes:?} {body:?}: {fate}, {reached} reached the backend"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let (fate, _, _) = call(&stand, "", "").await;
    assert_eq!(fate, "200", "the gateway serves on");
}

#[tokio::test]
async fn names_that_are_no_tokens_are_refused() {
    let names = [
        "X-Upper",
        "x y",
        " x",
        "x ",
        "x:y",
        "x:",
        "x\r\ny",
        "x\ny",
        "x\ry",
        "x\0y",
        "x\u{7f}y",
        "x\u{e9}y",
        "x(y)",
        "x\"y\"",
        "x/y",
        "x\ty",
        "",
        "host\r\ncontent-length",
    ];
    let rows: Vec<String> = names.iter().map(|name| format!("+{name}=1")).collect();
    check(&rows.iter().map(|row| (row.as_str(), "")).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn values_that_would_be_read_as_more_than_a_value_are_refused() {
    check(&[
        ("x=a\r\nb: c", ""),
        ("x=a\r\n\r\nGET /other HTTP/1.1\r\nhost: a\r\n\r\n", ""),
        ("x=a\nb: c", ""),
        ("x=a\rb", ""),
        ("x=a\0b", ""),
        ("x=a\u{1}b", ""),
        ("x=a\u{7f}b", ""),
        ("x= a", ""),
        ("x=a ", ""),
        ("x=\ta", ""),
        ("x=a\t", ""),
        ("x= ", ""),
        ("cookie=a=b\r\nx: y", ""),
    ])
    .await;
}

#[tokio::test]
async fn pseudo_fields_stand_once_each_and_first() {
    check(&[
        ("+:method=POST", ""),
        ("+:path=/other", ""),
        ("+:scheme=https", ""),
        ("+:authority=b", ""),
        ("-:method", ""),
        ("-:path", ""),
        ("-:scheme", ""),
        (":method=", ""),
        (":path=", ""),
        (":scheme=", ""),
        ("x=1|-:path|:path=/open/1.0/echo", ""),
        ("+:status=200", ""),
        ("+:unknown=1", ""),
        ("+:protocol=websocket", ""),
    ])
    .await;
}

#[tokio::test]
async fn a_path_is_a_path_and_nothing_more() {
    check(&[
        (":path=open/1.0/echo", ""),
        (":path=*", ""),
        (":path=/open/1.0/echo x", ""),
        (":path=/open/1.0/echo HTTP/1.1\r\nx: y\r\n\r\n", ""),
        (":path=/open/1.0/echo\nx: y", ""),
        (":path=/open/1.0/echo\0", ""),
        (":path=/open/1.0/echo\t", ""),
        (":path=/open/1.0/echo\u{7f}", ""),
        (":path=http://other/open/1.0/echo", ""),
        (":path=/open/1.0/../../echo", ""),
        (":path=/open/1.0/%2e%2e/echo", ""),
        (":path=/open/1.0/echo%0d%0ax", ""),
        (":path=/open/1.0/e\\cho", ""),
    ])
    .await;
}

#[tokio::test]
async fn method_scheme_and_authority_are_what_their_names_say() {
    check(&[
        (":method=GET / HTTP/1.1\r\nx: y\r\n", ""),
        (":method=GE T", ""),
        (":method=GET\n", ""),
        (":method=G\0T", ""),
        (":method=CONNECT", ""),
        (":scheme=http://other/", ""),
        (":scheme=ht tp", ""),
        (":scheme=http\r\nx: y", ""),
        (":scheme=ftp", ""),
        (":authority=a b", ""),
        (":authority=a\r\nx: y", ""),
        (":authority=user@a", ""),
        (":authority=a/b", ""),
        (":authority=a?b", ""),
        (":authority=a,b", ""),
        (":authority=a:b", ""),
        (":authority=a:80:80", ""),
        (":authority=http://a", ""),
        ("-:authority", ""),
    ])
    .await;
}

#[tokio::test]
async fn authority_and_host_say_the_same() {
    check(&[
        ("host=b", ""),
        ("+host=a|+host=b", ""),
        ("+host=a|+host=a", ""),
        ("-:authority|+host=a|+host=b", ""),
        ("-:authority|host=a b", ""),
    ])
    .await;
}

#[tokio::test]
async fn fields_about_an_http1_connection_are_refused() {
    check(&[
        ("connection=close", ""),
        ("connection=x", ""),
        ("keep-alive=timeout=5", ""),
        ("proxy-connection=keep-alive", ""),
        ("upgrade=h2c", ""),
        ("transfer-encoding=chunked", "0\r\n\r\nGET /other HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("transfer-encoding=identity", ""),
        ("te=gzip", ""),
        ("te=trailers, deflate", ""),
    ])
    .await;
}

#[tokio::test]
async fn a_length_that_is_not_the_bodys_is_refused() {
    check(&[
        (":method=POST|content-length=5", ""),
        (":method=POST|content-length=5", "abc"),
        (":method=POST|content-length=2", "abc"),
        (":method=POST|content-length=0", "GET /other HTTP/1.1\r\nhost: a\r\n\r\n"),
        (":method=POST|content-length=-3", "abc"),
        (":method=POST|content-length=+3", "abc"),
        (":method=POST|content-length=0x3", "abc"),
        (":method=POST|content-length=3 3", "abc"),
        (":method=POST|content-length=3, 4", "abc"),
        (":method=POST|content-length=18446744073709551619", "abc"),
        (":method=POST|content-length=", "abc"),
        (":method=POST|+content-length=3|+content-length=4", "abc"),
    ])
    .await;
}

/// The backend sees `expected` and not `unexpected` of this call, as one request.
async fn check_passes(changes: &str, body: &str, expected: &str, unexpected: &str) {
    let stand = Stand::start(OPEN).await;
    let (fate, echo, reached) = call(&stand, changes, body).await;
    assert_eq!((fate.as_str(), reached), ("200", 1), "{changes}");
    assert!(echo.contains(expected), "{changes}: {echo}");
    assert!(unexpected.is_empty() || !echo.contains(unexpected), "{changes}: {echo}");
}

#[tokio::test]
async fn what_is_in_order_reaches_the_backend_in_http1_form() {
    check_passes("host=a", "", "GET /base/echo HTTP/1.1\r\n", ":path").await;
    check_passes("-:authority|host=a", "", "x-forwarded-host: a\r\n", "").await;
    check_passes("+cookie=a=1|+cookie=b=2", "", "cookie: a=1; b=2\r\n", "").await;
    check_passes("te=trailers", "", "te: trailers\r\nconnection: te\r\n", "").await;
    let smuggled = "0\r\n\r\nGET /other HTTP/1.1\r\nhost: a\r\n\r\n";
    let framed = format!("content-length: {}\r\n\r\n0\r\n", smuggled.len());
    let lengthy = format!(":method=POST|content-length={}", smuggled.len());
    check_passes(&lengthy, smuggled, &framed, "transfer-encoding").await;
}

#[tokio::test]
async fn underscore_twins_of_framing_fields_do_not_frame() {
    // A backend that reads an underscore as a dash must not find a second length.
    for twin in ["content_length=5", "transfer_encoding=chunked"] {
        let stand = Stand::start(OPEN).await;
        let (fate, echo, _) = call(&stand, &format!(":method=POST|{twin}"), "abc").await;
        let name = twin.split('=').next().unwrap();
        assert!(fate != "200" || !echo.contains(name), "{fate} {echo}");
    }
}

/// Trailers of a client; all but the last tell of the message or of its sender.
const TRAILERS: [(&str, &str); 12] = [
    ("x-forwarded-for", "6.6.6.6"),
    ("x_forwarded_for", "6.6.6.6"),
    ("forwarded", "for=6.6.6.6"),
    ("client_cert", ":AAAA:"),
    ("x-wso2-client-certificate", "AAAA"),
    ("x-jwt-assertion", "a.b.c"),
    ("authorization", "Bearer x"),
    ("host", "evil"),
    ("content-length", "5"),
    ("transfer_encoding", "chunked"),
    ("if-none-match", "*"),
    ("x-own", "1"),
];

#[tokio::test]
async fn trailers_tell_nothing_of_the_message_or_its_sender() {
    let stand = Stand::start(OPEN).await;
    let mut client = stand.client().await;
    let lines = TRAILERS.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    let head = "POST /open/1.0/echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    client.say(&format!("{head}2\r\nhi\r\n0\r\n{lines}\r\n")).await;
    let heard = client.hear().await.body;
    assert!(heard.ends_with("2\r\nhi\r\n0\r\nx-own: 1\r\n\r\n"), "{heard}");
    let mut client = Frames::connect(&stand).await;
    let mut wire = frame(HEADERS, END_HEADERS, 1, &block(changed(":method=POST")));
    wire.extend(frame(DATA, 0, 1, b"hi"));
    wire.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(TRAILERS)));
    client.say(&wire).await;
    let fate = client.fate(1).await;
    let heard = String::from_utf8_lossy(&client.body).into_owned();
    assert_eq!(fate, "200", "{heard}");
    assert!(heard.ends_with("2\r\nhi\r\n0\r\nx-own: 1\r\n\r\n"), "{heard}");
}
