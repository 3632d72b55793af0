//! Which meters has this worker asked about, and what of them has still to be told?
//!
//! What nobody uses goes back, and what was used beyond what was in hand is told, whether calls come or
//! not.

use std::collections::HashMap;
use std::sync::Arc;

use throttle::{Back, Correction, Meter, Subject, Wanted};

use crate::limits::ask::Ask;

/// Beyond it meters are not remembered: what they have in hand is used up or runs out.
const MOST: usize = 16_384;
/// A meter that nobody asked about for so long has nothing in hand any more.
const FORGET_MS: u64 = 10_000;

/// Meters with what they have in hand.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<Subject, Entry>);

#[derive(Debug)]
struct Entry {
    meter: Arc<Meter>,
    asked_ms: u64,
}

/// What has to be said about a meter.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) meter: Arc<Meter>,
    pub(super) name: Subject,
    /// Units that go back, by their limits.
    pub(super) backs: Vec<(usize, Back)>,
    pub(super) corrections: Vec<Correction>,
    pub(super) owed: Vec<(usize, Wanted)>,
}

impl Known {
    /// Remembers a meter. What another one of the same name has in hand, which it has displaced, is to be
    /// told.
    pub(super) fn add(&mut self, name: Subject, meter: &Arc<Meter>, now_ms: u64) -> Option<Errand> {
        if let Some(entry) = self.0.get_mut(&name) {
            entry.asked_ms = now_ms;
            if Arc::ptr_eq(&entry.meter, meter) {
                return None;
            }
            let before = std::mem::replace(&mut entry.meter, Arc::clone(meter));
            return Errand::of(name, &before, 0, true);
        }
        if self.0.len() < MOST {
            self.0.insert(name, Entry { meter: Arc::clone(meter), asked_ms: now_ms });
        }
        None
    }

    /// What has to be said now; with `all` everything that is in hand goes back.
    pub(super) fn errands(&mut self, now_us: u64, now_ms: u64, all: bool) -> Vec<Errand> {
        let told =
            self.0.iter().filter_map(|(name, entry)| Errand::of(*name, &entry.meter, now_us, all));
        let told = told.collect();
        self.0.retain(|_, entry| now_ms.saturating_sub(entry.asked_ms) < FORGET_MS);
        told
    }

    /// What is to be asked for because windows end, or have ended, that calls go on in.
    pub(super) fn turned(&self, now_us: u64) -> Vec<Ask> {
        let asks = self.0.values().flat_map(|Entry { meter, .. }| {
            let indices = 0..meter.config().limits().len();
            indices.filter_map(move |index| {
                let wanted = meter.turned(index, now_us)?;
                Some(Ask::portion(Arc::clone(meter), index, wanted, now_us))
            })
        });
        asks.collect()
    }

    /// When it is time to for the next of those windows; `None`: there is none.
    pub(super) fn turns_us(&self, now_us: u64) -> Option<u64> {
        self.0.values().filter_map(|entry| entry.meter.turns_us(now_us)).min()
    }

    /// How many meters there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nobody to share anything with.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Errand {
    fn of(name: Subject, meter: &Arc<Meter>, now_us: u64, all: bool) -> Option<Self> {
        let indices = 0..meter.config().limits().len();
        let backs = indices
            .clone()
            .flat_map(|index| meter.back(index, now_us, all).map(move |back| (index, back)));
        let backs: Vec<_> = backs.collect();
        let owed = indices.filter_map(|index| Some((index, meter.owes(index, now_us)?)));
        let owed: Vec<_> = owed.collect();
        let corrections = meter.corrections();
        let any = !(backs.is_empty() && owed.is_empty() && corrections.is_empty());
        any.then(|| Self { meter: Arc::clone(meter), name, backs, corrections, owed })
    }
}
