//! Which sets of labels are asked for, and what does each get of the state in force?
//!
//! Gateways with equal labels share one slice. A slice that no session holds any more is kept for
//! a while, so that a gateway that comes back finds the history it needs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chassis::Host;

use super::meters::Meters;
use super::slice::{Labels, Slice, SliceState};
use crate::catalog::{Catalog, State};

/// How many sets of labels are kept while nobody asks for them.
const IDLE: usize = 64;

/// All slices of this process.
#[derive(Debug, Default)]
pub struct Slices(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_labels: BTreeMap<Labels, Arc<Slice>>,
    /// The state that was handed out last.
    latest: Option<Arc<State>>,
}

impl Slices {
    /// The slice for these labels, made when nobody has asked for it yet; none: no state has been
    /// handed out so far.
    pub(super) fn of(&self, labels: &Labels) -> Option<Arc<Slice>> {
        // INVARIANT: a slice enters under the same lock under which `latest` changes, so it is
        // either cut from a state or handed it.
        let mut inner = self.lock();
        if let Some(slice) = inner.by_labels.get(labels) {
            return Some(slice.clone());
        }
        let state = inner.latest.clone()?;
        if inner.by_labels.len() >= IDLE {
            inner.by_labels.retain(|_, slice| Arc::strong_count(slice) > 1);
        }
        let slice = Arc::new(Slice::new(labels.clone(), cut(&state, labels, None)));
        inner.by_labels.insert(labels.clone(), slice.clone());
        Some(slice)
    }

    fn advance(&self, state: &Arc<State>) {
        let slices: Vec<Arc<Slice>> = {
            let mut inner = self.lock();
            inner.latest = Some(state.clone());
            inner.by_labels.values().cloned().collect()
        };
        for slice in slices {
            let before = slice.now();
            slice.advance(cut(state, &slice.labels, Some(&before.slice)));
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

/// What `state` means for gateways with these labels. Following the slice before costs the size of
/// the change, and keeps objects that stayed the same, so that differences stay cheap.
fn cut(state: &State, labels: &Labels, before: Option<&plan::Slice>) -> SliceState {
    let slice = match before {
        Some(before) => before.follow(&state.objects),
        None => plan::Slice::new(&state.objects, labels),
    };
    SliceState {
        epoch: state.epoch.clone(),
        revision: state.revision,
        note: state.note.clone(),
        slice,
    }
}
