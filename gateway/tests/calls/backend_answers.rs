//! What becomes of answers of a backend that are not what HTTP/1.1 asks for?
//!
//! Each row is what a backend says, byte by byte, and what the client hears then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chassis::task::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::stand::{LIMIT, Stand};

/// What the backend does after it has said what it says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Waits,
    Closes,
    Resets,
}
use Then::{Closes, Resets, Waits};

/// The method, what the backend says (`|` is CRLF, `~` NUL), what it does then, and what the client
/// hears: "status body", the fault, or "status … cut" where the answer begins and breaks off.
type Row = (&'static str, &'static str, Then, &'static str);

const FRAMING: &[Row] = &[
    ("GET", "HTTP/1.1 200 OK|Content-Length: 5||hello", Waits, "200 hello"),
    ("GET", "HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 5||hello", Waits, "200 hello"),
    ("GET", "HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 6||hello!", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|Content-Length: 5, 6||hello!", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|Content-Length: +5||hello", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|Content-Length: -5||hello", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|Content-Length: 5x||hello", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|Content-Length:||hello", Closes, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|Content-Length: 9223372036854775808||hello", Waits, "502 101506"),
    (
        "GET",
        "HTTP/1.1 200 OK|Content-Length: 5|Transfer-Encoding: chunked||5|hello|0||",
        Waits,
        "502 101506",
    ),
    ("GET", "HTTP/1.1 200 OK|Transfer-Encoding: gzip, chunked||5|hello|0||", Waits, "502 101506"),
    (
        "GET",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked, chunked||5|hello|0||",
        Waits,
        "502 101506",
    ),
    ("GET", "HTTP/1.1 200 OK|Transfer-Encoding: identity||hello", Closes, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|Transfer-Encoding: xchunked||5|hello|0||", Waits, "502 101506"),
    ("GET", "HTTP/1.0 200 OK|Transfer-Encoding: chunked||5|hello|0||", Closes, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0||", Waits, "200 hello"),
    ("GET", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5;a=b|hello|0|X: y||", Waits, "200 hello"),
    ("GET", "HTTP/1.1 200 OK||hello", Closes, "200 hello"),
    ("GET", "HTTP/1.0 200 OK||hello", Closes, "200 hello"),
    ("GET", "HTTP/1.1 200 OK|Content-Length: 2||hi, and more", Waits, "200 hi"),
    (
        "GET",
        "HTTP/1.1 200 OK|Content-Length: 2||hiHTTP/1.1 200 OK|Content-Length: 4||evil",
        Waits,
        "200 hi",
    ),
    ("GET", "HTTP/1.1 204 No Content||HTTP/1.1 200 OK|Content-Length: 4||evil", Waits, "204 "),
    ("GET", "HTTP/1.1 204 No Content|Content-Length: 4||evil", Waits, "204 "),
    ("GET", "HTTP/1.1 204 No Content|Transfer-Encoding: chunked||4|evil|0||", Waits, "204 "),
    ("GET", "HTTP/1.1 304 Not Modified|Content-Length: 4||evil", Waits, "304 "),
    ("HEAD", "HTTP/1.1 200 OK|Content-Length: 4||evil", Waits, "200 "),
    ("HEAD", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||4|evil|0||", Waits, "200 "),
];

const BROKEN_BODIES: &[Row] = &[
    ("GET", "HTTP/1.1 200 OK|Content-Length: 9||hello", Closes, "200 … cut"),
    ("GET", "HTTP/1.1 200 OK|Content-Length: 9||hello", Resets, "200 … cut"),
    ("GET", "HTTP/1.1 200 OK||hello", Resets, "200 … cut"),
    ("GET", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|", Closes, "200 … cut"),
    ("GET", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0|", Closes, "200 … cut"),
    ("GET", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|x|", Waits, "200 … cut"),
    ("GET", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello!|0||", Waits, "200 … cut"),
    ("GET", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5\nhello|0||", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||-5|hello|0||", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5;a=\u{1}|hello|0||", Waits, "502 101506"),
    (
        "GET",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked||ffffffffffffffff|hello",
        Waits,
        "502 101506",
    ),
    ("GET", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0|a b: c||", Waits, "200 … cut"),
    ("GET", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0|a: b\n|", Waits, "200 … cut"),
    ("GET", "HTTP/1.1 200 OK|Content-Length: 9||hello", Waits, "200 … cut"),
];

const HEADS: &[Row] = &[
    ("GET", "", Closes, "502 101505"),
    ("GET", "", Resets, "502 101505"),
    ("GET", "", Waits, "504 101504"),
    ("GET", "HTTP/1.1 200 OK|Content-", Closes, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|Content-Length: 2|", Waits, "504 101504"),
    ("GET", "hello", Closes, "502 101506"),
    ("GET", "SSH-2.0-OpenSSH_9.2|", Waits, "502 101506"),
    ("GET", "\u{16}\u{3}\u{1}", Waits, "502 101506"),
    ("GET", "ICY 200 OK||hello", Closes, "502 101506"),
    ("GET", "HTTP/2.0 200 OK|Content-Length: 0||", Waits, "502 101506"),
    ("GET", "HTTP/1.2 200 OK|Content-Length: 0||", Waits, "502 101506"),
    ("GET", "http/1.1 200 OK|Content-Length: 0||", Waits, "502 101506"),
    ("GET", "|HTTP/1.1 200 OK|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 OK|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1  200 OK|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 20 OK|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 099 OK|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 600 OK|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 2000 OK|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200|Content-Length: 2||hi", Waits, "200 hi"),
    ("GET", "HTTP/1.1 299 What|Content-Length: 2||hi", Waits, "299 hi"),
    ("GET", "HTTP/1.1 200 OK\nContent-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|Content-Length: 2\n|hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|A: b\nContent-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|A: b\rc|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|A: b~c|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|A: b\u{1}|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|A: b| c|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK| A: b|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|A : b|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|A|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|: b|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|A(b): c|Content-Length: 2||hi", Waits, "502 101506"),
    ("GET", "HTTP/1.1 200 OK|A:|Content-Length: 2||hi", Waits, "200 hi"),
    (
        "GET",
        "HTTP/1.1 100 Continue||HTTP/1.1 103 Early Hints|Link: x||HTTP/1.1 200 OK|Content-Length: 2||hi",
        Waits,
        "200 hi",
    ),
    (
        "GET",
        "HTTP/1.1 101 Switching Protocols|Upgrade: x|Connection: upgrade||",
        Waits,
        "502 101506",
    ),
];

/// A backend that says the row whose number the path ends with.
async fn backend(tasks: &Tasks, rows: Vec<(String, Then)>, asked: Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (each, rows) = (tasks.clone(), Arc::new(rows));
    tasks.spawn("raw-backend", async move {
        while let Ok((stream, _)) = listener.accept().await {
            each.spawn("raw", speak(stream, Arc::clone(&rows), Arc::clone(&asked)));
        }
    });
    port
}

async fn speak(mut stream: TcpStream, rows: Arc<Vec<(String, Then)>>, asked: Arc<AtomicUsize>) {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut heard).await.unwrap_or(0) == 0 {
            return;
        }
    }
    asked.fetch_add(1, Ordering::Relaxed);
    let line = String::from_utf8_lossy(&heard).lines().next().unwrap_or_default().to_owned();
    let number = line.split(' ').nth(1).and_then(|path| path.rsplit('/').next()?.parse().ok());
    let (says, then) = &rows[number.unwrap_or(0)];
    let _ = stream.write_all(says.as_bytes()).await;
    match then {
        Waits => drop(stream.read(&mut [0]).await),
        Closes => {}
        Resets => {
            // What it said is heard before the reset throws it away.
            tokio::time::sleep(Duration::from_millis(50)).await;
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
}

fn resources(port: u16) -> String {
    format!(
        "apiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: raw, version: \"1.0\" }}\nspec:\n  \
         context: /raw\n  lifecycle: PUBLISHED\n  security: {{ schemes: [none] }}\n  \
         endpoints: {{ production: {{ urls: [\"http://127.0.0.1:{port}\"], timeout: 0.4s }} }}\n"
    )
}

/// Asks for each row on a connection of its own and compares what is heard.
async fn check(rows: &[Row]) {
    let tasks = Tasks::default();
    let said =
        rows.iter().map(|(_, says, then, _)| (says.replace('|', "\r\n").replace('~', "\0"), *then));
    let asked = Arc::new(AtomicUsize::new(0));
    let port = backend(&tasks, said.collect(), Arc::clone(&asked)).await;
    let stand = Stand::start(&resources(port)).await;
    let mut wrong = Vec::new();
    for (number, (method, says, then, expected)) in rows.iter().enumerate() {
        let heard = hear(&stand, method, number).await;
        if heard != *expected {
            wrong.push(format!("{method} {says} {then:?}: {heard}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Nothing that was said beyond an answer was taken for the next one, and nothing was kept.
    assert!(asked.load(Ordering::Relaxed) >= rows.len());
}

async fn hear(stand: &Stand, method: &str, number: usize) -> String {
    let mut client = stand.client().await;
    client
        .say(&format!(
            "{method} /raw/1.0/{number} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        ))
        .await;
    let mut heard = Vec::new();
    let read = client.0.read_to_end(&mut heard);
    let ended = stand.host.clock.timeout(LIMIT, read).await.expect("an end");
    let text = String::from_utf8_lossy(&heard).into_owned();
    // Interim answers come first.
    let mut rest = text.as_str();
    while let Some((_, answer)) =
        rest.split_once("\r\n\r\n").filter(|_| rest.get(9..11) == Some("10"))
    {
        rest = answer;
    }
    let Some((head, body)) = rest.split_once("\r\n\r\n") else {
        return format!("{text:?} {ended:?}");
    };
    let status = head.split(' ').nth(1).unwrap_or_default();
    if let Ok(fault) = serde_json::from_str::<serde_json::Value>(body) {
        return format!("{status} {}", fault["code"].as_str().unwrap_or_default());
    }
    let head = head.to_lowercase();
    let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let announced: Option<usize> = announced.and_then(|length| length.parse().ok());
    let bodiless = method == "HEAD" || matches!(status, "204" | "304");
    let cut = match announced {
        _ if bodiless => !body.is_empty(),
        Some(length) => body.len() != length,
        None => !body.ends_with("0\r\n\r\n"),
    };
    if cut {
        return format!("{status} … cut");
    }
    let mut lines = body.lines();
    let shown =
        if announced.is_some() || bodiless { body } else { lines.nth(1).unwrap_or_default() };
    format!("{status} {shown}")
}

#[tokio::test]
async fn the_end_of_an_answer_is_known_in_one_way_or_it_is_refused() {
    check(FRAMING).await;
}

#[tokio::test]
async fn an_answer_that_goes_wrong_behind_its_head_breaks_off() {
    check(BROKEN_BODIES).await;
}

#[tokio::test]
async fn a_head_that_is_not_http_is_refused() {
    check(HEADS).await;
}

#[tokio::test]
async fn heads_and_interim_answers_have_bounds() {
    let flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(40);
    let few = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(30);
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let long =
        format!("HTTP/1.1 200 OK\r\nA: {}\r\nContent-Length: 2\r\n\r\nhi", "x".repeat(200_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\nhi", "A: b\r\n".repeat(200));
    let endless = "x: y\r\n".repeat(50_000);
    let rows = [
        (format!("{flood}{answer}"), "502 101506"),
        (format!("{few}{answer}"), "200 hi"),
        (long, "502 101506"),
        (many, "502 101506"),
        (format!("HTTP/1.1 200 OK\r\n{endless}"), "502 101506"),
    ];
    let tasks = Tasks::default();
    let said = rows.iter().map(|(says, _)| (says.clone(), Waits)).collect();
    let port = backend(&tasks, said, Arc::default()).await;
    let stand = Stand::start(&resources(port)).await;
    for (number, (says, expected)) in rows.iter().enumerate() {
        assert_eq!(hear(&stand, "GET", number).await, *expected, "{says:.60}");
    }
}
