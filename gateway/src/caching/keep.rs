//! How does an answer get into the store while it goes to its client?
//!
//! Each part is copied as it passes; the client never waits for the store. An answer that breaks
//! off, is longer than what is kept, has trailers, or whose client leaves, is not kept.

use std::sync::Arc;

use bytes::Bytes;
use cache::{Draft, Filling, Key, Leader, NotKept, Store};
use http::{HeaderMap, Response};

use super::serve::Call;
use crate::body::Body;
use crate::witness::{Witness, witnessed};

/// What it takes to keep an answer.
pub(super) struct Filler {
    store: Arc<Store>,
    key: Key,
    api: Arc<str>,
    target: Box<str>,
    begun: u64,
    most_bytes: usize,
    most_variants: usize,
    /// Who waits for it.
    leader: Option<Leader>,
}

impl Filler {
    pub(super) fn new(call: &Call<'_>, begun: u64, leader: Option<Leader>) -> Self {
        Self {
            store: Arc::clone(&call.worker.store),
            key: call.key.clone(),
            api: Arc::clone(&call.permit.matched().api().id),
            target: call.permit.matched().rest().into(),
            begun,
            most_bytes: call.rules.max_body_bytes,
            most_variants: call.rules.max_variants,
            leader,
        }
    }

    /// Keeps a whole answer, and hands it to who waits for it.
    pub(super) fn finish(self, draft: Draft, body: Bytes) {
        let place = (&*self.api, &*self.target);
        let kept = self.store.keep(&self.key, place, draft, body, self.begun, self.most_variants);
        if let (Some(leader), Some(kept)) = (self.leader, kept) {
            leader.land(kept);
        }
    }
}

/// Keeps an answer, now or while it passes.
pub(super) fn keep(
    response: Response<Body>,
    draft: Draft,
    filler: Filler,
) -> (Response<Body>, Result<(), NotKept>) {
    let length = response.body().length();
    if length.is_some_and(|length| length > filler.most_bytes as u64) {
        return (response, Err(NotKept::TooLong));
    }
    let filling = filler.store.filling();
    // An answer that makes a tunnel does not come here: `Draft` refuses its status.
    let keeping = Keeping { filler, draft, filling };
    (response.map(|body| witnessed(body, length, keeping)), Ok(()))
}

/// An answer that is kept when all of it has passed.
struct Keeping {
    filler: Filler,
    draft: Draft,
    filling: Filling,
}

impl Witness for Keeping {
    fn part(&mut self, part: &Bytes) -> bool {
        self.filling.len() + part.len() <= self.filler.most_bytes && self.filling.take(part)
    }

    fn end(self) {
        self.filler.finish(self.draft, self.filling.whole());
    }

    fn trailers(self, _: &HeaderMap) {}

    fn broken(self) {}
}
