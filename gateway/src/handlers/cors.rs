//! May the web page that calls read the answer?
//!
//! By the Fetch standard. Preflight requests are answered here, before anybody is asked for a
//! credential: browsers send none with them. Every other answer of the API, faults included, gets
//! the fields that let the page read it, or none; what the backend says about it is replaced.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, SEC_WEBSOCKET_VERSION,
    VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use plan::{CorsPlan, Hit};

use crate::body::Body;
use crate::fault::Fault;
use crate::received::Received;

/// The fields of answers that belong to this protocol.
static OURS: [HeaderName; 7] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
    HeaderName::from_static("access-control-allow-private-network"),
];

/// Who may read the answers to one call.
#[derive(Debug)]
pub struct Sharing {
    cors: Arc<CorsPlan>,
    reader: Option<HeaderValue>,
}

impl Sharing {
    /// Looks at the origin that `headers` name.
    fn of(cors: &Arc<CorsPlan>, headers: &HeaderMap) -> Self {
        let mut origins = headers.get_all(ORIGIN).iter();
        let origin = origins.next().filter(|_| origins.next().is_none());
        let known = |origin: &&HeaderValue| origin.to_str().is_ok_and(|text| cors.allows(text));
        Self { cors: Arc::clone(cors), reader: origin.filter(known).cloned() }
    }

    /// Writes into an answer who may read it.
    pub fn tell(&self, headers: &mut HeaderMap) {
        for name in &OURS {
            headers.remove(name);
        }
        if self.tell_reader(headers)
            && let Some(names) = self.cors.expose.as_deref().and_then(value)
        {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names);
        }
    }

    /// Whether somebody may read.
    fn tell_reader(&self, headers: &mut HeaderMap) -> bool {
        let reader = if self.cors.depends_on_origin() {
            vary(headers, "origin");
            self.reader.clone()
        } else {
            Some(HeaderValue::from_static("*"))
        };
        let Some(reader) = reader else { return false };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, reader);
        if self.cors.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        true
    }
}

/// What a call from a web page, or from anybody, comes to before it is looked at further.
#[derive(Debug)]
pub enum Shared {
    /// It goes on; its answer is told who may read it.
    Call(Sharing),
    /// It was a preflight, and this is the whole answer.
    Preflight(Response<Body>),
}

/// Looks at a call of an API that shares its answers by `cors`.
pub fn share(cors: &Arc<CorsPlan>, hit: Hit<'_>, received: &Received) -> Shared {
    let headers = &received.headers;
    let sharing = Sharing::of(cors, headers);
    let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD);
    match asked.filter(|_| received.method == Method::OPTIONS && headers.contains_key(ORIGIN)) {
        Some(method) => Shared::Preflight(preflight(&sharing, hit, method, headers)),
        None => Shared::Call(sharing),
    }
}

/// A WebSocket is open to the pages of every origin (RFC 6455 §10.2), so who may not read is
/// refused.
pub fn check_socket(sharing: &Sharing, received: &Received) -> Result<(), Fault> {
    let headers = &received.headers;
    let foreign = sharing.reader.is_none() && headers.contains_key(ORIGIN);
    if foreign && headers.contains_key(SEC_WEBSOCKET_VERSION) {
        return Err(Fault::OriginRefused);
    }
    Ok(())
}

/// Fetch standard §4.8: the status only has to be good, the fields decide.
fn preflight(
    sharing: &Sharing,
    hit: Hit<'_>,
    asked: &HeaderValue,
    headers: &HeaderMap,
) -> Response<Body> {
    let mut answer = Response::new(Body::Empty);
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let told = answer.headers_mut();
    sharing.tell_reader(told);
    vary(told, "access-control-request-method");
    vary(told, "access-control-request-headers");
    if sharing.reader.is_none() {
        return answer;
    }
    let cors = &sharing.cors;
    let methods = match &cors.methods {
        Some(methods) => value(methods),
        None => methods(hit, cors, asked),
    };
    if let Some(methods) = methods {
        told.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    let names = match &cors.headers {
        Some(names) => value(names),
        None => headers.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|it| is_list(it)).cloned(),
    };
    if let Some(names) = names {
        told.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    if let Some(seconds) = cors.max_age {
        told.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
    }
    answer
}

/// The methods of the path; the one that is asked for where every method is allowed.
fn methods(hit: Hit<'_>, cors: &CorsPlan, asked: &HeaderValue) -> Option<HeaderValue> {
    let methods = hit.api.methods(hit.rest);
    if cors.any_method || methods.contains(&"*") {
        return Some(asked).filter(|asked| is_list(asked)).cloned();
    }
    value(&methods.join(", ")).filter(|_| !methods.is_empty())
}

fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(text).ok()
}

/// Tokens with commas between them (RFC 9110 §5.6.1): what is said back is nothing else.
fn is_list(value: &HeaderValue) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~, ".contains(byte);
    value.as_bytes().iter().all(plain)
}

/// Says that the answer depends on the request field `name`.
fn vary(headers: &mut HeaderMap, name: &'static str) {
    let said = headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok());
    let known = |one: &str| one.eq_ignore_ascii_case(name) || one == "*";
    if !said.flat_map(|value| value.split(',')).any(|one| known(one.trim())) {
        headers.append(VARY, HeaderValue::from_static(name));
    }
}
