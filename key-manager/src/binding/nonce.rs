//! Which nonces may a proof carry? (RFC 9449 section 8)
//!
//! A nonce is the keyed digest of a span of time, so that every process with the same master key
//! gives and takes the same ones, also after a restart, and none has to be stored. Nobody without
//! the key can say the next one.

use crate::vault::Pepper;

/// Gives and recognises nonces.
#[derive(Debug)]
pub struct Nonces {
    key: Pepper,
    /// How long one is given out; it is taken for as long again.
    span_seconds: i64,
}

impl Nonces {
    /// A span of less than a second is one second.
    pub fn new(key: Pepper, span_seconds: u32) -> Self {
        Self { key, span_seconds: i64::from(span_seconds.max(1)) }
    }

    /// The one that is given out now.
    pub fn current(&self, now: i64) -> String {
        self.key.digest("", &self.span(now).to_string())
    }

    /// Whether `nonce` is the current one or the one before; compared in constant time.
    pub fn accepts(&self, nonce: &str, now: i64) -> bool {
        let span = self.span(now);
        let current = self.key.matches("", &span.to_string(), nonce);
        let before = self.key.matches("", &span.saturating_sub(1).to_string(), nonce);
        current | before
    }

    fn span(&self, now: i64) -> i64 {
        now.div_euclid(self.span_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::MasterKey;

    fn nonces(byte: u8) -> Nonces {
        Nonces::new(MasterKey::of_byte(byte).nonces().expect("a key"), 60)
    }

    /// Given at 600, is it taken then?
    #[track_caller]
    fn check(at: i64, taken: bool) {
        let given = nonces(1).current(600);
        assert_eq!(nonces(1).accepts(&given, at), taken, "{at}");
        assert!(!nonces(2).accepts(&given, at), "another key's nonce was taken");
    }

    #[test]
    fn a_nonce_is_taken_until_the_one_after_it_has_been_replaced() {
        check(600, true);
        check(659, true);
        check(719, true);
        check(720, false);
        check(599, false);
        for forged in ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(!nonces(1).accepts(forged, 600), "{forged}");
        }
    }
}
