//! Which kinds, fields and values does a build have?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use sha2::{Digest as _, Sha256};

/// Ten times what there is.
const MOST: usize = 100_000;

/// What a build has: the numbers of the fields of each message, and of the values of each enum, by
/// the full names of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    types: BTreeMap<String, BTreeSet<i32>>,
    digest: [u8; 32],
}

/// More than any build has.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("more than {MOST} fields and values")]
pub struct TooMuch;

static OWN: LazyLock<Arc<Known>> = LazyLock::new(|| {
    let types = turnpike_proto::UNDERSTOOD.iter();
    let types =
        types.map(|(name, numbers)| ((*name).to_owned(), numbers.iter().copied().collect()));
    Arc::new(Known::new(types.collect()))
});

impl Known {
    /// What this build has.
    pub fn own() -> Arc<Self> {
        Arc::clone(&OWN)
    }

    /// What another build says that it has.
    pub fn said(types: impl IntoIterator<Item = (String, Vec<i32>)>) -> Result<Self, TooMuch> {
        let (mut all, mut count) = (BTreeMap::new(), 0_usize);
        for (name, numbers) in types {
            count = count.saturating_add(numbers.len()).saturating_add(1);
            if count > MOST {
                return Err(TooMuch);
            }
            all.entry(name).or_insert_with(BTreeSet::new).extend(numbers);
        }
        Ok(Self::new(all))
    }

    /// Two that know the same have the same.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Each type with its numbers.
    pub fn types(&self) -> impl Iterator<Item = (&str, Vec<i32>)> {
        self.types.iter().map(|(name, numbers)| (name.as_str(), numbers.iter().copied().collect()))
    }

    /// Whether it has this field of a message, or this value of an enum.
    pub(super) fn has(&self, name: &str, number: i32) -> bool {
        self.types.get(name).is_some_and(|numbers| numbers.contains(&number))
    }

    fn new(types: BTreeMap<String, BTreeSet<i32>>) -> Self {
        let mut sum = Sha256::new();
        for (name, numbers) in &types {
            sum.update((name.len() as u64).to_le_bytes());
            sum.update(name);
            sum.update((numbers.len() as u64).to_le_bytes());
            for number in numbers {
                sum.update(number.to_le_bytes());
            }
        }
        Self { types, digest: sum.finalize().into() }
    }
}
