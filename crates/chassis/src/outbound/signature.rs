//! How does a program of the operator know that a request is from us?
//!
//! The body is signed together with the time, so that nobody sends it once more later.

use aws_lc_rs::hmac;

use crate::{Secret, hex};

/// The field that carries the signature.
pub const SIGNATURE: &str = "turnpike-signature";

/// `t=<Unix seconds>,v1=<hexadecimal HMAC-SHA-256 of "<t>.<body>" under the secret>`.
pub fn signature(secret: &Secret, now_s: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{now_s}.").as_bytes());
    context.update(body);
    format!("t={now_s},v1={}", hex(context.sign().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(secret: &str, now_s: i64, body: &str, expected: &str) {
        assert_eq!(signature(&Secret::new(secret), now_s, body.as_bytes()), expected);
    }

    /// By `printf '1785500000.{"a":1}' | openssl dgst -sha256 -hmac s3cret`.
    #[test]
    fn a_signature_is_the_one_that_others_make() {
        check(
            "s3cret",
            1_785_500_000,
            r#"{"a":1}"#,
            "t=1785500000,v1=d8b340ae0332135bdad80fd6c2d7e2c34f75d76c846d7f72c2694d66de5a0a63",
        );
        check(
            "key",
            7,
            "{}",
            "t=7,v1=77bc83bd1f40422311e47918b203449aecf84b02c1568bb1b570ac2a474cc2d8",
        );
    }
}
