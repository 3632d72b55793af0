//! How does one stream of an HTTP/2 connection leave HTTP (RFC 8441)?
//!
//! An extended CONNECT for WebSocket becomes the handshake that it stands for, so that what follows
//! sees one kind of handshake only; its answer becomes one without that kind's fields.

use std::rc::Rc;

use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::super::pulse::Attending;
use super::super::tunnel::{Ends, relay};
use super::super::visit::Visit;
use crate::account::Account;
use crate::body::Tunnel;
use crate::websocket;

/// What the stream becomes, if that is asked for.
pub(super) fn asked<B>(request: &mut Request<B>) -> Option<OnUpgrade> {
    let protocol = request.extensions().get::<Protocol>();
    if *request.method() != Method::CONNECT || !protocol?.as_str().eq_ignore_ascii_case("websocket")
    {
        return None;
    }
    *request.method_mut() = Method::GET;
    let headers = request.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(SEC_WEBSOCKET_KEY, websocket::key());
    Some(hyper::upgrade::on(request))
}

/// Makes an answer that agrees to leave HTTP one that does so for a stream.
pub(super) fn agree<B>(response: &mut Response<B>) {
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().remove(SEC_WEBSOCKET_ACCEPT);
}

/// Lets bytes pass until the stream ends.
pub(super) async fn tunnel(
    visit: Rc<Visit>,
    upgrade: OnUpgrade,
    far: Tunnel,
    mut account: Account,
    attending: Attending,
) {
    let _attending = attending;
    match upgrade.await {
        Ok(near) => {
            let ends = Ends { near: TokioIo::new(near), far };
            relay(&visit.worker, ends, &mut account, visit.websockets).await;
        }
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "no tunnel");
        }
    }
}
