//! What does every answer have?

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LINK, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body as _;
use serde_json::Value;
use tonic::Status;

/// What is answered, at once or as it comes.
pub(super) type Content = UnsyncBoxBody<Bytes, Status>;

pub(super) type Reply = Response<Content>;

/// A JSON answer. Nothing of it may stay in a cache on the way.
pub(super) fn reply(status: StatusCode, body: &Value) -> Reply {
    let body = Full::new(Bytes::from(format!("{body}\n")));
    let body = body.map_err(|never| match never {}).boxed_unsync();
    reply_as(status, HeaderValue::from_static("application/json"), body)
}

/// The same of any media type.
pub(super) fn reply_as(status: StatusCode, media_type: HeaderValue, body: Content) -> Reply {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The same with the revision of what it shows, for `If-Match` and `If-None-Match`.
pub(super) fn tagged(status: StatusCode, body: &Value, revision: u64) -> Reply {
    let mut response = reply(status, body);
    if let Ok(tag) = HeaderValue::try_from(format!("\"{revision}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Where the next page is (RFC 8288).
pub(super) fn with_next(mut response: Reply, next: &str) -> Reply {
    if let Ok(link) = HeaderValue::try_from(format!("<{next}>; rel=\"next\"")) {
        response.headers_mut().insert(LINK, link);
    }
    response
}

/// The answer to HEAD: all that GET would have, but for the body.
pub(super) fn without_body(mut response: Reply) -> Reply {
    if let Some(size) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, size.into());
    }
    *response.body_mut() = Content::default();
    response
}
