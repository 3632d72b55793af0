//! Is this the secret whose digest is stored, without the secret being stored?
//!
//! Secrets that we make have 256 random bits, so a keyed hash is enough: nobody can try them all,
//! and the key is not in the database. A password hash here would cost a thousand times the token
//! it guards (decision D3).

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// HMAC-SHA-256 under a key derived from the master key.
pub struct Pepper(hmac::Key);

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pepper(..)")
    }
}

impl Pepper {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(HMAC_SHA256, key))
    }

    /// The digest of a secret of `owner`; the owner is part of it, so that a digest copied to
    /// another client proves nothing.
    pub fn digest(&self, owner: &str, secret: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, &message(owner, secret)))
    }

    /// Compares in constant time. A `digest` that is none costs the same and never matches.
    pub fn matches(&self, owner: &str, secret: &str, digest: &str) -> bool {
        let mut stored = [0; 32];
        let whole = URL_SAFE_NO_PAD.decode_slice(digest, &mut stored) == Ok(stored.len());
        hmac::verify(&self.0, &message(owner, secret), &stored).is_ok() & whole
    }
}

/// The length keeps `ab` + `c` apart from `a` + `bc`.
fn message(owner: &str, secret: &str) -> Vec<u8> {
    let length = u64::try_from(owner.len()).unwrap_or(u64::MAX).to_be_bytes();
    [length.as_slice(), owner.as_bytes(), secret.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::super::MasterKey;

    #[track_caller]
    fn check(owner: &str, secret: &str, matches: bool) {
        let pepper = MasterKey::of_byte(1).pepper().expect("a pepper");
        let digest = pepper.digest("ann", "s3cret");
        assert_eq!(pepper.matches(owner, secret, &digest), matches);
        let other = MasterKey::of_byte(2).pepper().expect("a pepper");
        assert!(!other.matches(owner, secret, &digest));
        assert!(!pepper.matches(owner, secret, ""));
    }

    #[test]
    fn only_the_secret_of_its_owner_matches() {
        check("ann", "s3cret", true);
        check("ann", "s3cre", false);
        check("ann", "s3cret2", false);
        check("ben", "s3cret", false);
        check("anns", "3cret", false);
        check("", "anns3cret", false);
    }
}
