//! What exactly is signed where a control plane vouches for a state?
//!
//! One encoding for both sides, described in `config/v1/sync.proto`: no two states lead to the same
//! bytes.

use std::collections::BTreeMap;

use crate::objects::StateHash;

/// What gateways with certain labels should hold at one revision.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'s> {
    /// The epoch of the store.
    pub epoch: &'s str,
    /// The revision within the epoch.
    pub revision: u64,
    /// The hash over all objects.
    pub hash: StateHash,
    /// The labels of the gateways.
    pub labels: &'s BTreeMap<String, String>,
}

impl Statement<'_> {
    /// The use that is signed for; another encoding gets another one.
    pub const DOMAIN: &'static str = "state 1";

    /// What is signed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        put_text(&mut bytes, self.epoch);
        bytes.extend_from_slice(&self.revision.to_le_bytes());
        bytes.extend_from_slice(&self.hash.to_bytes());
        bytes.extend_from_slice(&(self.labels.len() as u64).to_le_bytes());
        for (name, value) in self.labels {
            put_text(&mut bytes, name);
            put_text(&mut bytes, value);
        }
        bytes
    }
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    to.extend_from_slice(&(text.len() as u64).to_le_bytes());
    to.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `labels` are `name=value` pairs.
    fn bytes(epoch: &str, revision: u64, hash: u8, labels: &[&str]) -> Vec<u8> {
        let pairs = labels.iter().filter_map(|label| label.split_once('='));
        let labels = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let hash = StateHash::from_bytes(&[hash; 32]).expect("32 bytes");
        Statement { epoch, revision, hash, labels: &labels }.to_bytes()
    }

    #[track_caller]
    fn check(other: &[u8]) {
        assert_ne!(bytes("e1", 7, 1, &["a=bc", "d="]), other);
    }

    #[test]
    fn states_that_differ_are_different_statements() {
        check(&bytes("e2", 7, 1, &["a=bc", "d="]));
        check(&bytes("e1", 8, 1, &["a=bc", "d="]));
        check(&bytes("e1", 7, 2, &["a=bc", "d="]));
        check(&bytes("e1", 7, 1, &["a=bc"]));
        check(&bytes("e1", 7, 1, &["ab=c", "d="]));
        check(&bytes("e1", 7, 1, &["a=b", "d=c"]));
    }

    #[test]
    fn the_encoding_is_the_one_that_is_described() {
        let expected = [
            &2_u64.to_le_bytes()[..],
            b"e1",
            &7_u64.to_le_bytes(),
            &[1; 32],
            &1_u64.to_le_bytes(),
            &1_u64.to_le_bytes(),
            b"a",
            &2_u64.to_le_bytes(),
            b"bc",
        ];
        assert_eq!(bytes("e1", 7, 1, &["a=bc"]), expected.concat());
    }
}
