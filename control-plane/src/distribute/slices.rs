//! Which sets of labels are asked for, and what does each get of the state in force?
//!
//! Gateways with equal labels share one slice; while a change is rolled out it has two states, with
//! the change and without. A slice that no session holds any more is kept for
//! a while, so that a gateway that comes back finds the history it needs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chassis::Host;
use plan::{Known, Objects, ResourceKey};

use super::meters::Meters;
use super::slice::{Ahead, Labels, Slice, SliceState, Targets};
use crate::catalog::{Catalog, Rollout, State, Wave};

/// How many sets of labels are kept while nobody asks for them.
const IDLE: usize = 64;

/// All slices of this process.
#[derive(Debug, Default)]
pub struct Slices(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// By the labels, and by what the builds of the gateways understand, where that is not everything.
    by_labels: BTreeMap<(Labels, Option<[u8; 32]>), Arc<Slice>>,
    /// The state that was handed out last.
    latest: Option<Arc<Latest>>,
}

/// A state, and what it would be with the change that is on its way.
#[derive(Debug)]
struct Latest {
    state: Arc<State>,
    /// None: no change is on its way, or it does not fit any more, so that nobody is to have it.
    next: Option<Next>,
}

/// The change that is on its way.
#[derive(Debug)]
struct Next {
    rollout: Arc<Rollout>,
    /// What is there with it.
    objects: Objects,
    /// The APIs that it reaches.
    compares: Arc<[String]>,
}

impl Latest {
    fn of(state: Arc<State>) -> Self {
        let rollout = state.rollout();
        let next = rollout.and_then(|rollout| {
            let admitted = rollout.admitted(&state).ok()?;
            let (rollout, objects) = (rollout.clone(), admitted.objects);
            let compares = rollout.reaches(&objects).into();
            Some(Next { rollout, objects, compares })
        });
        Self { state, next }
    }
}

impl Slices {
    /// The slice for these labels, made when nobody has asked for it yet; none: no state has been
    /// handed out so far.
    pub(super) fn of(&self, labels: &Labels) -> Option<Arc<Slice>> {
        self.of_known(labels, None)
    }

    /// The same for gateways whose build understands only `known`.
    pub(super) fn of_known(
        &self,
        labels: &Labels,
        known: Option<Arc<Known>>,
    ) -> Option<Arc<Slice>> {
        let place = (labels.clone(), known.as_ref().map(|known| known.digest()));
        // INVARIANT: a slice enters under the same lock under which `latest` changes, so it is
        // either cut from a state or handed it.
        let mut inner = self.lock();
        if let Some(slice) = inner.by_labels.get(&place) {
            return Some(slice.clone());
        }
        let latest = inner.latest.clone()?;
        if inner.by_labels.len() >= IDLE {
            inner.by_labels.retain(|_, slice| Arc::strong_count(slice) > 1);
        }
        let first = plan::Slice::of_known(&latest.state.objects, labels, known);
        let slice = Arc::new(Slice::new(labels.clone(), cut(&latest, labels, first, None)));
        inner.by_labels.insert(place, slice.clone());
        Some(slice)
    }

    /// Whether somebody has asked for the slice of these labels.
    pub(super) fn know(&self, labels: &Labels) -> bool {
        self.lock().by_labels.contains_key(&(labels.clone(), None))
    }

    /// Whether gateways with these labels need this resource; none: it is not known. Blocks for as
    /// long as it takes to cut a slice where nobody has asked for theirs.
    pub(super) fn need(&self, labels: &Labels, key: &ResourceKey) -> Option<bool> {
        let slice = self.of(labels)?;
        Some(slice.now().rest.objects().get(key).is_some())
    }

    /// Whether the change that is on its way means something to gateways with these labels. Blocks
    /// as above.
    pub fn differ(&self, labels: &Labels) -> bool {
        self.of(labels).is_some_and(|slice| slice.now().differ())
    }

    /// Whether gateways with these labels would get anything with `next` that they do not have.
    /// Blocks as above.
    pub fn would_differ(&self, labels: &Labels, next: &Objects) -> bool {
        self.of(labels).is_some_and(|slice| {
            let now = &slice.now().rest.slice;
            now.follow(next).objects().hash() != now.objects().hash()
        })
    }

    fn advance(&self, state: &Arc<State>) {
        let latest = Arc::new(Latest::of(state.clone()));
        let slices: Vec<Arc<Slice>> = {
            let mut inner = self.lock();
            inner.latest = Some(latest.clone());
            inner.by_labels.values().cloned().collect()
        };
        for slice in slices {
            let before = slice.now();
            let rest = before.rest.slice.follow(&latest.state.objects);
            slice.advance(cut(&latest, &slice.labels, rest, Some(&before)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands each state of the catalog on to the slices, until the process drains. A state that was
/// overtaken before its turn is left out.
pub async fn keep(host: Host, catalog: Arc<Catalog>, slices: Arc<Slices>, meters: Meters) {
    let mut states = catalog.subscribe();
    loop {
        let state = states.borrow_and_update().clone();
        if let Some(state) = state {
            meters.in_force(state.revision);
            let slices = slices.clone();
            // Cutting may take long for a large state: not on a thread that answers calls.
            if host.tasks.blocking(move || slices.advance(&state)).await.is_err() {
                tracing::error!("slices were not brought up to date");
            }
        }
        tokio::select! {
            changed = states.changed() => if changed.is_err() { return },
            () = host.shutdown.wait() => return,
        }
    }
}

/// What a state means for gateways whose part of it is `rest`. Following the slice before costs the
/// size of the change, and keeps objects that stayed the same, so that differences stay cheap.
fn cut(latest: &Latest, labels: &Labels, rest: plan::Slice, before: Option<&Targets>) -> Targets {
    let Latest { state, next } = latest;
    let with = next.as_ref().map(|Next { rollout, objects, compares }| {
        let before = before.and_then(|before| before.wave.as_ref());
        let slice = before.map_or(&rest, |before| &before.state.slice).follow(objects);
        let wave = if rollout.selects(labels) { rollout.wave() } else { Wave::default() };
        Ahead { wave, state: Arc::new(at(state, slice)), compares: compares.clone() }
    });
    Targets { rest: Arc::new(at(state, rest)), wave: with }
}

fn at(state: &State, slice: plan::Slice) -> SliceState {
    let (epoch, revision, note) = (state.epoch.clone(), state.revision, state.note.clone());
    SliceState { epoch, revision, note, slice }
}
