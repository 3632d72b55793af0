//! Which fields may stand behind a body?
//!
//! RFC 9110 §6.5.1: a trailer must not change how the message was framed, routed, authorised or
//! understood; a far end that joins trailers with header fields would believe it. The same holds for
//! what backends take as a word of the gateway. What is none of that passes, unless the policies of
//! an operation or the credential of an endpoint leave it out.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::body::{Body, BodyError, Stream};
use crate::identity::{is_identity, is_like};
use crate::one_hop::ends_here;
use crate::without::without;

/// Names that are no trailers, in the dash form.
const UNWELCOME: [&str; 24] = [
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "pragma",
    "proxy-authorization",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "www-authenticate",
];

/// Whether the field called `name` (in lower case) may stand behind a body.
pub fn is_welcome(name: &str) -> bool {
    !ends_here(name) && !is_identity(name) && !UNWELCOME.iter().any(|known| is_like(name, known))
}

/// What of `trailers` may stand behind a body.
pub fn welcome(trailers: HeaderMap) -> HeaderMap {
    without(trailers, |name| !is_welcome(name))
}

/// `body`, without the trailers whose name (in lower case) is out.
pub fn sifted(body: Body, is_out: impl Fn(&str) -> bool + Unpin + 'static) -> Body {
    match body {
        Body::Stream(inner) => Body::stream(Sifted { inner, is_out }),
        body => body,
    }
}

struct Sifted<F> {
    inner: Stream,
    is_out: F,
}

impl<F: Fn(&str) -> bool + Unpin> http_body::Body for Sifted<F> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self { inner, is_out } = self.get_mut();
        let frame = ready!(inner.as_mut().poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| match frame.into_trailers() {
                Ok(trailers) => Frame::trailers(without(trailers, &*is_out)),
                Err(frame) => frame,
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    /// Which of `names` may stand behind a body.
    #[track_caller]
    fn check(names: &str, expected: &str) {
        let value = || HeaderValue::from_static("x");
        let all = names.split(' ').map(|name| (name.parse().unwrap(), value()));
        let left = welcome(all.collect());
        let left: Vec<&str> = left.keys().map(HeaderName::as_str).collect();
        assert_eq!(left.join(" "), expected);
    }

    #[test]
    fn what_tells_of_the_message_or_its_sender_is_left_out() {
        check("grpc-status grpc-message digest x-own", "grpc-status grpc-message digest x-own");
        check("transfer-encoding transfer_encoding content_length host x-own", "x-own");
        check("authorization proxy_authorization cookie set-cookie content_type te", "");
        check("x-forwarded-for x_forwarded_for x-jwt_assertion client-cert client_cert_chain", "");
        check("x-wso2-client-certificate x_real_ip forwarded x-request-id host-name", "host-name");
    }
}
