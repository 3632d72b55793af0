//! Is this the password whose hash another system made? (KM-101)
//!
//! For people who are brought along: after their first login their hash is one of ours. A hash that
//! costs too much to look at is refused when it is brought, so nobody can bring the server to a halt
//! with it later.

use std::num::NonZeroU32;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// bcrypt takes this many seconds apart: 2^14 rounds are about a second.
const MOST_COST: u32 = 14;
const MOST_ITERATIONS: u32 = 2_000_000;
const LONGEST_SALT: usize = 64;
/// bcrypt looks at no more bytes of a password.
const BCRYPT_BYTES: usize = 72;

/// How it was made, with what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ForeignHash {
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt(String),
    /// PHC, passlib's form, or Django's.
    Pbkdf2 { digest: Digest, iterations: NonZeroU32, salt: Vec<u8>, hash: Vec<u8> },
    /// `{SSHA}`, `{SSHA256}`, `{SSHA512}` of LDAP servers.
    Salted { digest: Digest, salt: Vec<u8>, hash: Vec<u8> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl ForeignHash {
    /// `None`: it is none that is known, or costs too much.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('{') {
            return salted(rest);
        }
        if ["$2a$", "$2b$", "$2y$"].iter().any(|kind| text.starts_with(kind)) {
            return bcrypt(text);
        }
        let fields: Vec<&str> = text.split('$').collect();
        match fields.as_slice() {
            ["", name, rounds, salt, hash] => {
                let digest = Digest::find(name.strip_prefix("pbkdf2")?.trim_start_matches('-'))?;
                let rounds = rounds.split(',').next()?.trim_start_matches("i=");
                pbkdf2(digest, rounds, decoded(salt)?, hash)
            }
            // Django takes the salt as it is written.
            [name, rounds, salt, hash] => {
                let digest = Digest::find(name.strip_prefix("pbkdf2_")?)?;
                pbkdf2(digest, rounds, salt.as_bytes().to_vec(), hash)
            }
            _ => None,
        }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        match self {
            // Those that begin alike would all match.
            Self::Bcrypt(_) if password.len() > BCRYPT_BYTES => false,
            Self::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
            Self::Pbkdf2 { digest, iterations, salt, hash } => {
                let algorithm = match digest {
                    Digest::Sha1 => PBKDF2_HMAC_SHA1,
                    Digest::Sha256 => PBKDF2_HMAC_SHA256,
                    Digest::Sha512 => PBKDF2_HMAC_SHA512,
                };
                pbkdf2::verify(algorithm, *iterations, salt, password, hash).is_ok()
            }
            Self::Salted { digest, salt, hash } => {
                let made = digest::digest(digest.algorithm(), &[password, salt].concat());
                verify_slices_are_equal(made.as_ref(), hash).is_ok()
            }
        }
    }
}

impl Digest {
    /// An empty name is SHA-1: that is what PBKDF2 began with.
    fn find(name: &str) -> Option<Self> {
        match name {
            "" | "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    const fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &SHA256,
            Self::Sha512 => &SHA512,
        }
    }
}

fn bcrypt(text: &str) -> Option<ForeignHash> {
    let cost: u32 = text.get(4..6)?.parse().ok()?;
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    let rest = text.get(7..)?;
    let whole = text.len() == 60 && text.get(6..7) == Some("$") && rest.bytes().all(alphabet);
    (whole && (4..=MOST_COST).contains(&cost)).then(|| ForeignHash::Bcrypt(text.to_owned()))
}

fn pbkdf2(digest: Digest, rounds: &str, salt: Vec<u8>, hash: &str) -> Option<ForeignHash> {
    let iterations: NonZeroU32 = rounds.parse().ok()?;
    let hash = decoded(hash)?;
    let fits = iterations.get() <= MOST_ITERATIONS
        && (1..=LONGEST_SALT).contains(&salt.len())
        && (16..=64).contains(&hash.len());
    fits.then_some(ForeignHash::Pbkdf2 { digest, iterations, salt, hash })
}

fn salted(rest: &str) -> Option<ForeignHash> {
    let (name, text) = rest.split_once('}')?;
    let digest = match name {
        "SSHA" => Digest::Sha1,
        "SSHA256" => Digest::Sha256,
        "SSHA512" => Digest::Sha512,
        _ => return None,
    };
    let bytes = decoded(text)?;
    let (hash, salt) = bytes.split_at_checked(digest.algorithm().output_len())?;
    let fits = (1..=LONGEST_SALT).contains(&salt.len());
    fits.then(|| ForeignHash::Salted { digest, salt: salt.to_vec(), hash: hash.to_vec() })
}

/// base64, padded or not; passlib writes `.` for `+`.
fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.trim_end_matches('=').replace('.', "+")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, password: &str) {
        let hash = ForeignHash::parse(text).unwrap_or_else(|| panic!("not read: {text}"));
        assert!(hash.matches(password.as_bytes()), "{text}");
        assert!(!hash.matches(b"another"), "{text}");
    }

    /// Made by Python's hashlib in the forms of PHC, passlib, Django and LDAP, and by crypt(3).
    #[test]
    fn hashes_of_other_systems_are_those_of_their_passwords() {
        for text in MADE {
            check(text, "correct horse battery");
        }
    }

    const MADE: [&str; 8] = [
        "$pbkdf2-sha256$i=1000,l=32$AAECAwQFBgcICQoLDA0ODw$AhaeZ02AwPxykuhhDI8XvhQN8GKvmqM+qF6qvs/98I0",
        "$pbkdf2-sha512$1200$.vv8/f7/.vv8/f7/.vv8/f7/$83dwz7ZmvM9ATr0wIK8myeFp.QRFVvthH8rKooe5nMcmE0UzlJF7KyLoPyH/rnH7uUEed2hjycODG41UCOBtcw",
        "$pbkdf2$1300$.vv8/f7/.vv8/f7/.vv8/f7/$Iu/lBonjpl7s3haKJlTqdbr60m0",
        "pbkdf2_sha256$1400$seasalt$cvIeFIuEh5K2guWv/p4lGqXPqM1+PBpdVjXMS4C44GA=",
        "{SSHA}9LaU+1VlmTV23Wj88hte8uWRwZAxMjM0NTY3OA==",
        "{SSHA256}w+jVUVqkKvY7BeoZfA0MqDe4TY5mLSRObeDBCGoz/RkxMjM0NTY3OA==",
        "{SSHA512}v67KtU+3IWRW6YlPXYW1HKt0XZF/1hC+0rlsJgc6Y05ACxLE0AP93cuejkncTiFVrcIH0aOMT1Inxff29LDqKDEyMzQ1Njc4",
        "$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS",
    ];

    #[test]
    fn what_is_broken_or_too_dear_is_none() {
        for text in [
            "",
            "plain",
            "{SSHA}",
            "{SSHA}AAAA",
            "{MD5}rL0Y20zC+Fzt72VPzMSk2A==",
            "$2b$31$abcdefghijklmnopqrstuuJ1J1J1J1J1J1J1J1J1J1J1J1J1J1J1J1J1",
            "$2b$10$short",
            "$pbkdf2-sha256$i=0$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-sha256$i=9000000$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-md5$i=1000$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-sha256$i=1000$$AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(ForeignHash::parse(text), None, "{text}");
        }
    }

    #[test]
    fn bcrypt_does_not_take_what_it_would_cut() {
        let hash = bcrypt::hash("a".repeat(72), 4).expect("a hash");
        let hash = ForeignHash::parse(&hash).expect("read");
        assert!(hash.matches("a".repeat(72).as_bytes()));
        assert!(!hash.matches("a".repeat(73).as_bytes()));
    }
}
