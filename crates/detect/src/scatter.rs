//! Where does a key lie in a table?
//!
//! Keys are what callers choose, so nobody must be able to choose those that lie in one place: a secret of the
//! process decides. A table holds nothing for it, so one of a few keys is made at once.

use std::hash::BuildHasher;
use std::sync::LazyLock;

use ahash::{AHasher, RandomState};

static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The same for all tables of the process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scatter;

impl BuildHasher for Scatter {
    type Hasher = AHasher;

    fn build_hasher(&self) -> AHasher {
        SECRET.build_hasher()
    }
}
