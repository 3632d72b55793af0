//! How is written down what an authority must not forget?
//!
//! In a store of its own, so that counting never stands in the way of publishing: `authority` says who
//! counts and until when it has promised to, `marks/…` what was given away. Each change is one transaction
//! after the one before, so of two that both believe to count only one can write.

use std::collections::HashMap;
use std::sync::Arc;

use chassis::hex;
use prost::Message;
use throttle::{Subject, Unit};

use super::authority::{Before, Entries, Key};
use super::counter::Mark;
use crate::store::{Change, Listing, Note, Revision, Store, StoreError, Transaction};

const HOLDER: &str = "authority";
const MARKS: &str = "marks/";

/// Who counts.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Holder {
    /// The instance of the control plane.
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// Until when it has promised to count, in microseconds since the Unix epoch.
    #[prost(uint64, tag = "2")]
    pub(super) promised_us: u64,
    /// Whether it has stopped by itself.
    #[prost(bool, tag = "3")]
    pub(super) ended: bool,
    /// Grows with each time that it is written.
    #[prost(uint64, tag = "4")]
    pub(super) turn: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Stored {
    #[prost(message, repeated, tag = "1")]
    marks: Vec<StoredMark>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredMark {
    #[prost(uint64, tag = "1")]
    at_us: u64,
    #[prost(uint64, tag = "2")]
    units: u64,
    #[prost(uint64, tag = "3")]
    until_us: u64,
}

/// The store as one that counts sees it.
#[derive(Debug)]
pub(super) struct Book {
    store: Arc<dyn Store>,
    /// The last transaction that was seen.
    base: Revision,
    /// Who counts by it.
    pub(super) holder: Option<Holder>,
    listing: Vec<(Key, Vec<Mark>)>,
}

impl Book {
    /// Who counts.
    pub(super) async fn holder_in(store: &Arc<dyn Store>) -> Result<Option<Holder>, StoreError> {
        let Some(entry) = store.get(HOLDER).await? else { return Ok(None) };
        Holder::decode(entry.value).map(Some).map_err(|error| damaged(HOLDER, &error))
    }

    /// Reads it.
    pub(super) async fn read(store: &Arc<dyn Store>) -> Result<Self, StoreError> {
        let Listing { revision, entries, .. } = store.list("").await?;
        let (mut holder, mut listing) = (None, Vec::new());
        for entry in entries {
            if entry.key == HOLDER {
                let read = Holder::decode(entry.value).map_err(|error| damaged(HOLDER, &error))?;
                holder = Some(read);
            } else if let Some(key) = entry.key.strip_prefix(MARKS).and_then(parse_key) {
                let stored =
                    Stored::decode(entry.value).map_err(|error| damaged(&entry.key, &error))?;
                listing.push((key, stored.marks.iter().map(mark_of).collect()));
            }
        }
        Ok(Self { store: Arc::clone(store), base: revision, holder, listing })
    }

    /// What was there before.
    pub(super) fn before(&mut self) -> Before {
        let promised_us = self.holder.as_ref().map(|holder| holder.promised_us);
        let marks: HashMap<_, _, _> = std::mem::take(&mut self.listing).into_iter().collect();
        Before { promised_us, marks }
    }

    /// The transaction that writes this down, and that `holder` counts.
    pub(super) fn transaction(&self, entries: &Entries, holder: &Holder) -> Transaction {
        let put = |key, value: Vec<u8>| Change::Put { key, value: value.into() };
        let marks = entries.marks.iter().map(|(key, marks)| {
            let key = format!("{MARKS}{}", name(key));
            if marks.is_empty() {
                return Change::Delete { key };
            }
            put(key, Stored { marks: marks.iter().map(stored).collect() }.encode_to_vec())
        });
        let gone = entries.gone.iter().map(|key| format!("{MARKS}{}", name(key)));
        let mut changes: Vec<Change> = marks.collect();
        changes.extend(gone.map(|key| Change::Delete { key }));
        if self.holder.as_ref() != Some(holder) {
            changes.push(put(HOLDER.to_owned(), holder.encode_to_vec()));
        }
        Transaction {
            id: chassis::random::bytes(),
            base: self.base,
            guards: Vec::new(),
            expected: Vec::new(),
            changes,
            note: Note::default(),
        }
    }

    /// Makes it. After an error that is not to be tried again somebody else may have written.
    pub(super) async fn commit(
        &mut self,
        transaction: &Transaction,
        holder: &Holder,
    ) -> Result<(), StoreError> {
        self.base = self.store.commit(transaction).await?;
        self.holder = Some(holder.clone());
        Ok(())
    }

    /// How many counters fit into one transaction.
    pub(super) fn most(&self) -> usize {
        self.store.limits().changes.saturating_sub(1).min(2_000)
    }
}

fn damaged(key: &str, error: &prost::DecodeError) -> StoreError {
    StoreError::Damaged { what: format!("{key}: {error}") }
}

/// `0123…ef.0.requests`.
fn name(key: &Key) -> String {
    format!("{}.{}.{}", hex(&key.counter.0), key.index, unit_name(key.unit))
}

fn parse_key(name: &str) -> Option<Key> {
    let mut parts = name.split('.');
    let (counter, index, unit) = (parts.next()?, parts.next()?, parts.next()?);
    let mut bytes = [0; 16];
    if counter.len() != 32 || !counter.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(counter.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    let unit = UNITS.into_iter().find(|it| unit_name(*it) == unit)?;
    Some(Key { counter: Subject(bytes), index: index.parse().ok()?, unit })
}

const UNITS: [Unit; 6] =
    [Unit::Requests, Unit::BytesIn, Unit::BytesOut, Unit::Bytes, Unit::Events, Unit::Cost];

const fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Requests => "requests",
        Unit::BytesIn => "bytes-in",
        Unit::BytesOut => "bytes-out",
        Unit::Bytes => "bytes",
        Unit::Events => "events",
        Unit::Cost => "cost",
    }
}

const fn stored(mark: &Mark) -> StoredMark {
    StoredMark { at_us: mark.at_us, units: mark.units, until_us: mark.until_us }
}

const fn mark_of(stored: &StoredMark) -> Mark {
    Mark { at_us: stored.at_us, units: stored.units, until_us: stored.until_us }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_again_by_its_name() {
        for (index, unit) in (0..).zip(UNITS) {
            let counter =
                Subject(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
            let key = Key { counter, index, unit };
            assert_eq!(parse_key(&name(&key)), Some(key));
        }
        for wrong in ["", "00.0.requests", "zz112233445566778899aabbccddeeff.0.requests"] {
            assert_eq!(parse_key(wrong), None);
        }
    }
}
