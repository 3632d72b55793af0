//! How do transactions of several writers stand in one line, and how is a repeat recognised?
//!
//! Every transaction writes the key `meta/generation` and compares its revision with the one the
//! writer has seen, so two writers who saw the same state exclude each other. Its value names the
//! latest transactions: when the answer to a commit was lost, the writer finds its identifier
//! there, and the revision it got is the base of the transaction after it.

use bytes::Bytes;
use prost::Message;

use super::super::contract::{Note, Revision, StoreError, Transaction};

/// Long enough for a writer who repeats within seconds; short enough to rewrite each time.
const REMEMBERED: usize = 32;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Generation {
    /// Oldest first.
    #[prost(message, repeated, tag = "1")]
    recent: Vec<Made>,
    /// Of the latest.
    #[prost(message, optional, tag = "2")]
    note: Option<Note>,
}

#[derive(Clone, PartialEq, Message)]
struct Made {
    #[prost(bytes = "bytes", tag = "1")]
    id: Bytes,
    #[prost(uint64, tag = "2")]
    base: Revision,
}

impl Generation {
    pub(super) fn read(value: &[u8]) -> Result<Self, StoreError> {
        Self::decode(value)
            .map_err(|e| StoreError::Damaged { what: format!("meta/generation: {e}") })
    }

    /// The value after `transaction`.
    pub(super) fn followed_by(&self, transaction: &Transaction) -> Self {
        let mut recent = self.recent.clone();
        if recent.len() >= REMEMBERED {
            recent.remove(0);
        }
        let id = Bytes::copy_from_slice(&transaction.id);
        recent.push(Made { id, base: transaction.base });
        Self { recent, note: Some(transaction.note.clone()) }
    }

    /// The revision that `transaction` got, when it is among the latest. `revision` is that of
    /// the key itself.
    pub(super) fn revision_of(&self, id: [u8; 16], revision: Revision) -> Option<Revision> {
        let at = self.recent.iter().position(|made| made.id.as_ref() == id.as_slice())?;
        Some(self.recent.get(at.saturating_add(1)).map_or(revision, |next| next.base))
    }

    pub(super) fn note(&self) -> Note {
        self.note.clone().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Transactions "1 2 …" each with its base, the key at the revision of the last; which
    /// revision does the asked one have?
    #[track_caller]
    fn check(bases: &[Revision], last: Revision, asked: u8, expected: Option<Revision>) {
        let mut generation = Generation::default();
        for (n, base) in bases.iter().enumerate() {
            generation = generation.followed_by(&Transaction {
                id: [u8::try_from(n + 1).unwrap(); 16],
                base: *base,
                guards: Vec::new(),
                expected: Vec::new(),
                changes: Vec::new(),
                note: Note::default(),
            });
        }
        assert_eq!(generation.revision_of([asked; 16], last), expected);
    }

    #[test]
    fn the_last_transaction_has_the_revision_of_the_key() {
        check(&[0, 7, 9], 12, 3, Some(12));
    }

    #[test]
    fn an_earlier_transaction_has_the_base_of_the_next() {
        check(&[0, 7, 9], 12, 2, Some(9));
    }

    #[test]
    fn a_transaction_that_was_never_made_is_not_found() {
        check(&[0, 7, 9], 12, 4, None);
    }

    #[test]
    fn a_transaction_of_long_ago_is_forgotten() {
        let bases: Vec<Revision> = (0..40).collect();
        check(&bases, 40, 1, None);
    }
}
