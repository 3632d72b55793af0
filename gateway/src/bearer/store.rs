//! Where is the token of an endpoint?

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chassis::clock::Clock;
use chassis::task::{Guard, Tasks};
use plan::OAuth2Plan;
use tokio::sync::mpsc;

use super::keeper::Keeper;
use super::slot::{NoToken, Slot, Token};
use crate::generation::Current;

/// Tokens that are kept at a time.
const MAX_SLOTS: usize = 4096;
/// Slots that may wait for their keeper.
const LANE: usize = 64;

type Slots = HashMap<[u8; 32], Arc<Slot>, ahash::RandomState>;

/// All tokens of a gateway.
#[derive(Clone)]
pub struct Bearers {
    slots: Arc<Mutex<Slots>>,
    lane: mpsc::Sender<Arc<Slot>>,
    /// How long a call waits.
    patience: Duration,
}

impl Bearers {
    /// Keeps tokens on the runtime that this is called on. `timeout`: how long a token endpoint may
    /// take, and a call wait for it.
    pub fn start(current: Arc<Current>, clock: Clock, tasks: &Tasks, timeout: Duration) -> Self {
        let (lane, mut waiting) = mpsc::channel::<Arc<Slot>>(LANE);
        let slots = Arc::<Mutex<Slots>>::default();
        let keeper = Keeper { current, clock, timeout };
        let (kept, each) = (Arc::clone(&slots), tasks.clone());
        // Nothing of it has to be finished before the process ends.
        tasks.spawn("backend-tokens", async move {
            let mut keepers = Vec::new();
            while let Some(slot) = waiting.recv().await {
                let (keeper, kept) = (keeper.clone(), Arc::clone(&kept));
                keepers.retain(|(_, slot): &(Guard, Weak<Slot>)| {
                    slot.upgrade().is_some_and(|slot| !slot.has_ended())
                });
                let known = Arc::downgrade(&slot);
                let guard = each.spawn_guarded("backend-token", async move {
                    keeper.keep(&slot).await;
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    if kept.get(&slot.plan.id).is_some_and(|now| Arc::ptr_eq(now, &slot)) {
                        kept.remove(&slot.plan.id);
                    }
                });
                keepers.push((guard, known));
            }
        });
        Self { slots, lane, patience: timeout }
    }

    fn slot(&self, plan: &OAuth2Plan) -> Result<Arc<Slot>, NoToken> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&plan.id).filter(|slot| !slot.has_ended()) {
            return Ok(Arc::clone(slot));
        }
        if slots.len() >= MAX_SLOTS {
            return Err(NoToken::Busy);
        }
        let slot = Arc::new(Slot::new(plan.clone()));
        self.lane.try_send(Arc::clone(&slot)).map_err(|_| NoToken::Busy)?;
        slots.insert(plan.id, Arc::clone(&slot));
        Ok(slot)
    }
}

impl fmt::Debug for Bearers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearers").finish_non_exhaustive()
    }
}

/// The slots that one worker has asked for: finding one again takes no lock.
#[derive(Debug)]
pub struct Known {
    bearers: Bearers,
    known: RefCell<Slots>,
}

impl Known {
    /// Of all tokens, none yet.
    pub fn of(bearers: Bearers) -> Self {
        Self { bearers, known: RefCell::default() }
    }

    /// The slot of `plan`.
    pub fn slot(&self, plan: &OAuth2Plan) -> Result<Arc<Slot>, NoToken> {
        let mut known = self.known.borrow_mut();
        if let Some(slot) = known.get(&plan.id)
            && !slot.has_ended()
        {
            return Ok(Arc::clone(slot));
        }
        if known.len() >= MAX_SLOTS {
            known.clear();
        }
        let slot = self.bearers.slot(plan)?;
        known.insert(plan.id, Arc::clone(&slot));
        Ok(slot)
    }

    /// The token of `plan`, waited for where there is none.
    pub async fn token(&self, plan: &OAuth2Plan, clock: &Clock) -> Result<Arc<Token>, NoToken> {
        let patience = self.bearers.patience;
        match self.slot(plan)?.wait(clock, patience).await {
            // Its keeper had just left.
            Err(NoToken::Gone) => self.slot(plan)?.wait(clock, patience).await,
            other => other,
        }
    }
}
