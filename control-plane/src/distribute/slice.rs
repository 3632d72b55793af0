//! What should the gateways of one set of labels hold?
//!
//! The newest state is watched by their sessions; the latest ones before it are remembered by
//! their hashes, so that a gateway that missed some gets the difference. Difference and messages
//! are computed once for all gateways that stand at the same place.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use plan::{Objects, StateHash};
use tokio::sync::watch::{Receiver, Sender};

use super::outgoing::{Outgoing, delta, full};
use crate::store::{Note, Revision};

/// How many states a returning gateway may have missed.
const REMEMBERED: usize = 256;
/// How many differences are kept for the next gateway that asks for the same.
const SHARED: usize = 8;

/// The labels of gateways that hold the same.
pub(super) type Labels = BTreeMap<String, String>;

/// What the gateways of one set of labels should hold, now and before.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) labels: Labels,
    now: Sender<Arc<SliceState>>,
    before: Mutex<VecDeque<(StateHash, Objects)>>,
    shared: Mutex<VecDeque<Arc<Outgoing>>>,
}

/// What they should hold at one revision.
#[derive(Clone, Debug)]
pub(super) struct SliceState {
    pub(super) epoch: Arc<str>,
    pub(super) revision: Revision,
    pub(super) note: Note,
    pub(super) slice: plan::Slice,
}

impl SliceState {
    pub(super) fn objects(&self) -> &Objects {
        self.slice.objects()
    }

    pub(super) fn hash(&self) -> StateHash {
        self.objects().hash()
    }
}

impl Slice {
    pub(super) fn new(labels: Labels, first: SliceState) -> Self {
        let (before, shared) = (Mutex::default(), Mutex::default());
        Self { labels, now: Sender::new(Arc::new(first)), before, shared }
    }

    pub(super) fn subscribe(&self) -> Receiver<Arc<SliceState>> {
        self.now.subscribe()
    }

    pub(super) fn now(&self) -> Arc<SliceState> {
        self.now.borrow().clone()
    }

    /// The next state; the one before is remembered where it differs.
    pub(super) fn advance(&self, next: SliceState) {
        let now = self.now();
        if now.hash() != next.hash() {
            let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
            if before.len() >= REMEMBERED {
                before.pop_front();
            }
            before.push_back((now.hash(), now.objects().clone()));
        }
        self.now.send_replace(Arc::new(next));
    }

    /// What brings a gateway that holds `held` to `target`. With `whole`, everything.
    pub(super) fn outgoing(
        &self,
        held: StateHash,
        target: &Arc<SliceState>,
        whole: bool,
    ) -> Arc<Outgoing> {
        let base = if whole { None } else { self.known(held) };
        let from = base.is_some().then_some(held);
        // Held while it is made: gateways that come together share the work instead of doubling it.
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |made: &&Arc<Outgoing>| made.from == from && made.is_for(target);
        if let Some(made) = shared.iter().find(fits) {
            return made.clone();
        }
        let made = Arc::new(match &base {
            Some(base) => delta(held, base, target),
            None => full(target),
        });
        if shared.len() >= SHARED {
            shared.pop_front();
        }
        shared.push_back(made.clone());
        made
    }

    fn known(&self, held: StateHash) -> Option<Objects> {
        if held == StateHash::default() {
            // Who holds nothing lacks everything; that is no difference worth the name.
            return None;
        }
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        before.iter().rev().find(|(hash, _)| *hash == held).map(|(_, objects)| objects.clone())
    }
}
