//! Do both sides really mean to leave HTTP for WebSocket?
//!
//! The client's half is checked before the backend is asked, the backend's half before the client is
//! told: a relay that goes on without being sure hands request smuggling a tunnel.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::http1::has_word;

/// RFC 6455 §1.3: what is put behind the key before it is hashed.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// RFC 6455 §4.1: a key is 16 bytes.
const KEY_BYTES: usize = 16;

/// A client's half of the handshake.
#[derive(Debug)]
pub struct Handshake {
    /// What the backend has to say to show that it speaks WebSocket.
    accept: String,
    offers: [Vec<HeaderValue>; 2],
}

/// What is wrong with the client's half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// It is no GET without a body, or its `Connection` does not say `upgrade`.
    #[error("the request is no WebSocket handshake")]
    Request,
    /// There is not exactly one key of 16 bytes.
    #[error("the key of the handshake is invalid")]
    Key,
    /// The version is not 13.
    #[error("the version of WebSocket is not spoken here")]
    Version,
}

/// What is wrong with the backend's half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedError {
    /// It does not show that it has read the key.
    #[error("the backend does not accept the handshake")]
    Accept,
    /// It chose what was not offered.
    #[error("the backend chose a subprotocol or an extension that was not offered")]
    Choice,
}

/// Whether a request asks for WebSocket. Whether it does so rightly is another question.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    has_word(headers, &UPGRADE, b"websocket")
}

/// A key for a handshake of our own.
pub fn key() -> HeaderValue {
    let text = STANDARD.encode(chassis::random::bytes::<KEY_BYTES>());
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

impl Handshake {
    /// Reads a client's half. `bodiless`: no body follows its head.
    pub fn of(
        method: &Method,
        headers: &HeaderMap,
        bodiless: bool,
    ) -> Result<Self, HandshakeError> {
        let connects = has_word(headers, &http::header::CONNECTION, b"upgrade");
        if *method != Method::GET || !bodiless || !connects {
            return Err(HandshakeError::Request);
        }
        if only(headers, &SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(HandshakeError::Version);
        }
        let key = only(headers, &SEC_WEBSOCKET_KEY).ok_or(HandshakeError::Key)?.as_bytes();
        if STANDARD.decode(key).is_ok_and(|key| key.len() == KEY_BYTES) {
            let offers = [&SEC_WEBSOCKET_PROTOCOL, &SEC_WEBSOCKET_EXTENSIONS];
            let offers = offers.map(|name| headers.get_all(name).iter().cloned().collect());
            Ok(Self { accept: accept(key), offers })
        } else {
            Err(HandshakeError::Key)
        }
    }

    /// Checks the backend's half, the fields of its 101.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), RefusedError> {
        if only(headers, &SEC_WEBSOCKET_ACCEPT).is_none_or(|said| said != self.accept.as_str()) {
            return Err(RefusedError::Accept);
        }
        let [protocols, extensions] = &self.offers;
        let chosen = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().flat_map(words);
        let known = chosen.into_iter().all(|chosen| offered(protocols, chosen));
        let chosen = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter().flat_map(words);
        if known && chosen.into_iter().all(|chosen| offered(extensions, chosen)) {
            Ok(())
        } else {
            Err(RefusedError::Choice)
        }
    }
}

/// RFC 6455 §4.2.2: the answer to a key.
fn accept(key: &[u8]) -> String {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(GUID);
    STANDARD.encode(hash.finish())
}

/// The value of a field that stands exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// The names in a list, without their parameters. A comma within a quoted parameter splits it too;
/// what comes out then is offered and chosen alike.
fn words(list: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let entries = list.as_bytes().split(|byte| *byte == b',');
    entries.filter_map(|entry| entry.split(|byte| *byte == b';').next().map(<[u8]>::trim_ascii))
}

fn offered(offers: &[HeaderValue], chosen: &[u8]) -> bool {
    offers.iter().flat_map(words).any(|offer| offer == chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    const GOOD: &str = "Upgrade: websocket|Connection: Upgrade|Sec-WebSocket-Version: 13";

    fn map(fields: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields.split('|').filter_map(|field| field.split_once(": ")) {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        map
    }

    #[track_caller]
    fn check(method: &Method, fields: &str, expected: Result<(), HandshakeError>) {
        assert_eq!(Handshake::of(method, &map(fields), true).map(drop), expected, "{fields}");
    }

    /// The answer's `fields` to the sample key of RFC 6455 §1.3, with these `offers`.
    #[track_caller]
    fn check_answer(offers: &str, fields: &str, expected: Result<(), RefusedError>) {
        let ours = Handshake::of(&Method::GET, &map(&format!("{GOOD}|{KEY}|{offers}")), true);
        assert_eq!(ours.unwrap().check(&map(fields)), expected, "{fields}");
    }

    #[test]
    fn a_whole_handshake_is_taken() {
        check(&Method::GET, &format!("{GOOD}|{KEY}"), Ok(()));
        let listed = "Upgrade: h2c, WebSocket|Connection: keep-alive, upgrade";
        check(&Method::GET, &format!("{listed}|Sec-WebSocket-Version: 13|{KEY}"), Ok(()));
        assert!(is_wanted(&map(listed)) && !is_wanted(&map("Upgrade: h2c")));
    }

    #[test]
    fn half_a_handshake_is_none() {
        check(&Method::POST, &format!("{GOOD}|{KEY}"), Err(HandshakeError::Request));
        let alone = format!("Upgrade: websocket|Sec-WebSocket-Version: 13|{KEY}");
        check(&Method::GET, &alone, Err(HandshakeError::Request));
        check(&Method::GET, GOOD, Err(HandshakeError::Key));
        check(&Method::GET, &format!("{GOOD}|{KEY}|{KEY}"), Err(HandshakeError::Key));
        for key in ["c2hvcnQ=", "not base64!", ""] {
            let fields = format!("{GOOD}|Sec-WebSocket-Key: {key}");
            check(&Method::GET, &fields, Err(HandshakeError::Key));
        }
        let old = GOOD.replace("13", "8");
        check(&Method::GET, &format!("{old}|{KEY}"), Err(HandshakeError::Version));
    }

    #[test]
    fn a_backend_has_to_show_that_it_read_the_key() {
        let right = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        check_answer("", right, Ok(()));
        check_answer("", "", Err(RefusedError::Accept));
        check_answer("", &right.to_lowercase(), Err(RefusedError::Accept));
        check_answer("", &format!("{right}|{right}"), Err(RefusedError::Accept));
    }

    #[test]
    fn a_backend_chooses_among_what_is_offered() {
        let right = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        let offers = "Sec-WebSocket-Protocol: a, b|Sec-WebSocket-Extensions: permessage-deflate; x";
        for (chosen, expected) in [
            ("Sec-WebSocket-Protocol: b", Ok(())),
            ("Sec-WebSocket-Protocol: c", Err(RefusedError::Choice)),
            ("Sec-WebSocket-Extensions: permessage-deflate; y=1", Ok(())),
            ("Sec-WebSocket-Extensions: other", Err(RefusedError::Choice)),
        ] {
            check_answer(offers, &format!("{right}|{chosen}"), expected);
        }
    }
}
