//! Where do unguessable bytes come from?
//!
//! From the operating system, through the cryptographic library, and from nowhere else.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `N` unguessable bytes.
///
/// # Panics
///
/// When the operating system has no randomness to give. Going on without would be worse: every
/// token and key made from then on could be guessed.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    assert!(filled.is_ok(), "the operating system gives no randomness");
    bytes
}

/// An unguessable text of `size` bytes of randomness in base64url without padding.
pub fn token(size: usize) -> String {
    let blocks = (0..size.div_ceil(32)).flat_map(|_| bytes::<32>()).take(size);
    URL_SAFE_NO_PAD.encode(blocks.collect::<Vec<u8>>())
}

/// An even choice out of `0..bound`; 0 when `bound` is 0. Not for secrets: slightly biased.
pub fn below(bound: u64) -> u64 {
    u64::from_ne_bytes(bytes()).checked_rem(bound).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_carries_the_randomness_that_was_asked_for() {
        for size in [0, 1, 32, 33, 64] {
            let token = token(size);
            let decoded = URL_SAFE_NO_PAD.decode(&token).expect("base64url");
            assert_eq!(decoded.len(), size);
        }
        assert_ne!(token(32), token(32));
    }
}
