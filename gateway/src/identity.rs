//! Which fields do backends take as a word of the gateway, or are a word to it?
//!
//! In the dash and in the underscore form: some servers read both as one.

use crate::certificate::{CLIENT_CERT, CLIENT_CERT_CHAIN, X_WSO2_CLIENT_CERTIFICATE};

/// The field that says of a request that it is a copy.
pub const MIRRORED: &str = "x-turnpike-mirrored";

/// The field that names a call, to backends and to clients.
pub const REQUEST_ID: &str = "x-request-id";

/// The field in which a test key is shown.
pub const TEST_KEY: &str = "turnpike-test-key";

/// The field by which whoever shows a test key asks how a call was judged; the answer has it, too.
pub const DEBUG: &str = "turnpike-debug";

/// The field by which whoever shows a test key asks how a call would be judged.
pub const EXPLAIN: &str = "turnpike-explain";

/// Whether backends take the field called `name` (in lower case) as a word of the gateway.
pub fn is_identity(name: &str) -> bool {
    const IDENTITY: [&str; 11] = [
        "x-jwt-assertion",
        REQUEST_ID,
        "x-real-ip",
        "forwarded",
        CLIENT_CERT,
        CLIENT_CERT_CHAIN,
        X_WSO2_CLIENT_CERTIFICATE,
        MIRRORED,
        TEST_KEY,
        DEBUG,
        EXPLAIN,
    ];
    // Nearly every name fails here.
    if !matches!(name.as_bytes(), [b'x' | b'f', ..] | [b'c', b'l', ..] | [b't', b'u', ..]) {
        return false;
    }
    starts_like(name, "x-forwarded-") || IDENTITY.iter().any(|known| is_like(name, known))
}

/// Whether `name` is `known`, an underscore counting as a dash.
pub fn is_like(name: &str, known: &str) -> bool {
    known.len() == name.len() && starts_like(name, known)
}

/// Whether `name` starts with `known`, an underscore counting as a dash.
fn starts_like(name: &str, known: &str) -> bool {
    let dashed = |byte: u8| if byte == b'_' { b'-' } else { byte };
    name.len() >= known.len() && name.bytes().map(dashed).zip(known.bytes()).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, identity: bool) {
        assert_eq!(is_identity(name), identity, "{name}");
    }

    #[test]
    fn fields_that_backends_believe_are_known_in_both_spellings() {
        for name in [
            "x-jwt-assertion",
            "x_jwt_assertion",
            "x-jwt_assertion",
            "x-forwarded-for",
            "x_forwarded_for",
            "x-forwarded-anything",
            "forwarded",
            "x-real-ip",
            "x_request_id",
            "client-cert",
            "client_cert",
            "client-cert-chain",
            "x-wso2-client-certificate",
            "x-turnpike-mirrored",
            "x_turnpike_mirrored",
            "turnpike-test-key",
            "turnpike_test_key",
            "turnpike-debug",
            "turnpike-explain",
        ] {
            check(name, true);
        }
    }

    #[test]
    fn other_fields_are_the_clients_own() {
        for name in [
            "client-certs",
            "clear",
            "x-forward",
            "x-jwt-assertions",
            "from",
            "x-request",
            "accept",
            "turn",
            "turnpike-tests",
        ] {
            check(name, false);
        }
    }
}
