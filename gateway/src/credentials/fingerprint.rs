//! By what is a token known again?
//!
//! By 128 bits of POLYVAL (RFC 8452 §3) under a key that a worker draws for itself and shows nobody. Two
//! texts of at most n bytes have the same ones with a probability of at most (n/16 + 2) / 2^128, whoever
//! chose them: it is a polynomial of the unknown key. To compare the text itself is to read a dozen cache
//! lines that nobody has touched since the token came last; that cost more than all else about it.

use std::fmt;
use std::hash::{Hash, Hasher};

use chassis::random;
use polyval::Polyval;
use polyval::universal_hash::UniversalHash;

/// What a text comes to under one [`Key`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint([u64; 2]);

/// What one worker makes fingerprints with.
#[derive(Clone)]
pub(super) struct Key(Polyval);

impl Key {
    /// A key of its own.
    ///
    /// # Panics
    ///
    /// As [`random::bytes`] does.
    pub(super) fn draw() -> Self {
        Self(Polyval::new(&random::bytes::<16>().into()))
    }

    /// The fingerprint of `text`.
    #[expect(clippy::cast_possible_truncation, reason = "one half and the other")]
    pub(super) fn of(&self, text: &str) -> Fingerprint {
        let mut sum = self.0.clone();
        sum.update_padded(text.as_bytes());
        // What was padded is told apart from what ends in zeros.
        sum.update(&[(text.len() as u128).to_le_bytes().into()]);
        let sum = u128::from_le_bytes(sum.finalize().into());
        Fingerprint([sum as u64, (sum >> 64) as u64])
    }
}

/// Half of it finds a place in a table as well as all of it.
impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

/// Whoever knew it could look for another text with the same fingerprints.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that differ in one place, in their length or in what they are padded with.
    #[test]
    fn one_text_has_one_fingerprint_and_another_text_another() {
        let key = Key::draw();
        let long = "eyJhbGciOiJSUzI1NiJ9.".repeat(40);
        let mut seen = Vec::new();
        let mut check = |text: &str| {
            assert_eq!(key.of(text), key.of(text));
            assert!(!seen.contains(&key.of(text)), "{text:?}");
            seen.push(key.of(text));
        };
        for length in 0..64 {
            check(&"\0".repeat(length));
            check(&"a".repeat(length + 1));
        }
        for place in 64..long.len() {
            let mut other = long.clone();
            other.replace_range(place..=place, "#");
            check(&other);
        }
        check(&long);
    }

    #[test]
    fn another_worker_has_other_fingerprints() {
        assert_ne!(Key::draw().of("a"), Key::draw().of("a"));
    }
}
