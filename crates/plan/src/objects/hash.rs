//! Do two sides hold the same?
//!
//! The sum, modulo 2^256, over all objects of SHA-256(key, 0x00, resource): it follows each change
//! in constant time and does not depend on the order in which things came.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// The hash of a set of objects. Four words, the least significant first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct StateHash([u64; 4]);

impl StateHash {
    /// The hash of one object.
    pub fn of(key: &str, resource: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(key.as_bytes())
            .chain_update([0])
            .chain_update(resource)
            .finalize()
            .into();
        Self::from_bytes(&digest).unwrap_or_default()
    }

    /// Little-endian, 32 bytes; `None` for any other length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let words: &[[u8; 8]; 4] = words.try_into().ok()?;
        rest.is_empty().then(|| Self(words.map(u64::from_le_bytes)))
    }

    /// Little-endian, as it goes over the wire.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *to = word.to_le_bytes();
        }
        bytes
    }

    /// The least significant 64 bits.
    pub(super) const fn first_word(self) -> u64 {
        let Self([first, ..]) = self;
        first
    }

    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        let mut carry = false;
        let mut sum = self;
        for (word, added) in sum.0.iter_mut().zip(other.0) {
            let (partial, first) = word.overflowing_add(added);
            let (total, second) = partial.overflowing_add(u64::from(carry));
            *word = total;
            carry = first || second;
        }
        sum
    }

    #[must_use]
    pub(crate) fn minus(self, other: Self) -> Self {
        let mut borrow = false;
        let mut difference = self;
        for (word, taken) in difference.0.iter_mut().zip(other.0) {
            let (partial, first) = word.overflowing_sub(taken);
            let (total, second) = partial.overflowing_sub(u64::from(borrow));
            *word = total;
            borrow = first || second;
        }
        difference
    }
}

impl fmt::Display for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
