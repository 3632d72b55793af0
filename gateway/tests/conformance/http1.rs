//! What becomes of raw HTTP/1 streams, honest, odd and hostile, that are sent through the gateway?

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::task::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::judge::{Seen, judge};
use crate::origin::Record;
use crate::program::Program;
use crate::suites::suites;

/// Gateways at work at once, each with cases and a backend of its own.
const LANES: usize = 4;
/// A gateway that has to answer does so in this time, however busy the machine is.
const ANSWER: Duration = Duration::from_secs(8);
/// Who has said nothing for so long waits for the rest of a request.
const SILENCE: Duration = Duration::from_millis(300);
/// Who has answered says nothing more after this.
const AFTERWARDS: Duration = Duration::from_millis(60);

/// One line of the suite.
pub(crate) struct Case {
    id: String,
    must: bool,
    /// `accept`, `safe`, `wait` or `reject`.
    pub(crate) expect: String,
    /// The bodies of the messages that a backend may see.
    pub(crate) bodies: Vec<Vec<u8>>,
    raw: Vec<u8>,
}

fn suite() -> PathBuf {
    suites().join("http-conformance/h1_cases.jsonl")
}

fn read(line: &str) -> Case {
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| line[name].as_str().unwrap().to_owned();
    let messages = line["msgs"].as_array().unwrap().iter();
    let bodies = messages.map(|message| message["body_b64"].as_str().unwrap_or_default());
    Case {
        id: text("id"),
        must: line["bar"] == "must",
        expect: text("expect"),
        bodies: bodies.map(|body| STANDARD.decode(body).unwrap()).collect(),
        raw: STANDARD.decode(text("raw_b64")).unwrap(),
    }
}

/// Sends the stream and listens until nothing more is to be expected.
async fn play(gateway: SocketAddr, case: &Case) -> Seen {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    // A gateway may have refused before all of it is sent.
    let _ = stream.write_all(&case.raw).await;
    let due = match case.expect.as_str() {
        "accept" => case.bodies.len(),
        "wait" => 0,
        _ => 1,
    };
    let (mut heard, mut closed) = (Vec::new(), false);
    loop {
        let patience = match codes(&heard).iter().filter(|code| **code >= 200).count() {
            finals if finals < due => ANSWER,
            0 => SILENCE,
            _ => AFTERWARDS,
        };
        match tokio::time::timeout(patience, stream.read_buf(&mut heard)).await {
            Ok(Ok(1..)) => {}
            Ok(_) => {
                closed = true;
                break;
            }
            Err(_) => break,
        }
    }
    Seen { codes: codes(&heard), closed }
}

fn codes(heard: &[u8]) -> Vec<u16> {
    let lines = heard.windows(13).filter(|window| {
        (window.starts_with(b"HTTP/1.1 ") || window.starts_with(b"HTTP/1.0 "))
            && matches!(window[12], b' ' | b'\r')
    });
    lines.filter_map(|line| std::str::from_utf8(&line[9..12]).ok()?.parse().ok()).collect()
}

/// Plays every case of a lane; what is wrong with each of them comes back.
async fn lane(cases: Vec<Case>) -> Vec<(Case, Vec<String>)> {
    let (record, backend) = Record::start(&Tasks::default()).await;
    let resources = format!(
        "apiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: all, version: \"1.0\" }}\n\
         spec:\n  context: /\n  defaultVersion: true\n  lifecycle: PUBLISHED\n  \
         security: {{ schemes: [none] }}\n  \
         endpoints: {{ production: {{ urls: [\"http://{backend}\"] }} }}\n"
    );
    let gateway = Program::start(&resources, &[]);
    let mut judged = Vec::new();
    for case in cases {
        record.take();
        let seen = play(gateway.http, &case).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        let wrong = judge(&case, &seen, &record.take());
        judged.push((case, wrong));
    }
    judged
}

#[tokio::test]
async fn every_raw_stream_is_relayed_refused_or_waited_for_as_the_suite_says() {
    let path = suite();
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("left out: {} is missing", path.display());
        return;
    };
    let mut lanes: Vec<Vec<Case>> = (0..LANES).map(|_| Vec::new()).collect();
    for (number, line) in text.lines().enumerate() {
        lanes[number % LANES].push(read(line));
    }
    let lanes = futures_util::future::join_all(lanes.into_iter().map(lane)).await;
    let (mut counts, mut failed) = (BTreeMap::<String, (usize, usize)>::new(), Vec::new());
    for (case, wrong) in lanes.into_iter().flatten() {
        let (passed, not) = counts.entry(case.expect.clone()).or_default();
        if wrong.is_empty() {
            *passed += 1;
        } else {
            *not += 1;
            let bar = if case.must { "must" } else { "policy" };
            failed.push(format!("{} ({}, {bar}): {}", case.id, case.expect, wrong.join("; ")));
        }
    }
    for (expect, (passed, failed)) in &counts {
        eprintln!("http/1.1 {expect}: {passed} passed, {failed} failed");
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
