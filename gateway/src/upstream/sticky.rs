//! Which server has answered this client before?
//!
//! The cookie holds the server's id and which of its addresses it was, and nothing about where it
//! is. It means the same to every gateway.

use http::HeaderValue;

use super::cookie::cookie;
use super::request::Request;

/// The server that the client's cookie names, if the endpoint has it.
pub(super) fn wanted(request: &Request<'_>) -> Option<usize> {
    let sticky = request.endpoint.sticky.as_ref()?;
    let value = cookie(&request.received.headers, &sticky.cookie)?;
    (0..request.view.len()).find(|index| shown(request, *index).as_deref() == Some(value))
}

/// The cookie for a client that was answered by the server at `index` and had named another, or
/// none.
pub(super) fn given(request: &Request<'_>, index: usize) -> Option<HeaderValue> {
    let sticky = request.endpoint.sticky.as_ref()?;
    if request.view.len() < 2 || wanted(request) == Some(index) {
        return None;
    }
    let value = String::from_utf8(shown(request, index)?).ok()?;
    let context = &request.permit.matched().api().context;
    let age = sticky.ttl.map_or_else(String::new, |ttl| format!("; Max-Age={}", ttl.as_secs()));
    let secure = if request.received.peer.secure { "; Secure" } else { "" };
    let name = &sticky.cookie;
    let text = format!("{name}={value}; Path={context}; HttpOnly; SameSite=Lax{age}{secure}");
    HeaderValue::try_from(text).ok()
}

/// How the cookie calls the server at `index`.
fn shown(request: &Request<'_>, index: usize) -> Option<Vec<u8>> {
    let target = request.view.target(index)?;
    let id = &request.endpoint.servers.get(target.server)?.id;
    Some(match target.place {
        0 => id.as_bytes().to_vec(),
        place => format!("{id}.{place}").into_bytes(),
    })
}
