//! How is an answer written?

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use jose::{Algorithm, PROOF_ALGORITHMS};
use serde_json::{Value, json};

use super::bound::NONCE;
use super::{Refusal, Reply};
use crate::binding::ProofError;
use crate::rpc::PENDING;

/// The longest text of a refusal; part of it may be the client's own.
const LONGEST_DESCRIPTION: usize = 200;

/// An answer for its asker only.
pub(super) fn private(body: &Value) -> Reply {
    private_with(StatusCode::OK, body)
}

/// The same in another form than JSON.
pub(super) fn private_text(body: String, media: &'static str) -> Reply {
    let headers = [(CONTENT_TYPE, media), (CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];
    with_headers(StatusCode::OK, body.into(), &headers)
}

/// An answer without a body.
pub(super) fn empty() -> Reply {
    with_headers(StatusCode::OK, Bytes::new(), &[(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")])
}

/// An answer that anybody may keep for a while.
pub(super) fn public(body: String, cache: &'static str) -> Reply {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, cache)];
    with_headers(StatusCode::OK, body.into(), &headers)
}

pub(super) fn refusal(refusal: &Refusal) -> Reply {
    let (status, code) = (refusal.code().0, refusal.error());
    let description: String =
        refusal.to_string().chars().take(LONGEST_DESCRIPTION).map(describable).collect();
    let mut body = json!({ "error": code, "error_description": description });
    if let (Refusal::Waiting { handle, pause_seconds, seconds }, Some(map)) =
        (refusal, body.as_object_mut())
    {
        map.insert(PENDING.to_owned(), json!(handle));
        map.insert("interval".to_owned(), json!(pause_seconds));
        map.insert("expires_in".to_owned(), json!(seconds));
    }
    let mut reply = private_with(status, &body);
    let headers = reply.headers_mut();
    match refusal {
        // RFC 6749 section 5.2 asks for it when the client used `Authorization`, RFC 9110
        // section 15.5.2 for every 401.
        Refusal::InvalidClient(_) => {
            let challenge = "Basic realm=\"turnpike\", charset=\"UTF-8\"";
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        // RFC 6750 section 3: without a token there is nothing to say about it.
        Refusal::NoToken => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"turnpike\""));
        }
        Refusal::InvalidToken => {
            let challenge = "Bearer realm=\"turnpike\", error=\"invalid_token\"";
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        Refusal::InsufficientScope => {
            let challenge =
                "Bearer realm=\"turnpike\", error=\"insufficient_scope\", scope=\"openid\"";
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        Refusal::Method(allowed) => {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        Refusal::TokenProof(error) => {
            // RFC 9449 section 7.1.
            let algorithms = PROOF_ALGORITHMS.map(Algorithm::name).join(" ");
            let challenge = format!("DPoP error=\"{code}\", algs=\"{algorithms}\"");
            if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            let nonce = if let ProofError::Nonce(nonce) = error { nonce } else { "" };
            if let Some(nonce) = HeaderValue::from_str(nonce).ok().filter(|nonce| !nonce.is_empty())
            {
                headers.insert(NONCE, nonce);
            }
        }
        Refusal::Proof(ProofError::Nonce(nonce)) => {
            if let Ok(nonce) = HeaderValue::from_str(nonce) {
                headers.insert(NONCE, nonce);
            }
        }
        Refusal::Unavailable(_) | Refusal::Full(_) => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    reply
}

fn private_with(status: StatusCode, body: &Value) -> Reply {
    let headers =
        [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];
    with_headers(status, body.to_string().into(), &headers)
}

fn with_headers(status: StatusCode, body: Bytes, headers: &[(HeaderName, &'static str)]) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    for (name, value) in headers {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let nosniff = HeaderValue::from_static("nosniff");
    reply.headers_mut().insert(http::header::X_CONTENT_TYPE_OPTIONS, nosniff);
    reply
}

/// The characters that RFC 6749 section 5.2 allows in `error_description`.
fn describable(character: char) -> char {
    match character {
        '"' | '\\' => '\'',
        ' '..='~' => character,
        _ => '?',
    }
}
