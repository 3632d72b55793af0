//! Does the client that brings the code hold the secret that the code was asked with?
//!
//! RFC 7636, S256 only: `plain` would show the secret to whoever saw the request (KM-031).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The one method that is accepted.
pub const METHOD: &str = "S256";

/// Whether a challenge has the form of one: 32 bytes in base64url.
pub fn is_challenge(text: &str) -> bool {
    text.len() == 43 && URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

/// Whether this is the thumbprint of a key (RFC 7638): it has the form of a challenge.
pub fn is_thumbprint(text: &str) -> bool {
    is_challenge(text)
}

/// Compares in constant time. A verifier that has not the form of one (section 4.1) never fits.
pub(super) fn fits(verifier: &str, challenge: &str) -> bool {
    let unreserved =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let formed = (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
    let hashed = digest::digest(&digest::SHA256, verifier.as_bytes());
    let hashed = URL_SAFE_NO_PAD.encode(hashed);
    formed & verify_slices_are_equal(hashed.as_bytes(), challenge.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[track_caller]
    fn check(verifier: &str, challenge: &str, fit: bool) {
        assert_eq!(fits(verifier, challenge), fit, "{verifier:?} {challenge:?}");
    }

    #[test]
    fn only_the_verifier_of_the_challenge_fits() {
        check(VERIFIER, CHALLENGE, true);
        check(&"a".repeat(43), CHALLENGE, false);
        check(CHALLENGE, CHALLENGE, false);
        check(VERIFIER, "", false);
        check("", "", false);
    }

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        for verifier in ["a".repeat(42), "a".repeat(129), format!("{}+", "a".repeat(43))] {
            let hashed = digest::digest(&digest::SHA256, verifier.as_bytes());
            check(&verifier, &URL_SAFE_NO_PAD.encode(hashed), false);
        }
    }

    #[test]
    fn a_challenge_is_32_bytes() {
        assert!(is_challenge(CHALLENGE));
        for text in ["", "short", &"a".repeat(44), &CHALLENGE.replace("cM", "c=")] {
            assert!(!is_challenge(text), "{text}");
        }
    }
}
