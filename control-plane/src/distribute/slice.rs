//! What should the gateways of one set of labels hold?
//!
//! The newest state is watched by their sessions; the latest ones before it are remembered by
//! their hashes, so that a gateway that missed some gets the difference. Difference and messages
//! are computed once for all gateways that stand at the same place. While a change is rolled out
//! there are two states at a time, and where a gateway's name stands decides which is its own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use plan::{Objects, StateHash};
use tokio::sync::watch::error::RecvError;
use tokio::sync::watch::{Receiver, Sender};

use super::outgoing::{Outgoing, delta, full};
use crate::catalog::{Place, Wave};
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
    now: Sender<Arc<Targets>>,
    before: Mutex<VecDeque<(StateHash, Objects)>>,
    /// With the hash of the state that each leads to.
    shared: Mutex<VecDeque<(StateHash, Arc<Outgoing>)>>,
}

/// What they should hold at one revision.
#[derive(Clone, Debug)]
pub(super) struct SliceState {
    pub(super) epoch: Arc<str>,
    pub(super) revision: Revision,
    pub(super) note: Note,
    pub(super) slice: plan::Slice,
}

/// The states of one revision.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    /// What is in force.
    pub(super) rest: Arc<SliceState>,
    /// Who holds another state, and which; none: no change is rolled out.
    pub(super) wave: Option<Ahead>,
}

/// The state with the change that is rolled out.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    /// Who holds it.
    pub(super) wave: Wave,
    pub(super) state: Arc<SliceState>,
    /// The APIs by which gateways are compared, beside all calls.
    pub(super) compares: Arc<[String]>,
}

impl Targets {
    /// What the gateway whose name stands there should hold.
    fn of(&self, place: Place) -> &Arc<SliceState> {
        match &self.wave {
            Some(ahead) if ahead.wave.has(place) => &ahead.state,
            _ => &self.rest,
        }
    }

    /// Whether a change is rolled out that means something to these gateways.
    pub(super) fn differ(&self) -> bool {
        self.wave.as_ref().is_some_and(|ahead| ahead.state.hash() != self.rest.hash())
    }

    fn states(&self) -> impl Iterator<Item = &Arc<SliceState>> {
        [&self.rest].into_iter().chain(self.wave.as_ref().map(|ahead| &ahead.state))
    }
}

/// The states of one gateway, one after the other.
#[derive(Debug)]
pub(super) struct States {
    targets: Receiver<Arc<Targets>>,
    place: Place,
}

impl States {
    /// The newest state, from now on seen.
    pub(super) fn borrow_and_update(&mut self) -> Arc<SliceState> {
        Arc::clone(self.targets.borrow_and_update().of(self.place))
    }

    /// By which APIs gateways are compared; none: no change is being rolled out.
    pub(super) fn compares(&self) -> Option<Arc<[String]>> {
        self.targets.borrow().wave.as_ref().map(|ahead| ahead.compares.clone())
    }

    /// Waits for a state that was not seen yet; it may be the same for this gateway.
    pub(super) async fn changed(&mut self) -> Result<(), RecvError> {
        self.targets.changed().await
    }
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
    pub(super) fn new(labels: Labels, first: Targets) -> Self {
        let (before, shared) = (Mutex::default(), Mutex::default());
        Self { labels, now: Sender::new(Arc::new(first)), before, shared }
    }

    /// The states of the gateway of this name.
    pub(super) fn subscribe(&self, node: &str) -> States {
        States { targets: self.now.subscribe(), place: Place::of(node) }
    }

    pub(super) fn now(&self) -> Arc<Targets> {
        self.now.borrow().clone()
    }

    /// The next states; those of before are remembered where they differ.
    pub(super) fn advance(&self, next: Targets) {
        let now = self.now();
        for state in now.states() {
            if next.states().all(|next| next.hash() != state.hash()) {
                let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
                if before.len() >= REMEMBERED {
                    before.pop_front();
                }
                before.push_back((state.hash(), state.objects().clone()));
            }
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
        let fits = |(to, made): &&(StateHash, Arc<Outgoing>)| {
            *to == target.hash() && made.from == from && made.is_for(target)
        };
        if let Some((_, made)) = shared.iter().find(fits) {
            return made.clone();
        }
        let made = Arc::new(match &base {
            Some(base) => delta(held, base, target),
            None => full(target),
        });
        if shared.len() >= SHARED {
            shared.pop_front();
        }
        shared.push_back((target.hash(), made.clone()));
        made
    }

    /// Whether what a gateway holds is one of the latest states.
    pub(super) fn knows(&self, held: StateHash) -> bool {
        self.known(held).is_some()
    }

    fn known(&self, held: StateHash) -> Option<Objects> {
        if held == StateHash::default() {
            // Who holds nothing lacks everything; that is no difference worth the name.
            return None;
        }
        // A gateway may go from one of two states of today to the other.
        if let Some(state) = self.now().states().find(|state| state.hash() == held) {
            return Some(state.objects().clone());
        }
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        before.iter().rev().find(|(hash, _)| *hash == held).map(|(_, objects)| objects.clone())
    }
}
