//! Who asks for units, and whom?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use throttle::{Authority, Cost, Hold, Meter, Refused};
use tokio::sync::oneshot;

use super::ask::{Ask, Lane, Ruled};
use super::forms::Forms;
use super::store::Store;
use crate::counters::Journal;

/// The ways to the authorities that workers share.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    /// To the control plane.
    pub control_plane: Lane,
    /// How many gateways share limits, as far as it is known; 0: nobody has said.
    pub gateways: Arc<AtomicU64>,
    /// What counters were before this process, and who writes down what they are.
    pub journal: Arc<Journal>,
    /// In which fields clients are told how full limits are.
    pub forms: Forms,
    /// The Redis or Valkey that counts for all; `None`: there is none.
    pub store: Option<Arc<Store>>,
}

/// A worker's way to units of limits that gateways share.
#[derive(Debug)]
pub struct Desk {
    ways: Ways,
    store: Lane,
}

impl Desk {
    /// Asks over these ways, and the store over one of the worker's own.
    pub const fn new(ways: Ways, store: Lane) -> Self {
        Self { ways, store }
    }

    /// How many gateways share limits, at least one.
    pub fn gateways(&self) -> u64 {
        let known = self.ways.gateways.load(Ordering::Relaxed).max(1);
        self.ways.store.as_ref().map_or(known, |store| store.gateways().max(known))
    }

    /// In which fields clients are told how full limits are.
    pub const fn forms(&self) -> Forms {
        self.ways.forms
    }

    /// Takes the room of one call, or says which limit has none; a meter takes over first what was used
    /// before this process, and what is low is asked for ahead.
    pub fn hold(&self, meter: &Arc<Meter>, now_us: u64, cost: &Cost) -> Result<Hold, Refused> {
        self.ways.journal.wake(meter);
        let held = meter.hold(now_us, cost);
        // Who is refused asks for those who come after.
        if !matches!(held, Err(Refused::Short { .. })) {
            self.ahead(meter, now_us);
        }
        let hold = held?;
        self.ways.journal.note(meter);
        // Where nobody divides the limits, all of them are this gateway's.
        if meter.joins() && !self.ways.control_plane.is_off() {
            self.ways.control_plane.put(Ask::join(Arc::clone(meter), now_us));
        }
        Ok(hold)
    }

    /// What a meter has counted is about to change; so much of it as outlives the process is written down.
    pub fn note(&self, meter: &Arc<Meter>) {
        self.ways.journal.note(meter);
    }

    /// Asks ahead, where little is in hand.
    fn ahead(&self, meter: &Arc<Meter>, now_us: u64) {
        if let Some(index) = meter.low(now_us)
            && let Some(wanted) = meter.asks(index, now_us, 0)
        {
            self.put(Ask::portion(Arc::clone(meter), index, wanted, now_us));
        }
    }

    /// Asks for what a call needs that waits for the limit at `index`, unless somebody does already.
    pub(super) fn ask(&self, meter: &Arc<Meter>, index: usize, cost: &Cost, now_us: u64) {
        let unit = meter.config().limits().get(index).map(|limit| limit.unit);
        let needed = unit.map_or(1, |unit| cost.of(unit).max(1));
        if let Some(wanted) = meter.asks(index, now_us, needed) {
            self.put(Ask::portion(Arc::clone(meter), index, wanted, now_us));
        }
    }

    /// Asks about one call, where each is asked about.
    pub(super) fn ask_strictly(
        &self,
        meter: &Arc<Meter>,
        cost: &Cost,
        now_us: u64,
    ) -> oneshot::Receiver<Ruled> {
        let (ask, ruled) = Ask::call(Arc::clone(meter), *cost, now_us);
        self.put(ask);
        ruled
    }

    fn put(&self, ask: Ask) {
        match ask.meter.config().sharing().strategy.authority() {
            Some(Authority::ControlPlane) => self.ways.control_plane.put(ask),
            Some(Authority::Store) => self.store.put(ask),
            None => {}
        }
    }
}
