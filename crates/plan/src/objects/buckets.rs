//! Where do two sides differ that hold nearly the same?
//!
//! Objects are dealt to 256 buckets by the SHA-256 of their key. The digest of a bucket is the sum,
//! modulo 2^64, of the first words of its objects' hashes: two sides that compare 2 KiB know which
//! buckets to look at. Whether all is right in the end, the hash of the whole says.

use sha2::{Digest as _, Sha256};

use super::set::Objects;
use crate::resource::ResourceKey;

/// How many buckets there are.
const BUCKETS: usize = 256;

/// The digests of all buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests(Box<[u64; BUCKETS]>);

/// The bucket of a key.
pub fn bucket(key: &ResourceKey) -> u8 {
    let [first, ..]: [u8; 32] = Sha256::digest(key.as_str()).into();
    first
}

impl Digests {
    /// The digests of `objects`. Looks at every one of them.
    pub fn of(objects: &Objects) -> Self {
        let mut sums = Box::new([0_u64; BUCKETS]);
        for object in objects.iter() {
            if let Some(sum) = sums.get_mut(usize::from(bucket(object.key()))) {
                *sum = sum.wrapping_add(object.hash().first_word());
            }
        }
        Self(sums)
    }

    /// Little-endian, 2 KiB; `None` for any other length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let words: &[[u8; 8]; BUCKETS] = words.try_into().ok()?;
        rest.is_empty().then(|| Self(Box::new(words.map(u64::from_le_bytes))))
    }

    /// As they go over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// The buckets in which the two sides differ.
    pub fn differing(&self, other: &Self) -> Vec<u8> {
        let pairs = (0..=u8::MAX).zip(self.0.iter().zip(other.0.iter()));
        pairs.filter(|(_, (one, other))| one != other).map(|(number, _)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::admitted;

    const MANY: &str = "
        tier Gold subscription 1/1
        api a 1 /a
        api b 1 /b
        api c 1 /c
    ";

    /// The buckets that differ between the two are those of `keys`.
    #[track_caller]
    fn check(one: &str, other: &str, keys: &[&str]) {
        let (one, other) = (Digests::of(&admitted(one)), Digests::of(&admitted(other)));
        let mut expected: Vec<u8> =
            keys.iter().map(|key| bucket(&ResourceKey::from_wire(key))).collect();
        expected.sort_unstable();
        assert_eq!(one.differing(&other), expected);
        assert_eq!(Digests::from_bytes(&other.to_bytes()), Some(other));
    }

    #[test]
    fn only_the_buckets_of_what_differs_differ() {
        check(MANY, MANY, &[]);
        check(MANY, &MANY.replace("/b", "/x"), &["Api/b:1"]);
        check(MANY, &MANY.replace("api c 1 /c", ""), &["Api/c:1"]);
    }

    #[test]
    fn no_other_length_is_taken() {
        assert_eq!(Digests::from_bytes(&[0; 2047]), None);
        assert_eq!(Digests::from_bytes(&[0; 2056]), None);
    }
}
