//! Where is the end of the audit log, and what does its next line look like?
//!
//! The head names the last line and is rewritten with each new one. A writer expects the head that it
//! has read, so control planes on one store write one chain; the hashes come from a key of the store's
//! own, which only the master key opens.

use audit_chain::{Chain, Head, Line, Note, text};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use prost::Message;

use crate::store::{AUDIT_HEAD, Change, Entry, Expected, StoreError, audit_key};

/// Ties lines under the key of the store.
pub(super) struct Keyed(pub(super) hmac::Key);

impl Chain for Keyed {
    fn link(&self, sequence: u64, former: &str, note: &Note) -> String {
        let line = format!("audit line {sequence}\n{}", text(former, note));
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, line.as_bytes()))
    }
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyed(..)")
    }
}

/// The end of the log as it is stored, and how many records of the history there are.
#[derive(Clone, PartialEq, Message)]
pub(super) struct End {
    #[prost(uint64, tag = "1")]
    pub(super) sequence: u64,
    #[prost(string, tag = "2")]
    pub(super) hash: String,
    /// Records of the history that were ever made,
    #[prost(uint64, tag = "3")]
    pub(super) records: u64,
    /// and their bytes.
    #[prost(uint64, tag = "4")]
    pub(super) bytes: u64,
    /// Which write made it the end: two control planes may write the same lines in the same second.
    #[prost(bytes = "vec", tag = "5")]
    pub(super) write: Vec<u8>,
}

/// A line as it is stored.
#[derive(Clone, PartialEq, Message)]
struct Stored {
    #[prost(uint64, tag = "1")]
    sequence: u64,
    #[prost(int64, tag = "2")]
    at: i64,
    #[prost(string, tag = "3")]
    event: String,
    #[prost(string, tag = "4")]
    who: String,
    #[prost(string, tag = "5")]
    outcome: String,
    #[prost(string, tag = "6")]
    details: String,
    #[prost(string, tag = "7")]
    former: String,
    #[prost(string, tag = "8")]
    hash: String,
    /// Where it was asked from.
    #[prost(string, tag = "9")]
    address: String,
}

impl End {
    /// None: nothing was written yet.
    pub(super) fn read(entry: Option<&Entry>) -> Result<Option<Self>, StoreError> {
        let damaged = |_| StoreError::Damaged { what: AUDIT_HEAD.to_owned() };
        entry.map(|entry| Self::decode(entry.value.clone()).map_err(damaged)).transpose()
    }

    pub(super) fn head(&self) -> Head {
        Head { sequence: self.sequence, hash: self.hash.clone() }
    }

    /// That nobody has written since.
    pub(super) fn expected(known: Option<&Self>) -> Expected {
        let value = known.map(|end| Bytes::from(end.encode_to_vec()));
        Expected { key: AUDIT_HEAD.to_owned(), value }
    }

    /// What makes this the end.
    pub(super) fn change(&self) -> Change {
        Change::Put { key: AUDIT_HEAD.to_owned(), value: self.encode_to_vec().into() }
    }

    /// Adds a line; what stores it.
    pub(super) fn add(&mut self, chain: &Keyed, note: Note) -> Change {
        let sequence = self.sequence.saturating_add(1);
        let former = std::mem::take(&mut self.hash);
        self.hash = chain.link(sequence, &former, &note);
        self.sequence = sequence;
        let Note { at, event, who, address, outcome, details, .. } = note;
        let hash = self.hash.clone();
        let stored = Stored { sequence, at, event, who, outcome, details, former, hash, address };
        Change::Put { key: audit_key(sequence), value: stored.encode_to_vec().into() }
    }
}

/// The line that an entry holds. One that cannot be read is a line that says nothing, which the chain
/// notices.
pub(super) fn line(entry: &Entry) -> Line {
    let Stored { sequence, at, event, who, outcome, details, former, hash, address } =
        Stored::decode(entry.value.clone()).unwrap_or_default();
    let client = String::new();
    let note = Note { at, event, who, client, address, outcome, details };
    Line { sequence, note, former, hash }
}
