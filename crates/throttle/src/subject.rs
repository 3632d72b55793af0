//! What is a counter called, wherever it is counted?

use sha2::{Digest as _, Sha256};

/// The name of whom or what is counted: a digest, so that two subjects with the same one are the same,
/// and nobody outside can aim at it. The same on every gateway, at the control plane and in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(pub [u8; 16]);

impl Subject {
    /// The subject that `parts` name among those of `scope`: the application and the API of
    /// `subscription`, for example. Neither order nor borders of the parts are lost.
    pub fn of(scope: &str, parts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for part in std::iter::once(&scope).chain(parts) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        let mut name = [0; 16];
        // Half of it is enough for a name.
        name.iter_mut().zip(digest.finalize()).for_each(|(to, from)| *to = from);
        Self(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_borders_and_an_order() {
        let all = [
            Subject::of("subscription", &["a", "bc"]),
            Subject::of("subscription", &["ab", "c"]),
            Subject::of("subscription", &["bc", "a"]),
            Subject::of("subscription", &["abc"]),
            Subject::of("application", &["a", "bc"]),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all.iter().skip(index + 1).any(|other| other == one), "{index}");
        }
        assert_eq!(all[0], Subject::of("subscription", &["a", "bc"]));
    }
}
