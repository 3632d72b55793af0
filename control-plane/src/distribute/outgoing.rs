//! How does a change look on its way to a gateway?
//!
//! One transaction in parts of about a mebibyte; only the last makes it visible. Objects are the
//! very bytes that were stored and hashed, shared by all gateways that get them.

use std::sync::Arc;

use bytes::Bytes;
use plan::{Object, Objects, StateHash};
use prost_types::Timestamp;
use turnpike_proto::config::v1::sync_response::Message;
use turnpike_proto::config::v1::{
    self as wire, Current, StateSignature, SyncResponse, Transaction,
};

use super::slice::SliceState;
use crate::store::Revision;

/// Where a part ends. One object may be larger and then stands alone.
const PART_BYTES: usize = 1024 * 1024;

/// A transaction in its parts.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// What the gateway must hold; none: anything.
    pub(super) from: Option<StateHash>,
    pub(super) parts: Vec<SyncResponse>,
    /// The size of all parts.
    pub(super) bytes: usize,
    epoch: Arc<str>,
    revision: Revision,
}

impl Outgoing {
    /// Whether it mends a state that nobody knows.
    pub(super) fn is_repair(&self) -> bool {
        let first = self.parts.first().and_then(|part| part.message.as_ref());
        matches!(first, Some(Message::Transaction(part)) if !part.buckets.is_empty())
    }

    pub(super) fn is_for(&self, target: &SliceState) -> bool {
        self.revision == target.revision && self.epoch == target.epoch
    }
}

/// What `base`, of hash `from`, lacks.
pub(super) fn delta(from: StateHash, base: &Objects, target: &SliceState) -> Outgoing {
    let (upserts, deletes) = base.difference(target.objects());
    let deletes = deletes.iter().map(ToString::to_string).collect();
    made(&Base::State(from), upserts.into_iter(), deletes, target)
}

/// Everything.
pub(super) fn full(target: &SliceState) -> Outgoing {
    made(&Base::Anything, target.objects().iter(), Vec::new(), target)
}

/// All objects of some buckets.
pub(super) fn repair(
    upserts: impl Iterator<Item = Arc<Object>>,
    buckets: Vec<u32>,
    target: &SliceState,
) -> Outgoing {
    made(&Base::Buckets(buckets), upserts, Vec::new(), target)
}

/// What is sent is made for a gateway that holds
enum Base {
    /// exactly this.
    State(StateHash),
    /// whatever it is.
    Anything,
    /// the right things outside of these buckets.
    Buckets(Vec<u32>),
}

/// What the gateway holds is what is in force, says whoever signed it.
pub(super) fn current(target: &SliceState, signature: StateSignature) -> SyncResponse {
    let message = Message::Current(Current {
        epoch: target.epoch.to_string(),
        revision: target.revision,
        state_hash: target.hash().to_bytes().to_vec(),
        signature: Some(signature),
    });
    SyncResponse { message: Some(message) }
}

/// A part as one gateway gets it: with the revision that it is at, and with the last part the word
/// of this control plane.
pub(super) fn addressed(
    mut part: SyncResponse,
    base: Revision,
    signature: &StateSignature,
) -> SyncResponse {
    if let Some(Message::Transaction(transaction)) = &mut part.message {
        if !transaction.full {
            transaction.base_revision = base;
        }
        if !transaction.more {
            transaction.signature = Some(signature.clone());
        }
    }
    part
}

fn made(
    from: &Base,
    upserts: impl Iterator<Item = Arc<Object>>,
    deletes: Vec<String>,
    target: &SliceState,
) -> Outgoing {
    let mut chunks: Vec<Vec<wire::Object>> = vec![Vec::new()];
    let mut room = PART_BYTES;
    for object in upserts {
        let object = on_wire(&object);
        let size = object.key.len() + object.resource.len();
        if size > room && chunks.last().is_some_and(|chunk| !chunk.is_empty()) {
            chunks.push(Vec::new());
            room = PART_BYTES;
        }
        room = room.saturating_sub(size);
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(object);
        }
    }
    let last = chunks.len() - 1;
    let mut deletes = Some(deletes);
    let parts = chunks.into_iter().enumerate().map(|(n, upserts)| {
        // Names are short: all deletes travel with the first part.
        let deletes = deletes.take().unwrap_or_default();
        part(from, upserts, deletes, n < last, target)
    });
    let parts: Vec<SyncResponse> = parts.collect();
    let bytes = parts.iter().map(prost::Message::encoded_len).sum();
    let from = match from {
        Base::State(hash) => Some(*hash),
        Base::Anything | Base::Buckets(_) => None,
    };
    Outgoing { from, parts, bytes, epoch: target.epoch.clone(), revision: target.revision }
}

fn part(
    from: &Base,
    upserts: Vec<wire::Object>,
    deletes: Vec<String>,
    more: bool,
    target: &SliceState,
) -> SyncResponse {
    let buckets = match from {
        Base::Buckets(buckets) => buckets.clone(),
        Base::State(_) | Base::Anything => Vec::new(),
    };
    let full = matches!(from, Base::Anything);
    let at = target.note.committed_at_us;
    let nanos = i32::try_from(at.rem_euclid(1_000_000)).unwrap_or(0).saturating_mul(1000);
    let transaction = Transaction {
        epoch: target.epoch.to_string(),
        revision: target.revision,
        base_revision: 0,
        full,
        upserts,
        deletes,
        state_hash: target.hash().to_bytes().to_vec(),
        more,
        committed_at: (at != 0).then(|| Timestamp { seconds: at.div_euclid(1_000_000), nanos }),
        traceparent: target.note.traceparent.clone(),
        // It differs from certificate to certificate: each gateway's is added as it is sent.
        signature: None,
        buckets,
    };
    SyncResponse { message: Some(Message::Transaction(transaction)) }
}

fn on_wire(object: &Object) -> wire::Object {
    let resource: Bytes = object.bytes().clone();
    wire::Object { key: object.key().to_string(), resource }
}
