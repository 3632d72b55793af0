//! Which calls are the key manager's own, and how does it get them?
//!
//! Token requests and their relatives are handed over as they came and answered as it answers: there
//! is one implementation of those endpoints, and it is not here.

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt as _;
use turnpike_proto::identity::v1::{ForwardRequest, ForwardResponse, HeaderField};

use super::forwarded::strip;
use crate::body::Body;
use crate::fault::Fault;
use crate::http1::Named;
use crate::one_hop::ends_here;
use crate::received::Received;
use crate::rpc::token_endpoint::Handle;

/// What the key manager takes: no token request needs more.
const MAX_BODY: usize = 1 << 20;

/// Whether the key manager serves this path.
pub fn is_for_key_manager(path: &str) -> bool {
    match path {
        "/token" | "/revoke" | "/authorize" | "/userinfo" | "/introspect" | "/jwks" => true,
        _ => path.starts_with("/oauth2/") || path.starts_with("/.well-known/"),
    }
}

/// Hands the request over and brings the answer back.
pub async fn hand_over(
    key_manager: &Handle,
    received: &Received,
    body: Body,
) -> Result<Response<Body>, Fault> {
    let request = request(received, collected(body).await?);
    let answer = key_manager.forward(request, tracing::Span::current()).await;
    response(answer.map_err(|error| Fault::KeyManagerAway(Box::new(error)))?)
}

/// The request as it came, without what was about its connection.
fn request(received: &Received, body: Bytes) -> ForwardRequest {
    let named = Named::of(&received.headers);
    let mut headers: Vec<HeaderField> = strip(&received.headers)
        .filter(|(name, _)| *name != "host" && passes(name) && !named.contains(name))
        .map(|(name, value)| field(name, value.as_bytes()))
        .collect();
    headers.push(field("host", received.host().as_bytes()));
    let certificate = received.peer.certificate.as_ref();
    ForwardRequest {
        method: received.method.as_str().to_owned(),
        target: received.target().to_owned(),
        headers,
        body: body.into(),
        peer_certificate: certificate.map(|shown| shown.leaf().to_vec()).unwrap_or_default(),
        client_address: received.peer.client.to_string(),
        secure: received.peer.secure,
    }
}

/// All of the body, or the fault that it is too long.
async fn collected(mut body: Body) -> Result<Bytes, Fault> {
    if body.length().is_some_and(|length| length > MAX_BODY as u64) {
        return Err(Fault::BodyTooLarge);
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Fault::IncompleteBody(Box::new(error)))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > MAX_BODY {
            return Err(Fault::BodyTooLarge);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

fn response(answer: ForwardResponse) -> Result<Response<Body>, Fault> {
    let status = u16::try_from(answer.status).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.filter(|status| !status.is_informational());
    let status = status.ok_or_else(|| Fault::KeyManagerAway("a status out of range".into()))?;
    let mut response = Response::new(Body::full(answer.body));
    *response.status_mut() = status;
    for HeaderField { name, value } in answer.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(&value);
        if let (Ok(name), Ok(value)) = (name, value)
            && passes(name.as_str())
        {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

/// Framing is written anew on each side.
fn passes(name: &str) -> bool {
    name != "content-length" && name != "expect" && !ends_here(name)
}

fn field(name: &str, value: &[u8]) -> HeaderField {
    HeaderField { name: name.to_owned(), value: value.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::ClientCertificate;
    use crate::received::{Bounds, Peer};

    #[track_caller]
    fn check(path: &str, expected: bool) {
        assert_eq!(is_for_key_manager(path), expected, "{path}");
    }

    #[test]
    fn the_endpoints_of_the_key_manager_are_its_own() {
        for path in ["/token", "/oauth2/token", "/.well-known/openid-configuration", "/jwks"] {
            check(path, true);
        }
    }

    #[test]
    fn paths_that_only_look_like_them_are_not() {
        for path in ["/", "/token/x", "/tokens", "/oauth2", "/a/oauth2/token", "/.well-known"] {
            check(path, false);
        }
    }

    #[test]
    fn the_request_goes_on_as_it_came() {
        let (parts, ()) = http::Request::post("/oauth2/token?x=%2F")
            .header("host", "Api.Example:8280")
            .header("authorization", "Basic x")
            .header("connection", "keep-alive, x-mine")
            .header("x-mine", "1")
            .header("x-forwarded-for", "6.6.6.6")
            .header("client-cert", ":AAAA:")
            .header("content-length", "4")
            .body(())
            .unwrap()
            .into_parts();
        let client = [192, 0, 2, 1].into();
        let certificate = ClientCertificate::shown(&[vec![1, 2, 3].into(), vec![4].into()]);
        let certificate = certificate.map(std::rc::Rc::new);
        let peer = Peer { client, certificate, ..Peer::new([10, 0, 0, 1].into(), true) };
        let bounds = Bounds { target_bytes: 100, fields: 100, body_bytes: 100 };
        let received = Received::take(parts, peer, bounds).unwrap();
        let expected = ForwardRequest {
            method: "POST".to_owned(),
            target: "/oauth2/token?x=%2F".to_owned(),
            headers: vec![field("authorization", b"Basic x"), field("host", b"api.example:8280")],
            body: b"body".to_vec(),
            peer_certificate: vec![1, 2, 3],
            client_address: "192.0.2.1".to_owned(),
            secure: true,
        };
        assert_eq!(request(&received, Bytes::from("body")), expected);
    }

    #[test]
    fn the_answer_comes_back_without_what_frames_it() {
        let answer = ForwardResponse {
            status: 401,
            headers: vec![
                field("www-authenticate", b"Basic"),
                field("set-cookie", b"a"),
                field("set-cookie", b"b"),
                field("content-length", b"999"),
                field("connection", b"close"),
            ],
            body: b"{}".to_vec(),
        };
        let response = response(answer).unwrap();
        assert_eq!((response.status().as_u16(), response.body().length()), (401, Some(2)));
        let names: Vec<&str> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["www-authenticate", "set-cookie"]);
        let twice = response.headers().get_all("set-cookie").iter().count();
        assert_eq!(twice, 2);
    }

    #[test]
    fn an_answer_that_is_none_is_a_fault() {
        for status in [0, 100, 99, 70_000] {
            let answer = ForwardResponse { status, ..ForwardResponse::default() };
            assert!(matches!(response(answer), Err(Fault::KeyManagerAway(_))), "{status}");
        }
    }

    #[test]
    fn a_body_that_is_too_long_is_refused_before_it_is_held() {
        let read = |length: usize| {
            let body = Body::full(vec![b'x'; length]);
            futures_util::FutureExt::now_or_never(collected(body)).unwrap()
        };
        assert_eq!(read(MAX_BODY).unwrap().len(), MAX_BODY);
        assert!(matches!(read(MAX_BODY + 1), Err(Fault::BodyTooLarge)));
    }
}
