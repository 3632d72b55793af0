//! Which header fields end at this hop, whoever sent them?
//!
//! RFC 9110 §7.6.1: those about the connection. `Connection` may name more.

/// Whether the field called `name` (in lower case) is about one connection only. `TE` is among them
/// and is written anew where trailers are welcome; `Trailer` is not: it tells the far end what comes.
/// Framing ends here in the underscore form too: some servers read both as one.
pub fn ends_here(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "transfer-encoding"
            | "transfer_encoding"
            | "content_length"
            | "upgrade"
            | "http2-settings"
    )
}
