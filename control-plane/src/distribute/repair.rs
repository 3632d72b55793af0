//! What does a gateway lack whose state nobody knows?
//!
//! It says what it holds bucket by bucket; sent are the buckets that differ, each as a whole.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use plan::{Digests, StateHash, bucket};

use super::outgoing::{Outgoing, full, repair};
use super::slice::SliceState;

/// How many states' digests are kept for the next gateway.
const SHARED: usize = 8;

/// The digests of the states that gateways should hold.
#[derive(Debug, Default)]
pub(super) struct Repairs(Mutex<VecDeque<(StateHash, Arc<Digests>)>>);

impl Repairs {
    /// What brings a gateway that holds `held` to `target`.
    pub(super) fn outgoing(&self, held: &Digests, target: &SliceState) -> Outgoing {
        let differing = self.of(target).differing(held);
        // Where everything is sent anyway, it replaces what is held.
        if differing.len() > usize::from(u8::MAX) {
            return full(target);
        }
        let objects = target.objects().iter();
        let upserts = objects.filter(|it| differing.binary_search(&bucket(it.key())).is_ok());
        repair(upserts, differing.iter().copied().map(u32::from).collect(), target)
    }

    fn of(&self, target: &SliceState) -> Arc<Digests> {
        // Held while it is made: gateways that come together share the work.
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, digests)) = made.iter().find(|(hash, _)| *hash == target.hash()) {
            return Arc::clone(digests);
        }
        let digests = Arc::new(Digests::of(target.objects()));
        if made.len() >= SHARED {
            made.pop_front();
        }
        made.push_back((target.hash(), Arc::clone(&digests)));
        digests
    }
}
