//! How does a gRPC client read a fault?
//!
//! As a status in the header fields of an answer without a body ("Trailers-Only" in the gRPC
//! protocol over HTTP/2), with our number as the reason in `google.rpc.ErrorInfo`, and in
//! `google.rpc.RetryInfo` when to come again, where that is known.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::{HeaderValue, StatusCode};
use prost::Message as _;

use super::code::Row;
use super::reason::Fault;

const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Any {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

/// `google.rpc.ErrorInfo`, without metadata.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ErrorInfo {
    #[prost(string, tag = "1")]
    pub(super) reason: String,
    #[prost(string, tag = "2")]
    pub(super) domain: String,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub(super) retry_delay: Option<prost_types::Duration>,
}

/// The header fields `grpc-status`, `grpc-message` and `grpc-status-details-bin`.
pub(super) fn fields(fault: &Fault, row: Row) -> [(&'static str, HeaderValue); 3] {
    let text = fault.to_string();
    let code = status_code(row.status);
    let info = ErrorInfo { reason: row.code.to_string(), domain: "turnpike".to_owned() };
    let error = Any { type_url: ERROR_INFO.to_owned(), value: info.encode_to_vec() };
    let retry = fault.retry_after_s().map(|seconds| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let retry_delay = Some(prost_types::Duration { seconds, nanos: 0 });
        Any { type_url: RETRY_INFO.to_owned(), value: RetryInfo { retry_delay }.encode_to_vec() }
    });
    let details = std::iter::once(error).chain(retry).collect();
    let details = Status { code, message: text.clone(), details };
    let value =
        |text: String| HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    [
        ("grpc-status", HeaderValue::from(code)),
        ("grpc-message", value(percent_encoded(&text))),
        ("grpc-status-details-bin", value(STANDARD_NO_PAD.encode(details.encode_to_vec()))),
    ]
}

/// The gRPC status code for an HTTP status.
fn status_code(status: StatusCode) -> i32 {
    match status.as_u16() {
        400 => 3,                   // INVALID_ARGUMENT
        401 => 16,                  // UNAUTHENTICATED
        403 => 7,                   // PERMISSION_DENIED
        404 | 405 => 12,            // UNIMPLEMENTED
        413 | 414 | 429 | 431 => 8, // RESOURCE_EXHAUSTED
        502 | 503 => 14,            // UNAVAILABLE
        504 => 4,                   // DEADLINE_EXCEEDED
        _ => 2,                     // UNKNOWN
    }
}

/// Printable ASCII but `%` stays, everything else is percent-encoded, as `grpc-message` asks.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
