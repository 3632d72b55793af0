//! May this call leave HTTP, and has the backend agreed to it?
//!
//! Only an API of type WS lets a call do so. Everywhere else the wish is not passed on, and the
//! request is answered like any other: a tunnel past the policies of an API has to be asked for by
//! whoever publishes it.

use http::{Response, StatusCode, Version};
use plan::ApiType;

use crate::body::Body;
use crate::fault::{BadRequest, Fault};
use crate::handlers::Permit;
use crate::received::Received;
use crate::websocket::{Handshake, HandshakeError, is_wanted};

/// The handshake that has to go on to the backend; `None`: it is a call like any other.
pub(super) fn handshake(
    permit: &Permit<'_>,
    received: &Received,
    body: &Body,
) -> Result<Option<Box<Handshake>>, Fault> {
    if permit.matched().home().kind != ApiType::Ws || !is_wanted(&received.headers) {
        return Ok(None);
    }
    match Handshake::of(&received.method, &received.headers, body.is_empty()) {
        Ok(handshake) => Ok(Some(Box::new(handshake))),
        Err(HandshakeError::Version) => Err(Fault::WebSocketVersion),
        Err(HandshakeError::Request | HandshakeError::Key) => {
            Err(Fault::BadRequest(BadRequest::WebSocket))
        }
    }
}

/// Whether the backend's answer to a handshake may go to the client.
pub(super) fn agreed(
    handshake: &Handshake,
    received: &Received,
    response: &Response<Body>,
) -> Result<(), Fault> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let agreed = handshake.check(response.headers());
        return agreed.map_err(|error| Fault::BackendProtocol(Box::new(error)));
    }
    // To a stream of HTTP/2 every success means that it has become a WebSocket.
    if received.version == Version::HTTP_2 && response.status().is_success() {
        return Err(Fault::BackendProtocol("the backend did not upgrade".into()));
    }
    Ok(())
}
