//! How does a request head become one of HTTP/2?
//!
//! From the very lines that a backend of HTTP/1.1 would read, so that there is one place only that
//! decides what a backend is told. Values are slices of those lines.

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::http1::{MAX_FIELDS, Places};

/// Lines that do not make a head. They were written here, so nobody should meet it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the head cannot be said in HTTP/2")]
pub struct HeadError;

/// The request that `head`, written for HTTP/1.1, stands for.
pub(super) fn request(head: Vec<u8>, secure: bool) -> Result<Request<()>, HeadError> {
    let head = Bytes::from(head);
    let mut slots = [httparse::EMPTY_HEADER; MAX_FIELDS * 2];
    let mut parsed = httparse::Request::new(&mut slots);
    if !parsed.parse(&head).is_ok_and(|status| status.is_complete()) {
        return Err(HeadError);
    }
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else { return Err(HeadError) };
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| HeadError)?;
    let target = PathAndQuery::from_maybe_shared(head.slice_ref(target.as_bytes()));
    let target = target.map_err(|_| HeadError)?;
    let mut places = Places::default();
    places.note(&head, parsed.headers);
    let mut headers = HeaderMap::with_capacity(places.all().len());
    let mut authority = None;
    for place in places.all() {
        let name = head.get(place.name.0..place.name.1).ok_or(HeadError)?;
        let name = HeaderName::from_bytes(name).map_err(|_| HeadError)?;
        let value = head.slice(place.value.0..place.value.1);
        if name == HOST {
            authority = Authority::from_maybe_shared(value).ok();
        } else if ![CONNECTION, TRANSFER_ENCODING, EXPECT].contains(&name) {
            headers.append(name, HeaderValue::from_maybe_shared(value).map_err(|_| HeadError)?);
        }
    }
    let uri = Uri::builder()
        .scheme(if secure { Scheme::HTTPS } else { Scheme::HTTP })
        .authority(authority.ok_or(HeadError)?)
        .path_and_query(target)
        .build()
        .map_err(|_| HeadError)?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `head`, in which `|` stands for CRLF.
    #[track_caller]
    fn check(head: &str, expected: Result<&str, HeadError>) {
        let shown = request(format!("{head}||").replace('|', "\r\n").into_bytes(), false);
        let shown = shown.map(|request| {
            let fields = request.headers().iter();
            let fields: Vec<String> = fields
                .map(|(name, value)| format!(" {name}={}", value.to_str().unwrap()))
                .collect();
            let fields = fields.concat();
            format!("{} {}{fields}", request.method(), request.uri())
        });
        assert_eq!(shown.as_deref().map_err(|error| *error), expected);
    }

    #[test]
    fn the_host_becomes_the_authority_and_what_is_about_the_connection_ends() {
        let head = "POST /a%2Fb?c=d HTTP/1.1|host: x:81|te: trailers|connection: te|a: 1|a: 2|\
                    transfer-encoding: chunked|expect: 100-continue";
        check(head, Ok("POST http://x:81/a%2Fb?c=d te=trailers a=1 a=2"));
    }

    #[test]
    fn a_length_is_kept() {
        let head = "PUT / HTTP/1.1|host: [::1]|content-length: 5";
        check(head, Ok("PUT http://[::1]/ content-length=5"));
    }

    #[test]
    fn lines_that_are_no_head_are_refused() {
        check("GET / HTTP/1.1", Err(HeadError));
        check("GET", Err(HeadError));
    }
}
