//! What can an operator say about limits?

use serde::Deserialize;

use super::forms::Form;
use super::store;

/// The section `[limits]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many users, addresses and texts are counted at most for each limit that counts them one by one;
    /// 64 at least.
    pub subjects: usize,
    /// In which forms of header fields clients are told how full their limits are; empty: in none.
    pub headers: Vec<Form>,
    /// `[limits.store]`
    pub store: store::Config,
}
