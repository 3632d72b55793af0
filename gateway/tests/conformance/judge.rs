//! Did a gateway do with a stream of bytes what the case allows?
//!
//! `reject`: the client sees 4xx, 501, 505 or a close, and nothing beyond the listed messages
//! reaches the backend. `accept`: 2xx, and the backend sees exactly the listed messages. `safe`:
//! either of the two, and what reaches the backend is clean. `wait`: no 2xx for what is not whole.

use crate::http1::Case;
use crate::origin::Message;

/// What a client saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Final and interim statuses, in their order.
    pub(crate) codes: Vec<u16>,
    /// Whether the gateway closed the connection.
    pub(crate) closed: bool,
}

/// What is wrong; empty: nothing.
pub(crate) fn judge(case: &Case, seen: &Seen, sent: &[Message]) -> Vec<String> {
    let mut wrong = Vec::new();
    let dirt: Vec<&str> = sent.iter().flat_map(|message| dirt(&message.head)).collect();
    if case.expect != "accept" && !dirt.is_empty() {
        wrong.push(format!("forwarded dirty: {dirt:?}"));
    }
    let wanted: Vec<&[u8]> = case.bodies.iter().map(Vec::as_slice).collect();
    let got: Vec<&[u8]> = sent.iter().map(|message| message.body.as_slice()).collect();
    let prefix = wanted.starts_with(&got);
    if !prefix {
        wrong.push(format!("the backend saw {} messages, {} allowed", got.len(), wanted.len()));
    }
    let finals: Vec<u16> = seen.codes.iter().copied().filter(|code| *code >= 200).collect();
    let good = finals.iter().filter(|code| (200..300).contains(*code)).count();
    let refuses = |code: &u16| (400..500).contains(code) || matches!(code, 501 | 505);
    let refused = finals.iter().any(refuses) || (seen.closed && finals.is_empty());
    let served = good > 0 && prefix && got.len() == wanted.len() && !wanted.is_empty();
    match case.expect.as_str() {
        "reject" if good > wanted.len() => wrong.push("2xx for an invalid message".to_owned()),
        "reject" if !refused => wrong.push("not refused".to_owned()),
        "reject" if finals.contains(&500) => wrong.push("500".to_owned()),
        "accept" if !served => wrong.push("not relayed".to_owned()),
        "safe" if !served && !refused => wrong.push("neither refused nor relayed".to_owned()),
        "safe" if good > wanted.len().max(1) => wrong.push("more 2xx than messages".to_owned()),
        "wait" if good > wanted.len() => wrong.push("2xx for an incomplete message".to_owned()),
        "reject" | "accept" | "safe" | "wait" => {}
        other => wrong.push(format!("unknown verdict {other}")),
    }
    if !wrong.is_empty() {
        wrong.push(format!("{seen:?}, {} messages at the backend", sent.len()));
    }
    wrong
}

/// What nobody should ever send to a backend.
fn dirt(head: &[u8]) -> Vec<&'static str> {
    let mut found = Vec::new();
    let at = |place: usize| head.get(place).copied();
    for (place, byte) in head.iter().enumerate() {
        let before = place.checked_sub(1).and_then(at);
        match byte {
            0 => found.push("NUL"),
            b'\r' if at(place + 1) != Some(b'\n') => found.push("bare CR"),
            b'\n' if before != Some(b'\r') => found.push("bare LF"),
            b'\n' if matches!(at(place + 1), Some(b' ' | b'\t')) => found.push("fold"),
            _ => {}
        }
    }
    let text = String::from_utf8_lossy(head).to_lowercase();
    let names: Vec<&str> = text
        .split("\r\n")
        .skip(1)
        .map(|line| line.split(':').next().unwrap_or_default().trim())
        .collect();
    let count = |wanted: &str| names.iter().filter(|name| **name == wanted).count();
    if count("content-length") > 0 && count("transfer-encoding") > 0 {
        found.push("both framings");
    }
    if count("content-length") > 1 || count("transfer-encoding") > 1 || count("host") > 1 {
        found.push("a field twice");
    }
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if names.iter().any(|name| name.is_empty() || !name.chars().all(token)) {
        found.push("a name that is none");
    }
    found
}
