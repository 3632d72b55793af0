//! What does one worker know about the servers of its endpoints?

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plan::{Balance, EndpointPlan};

use super::group::Group;
use super::registry::Registry;
use super::ring::{Ring, mixed};
use super::target::Target;
use crate::sender::Lane;

/// A further try costs so much of the budget.
const ONE_TRY: u32 = 100;
/// What the budget starts with, so that an endpoint with few calls has further tries too.
const FIRST_BUDGET: u32 = 10 * ONE_TRY;
/// What may be saved up.
const MOST_BUDGET: u32 = 100 * ONE_TRY;
/// How fast a peak of latency is forgotten.
const FADES: Duration = Duration::from_secs(10);
/// The latency of a server that has not answered yet, in microseconds: who has answered comes first
/// while it is being asked.
const UNKNOWN_US: f64 = 1e6;

/// The endpoints of one worker.
#[derive(Debug)]
pub struct Servers {
    registry: Arc<Registry>,
    views: RefCell<HashMap<usize, Rc<View>, ahash::RandomState>>,
    seed: Cell<u64>,
}

/// One endpoint, as one worker sees it.
#[derive(Debug)]
pub struct View {
    group: Arc<Group>,
    /// Whether servers may come and go by their names; kept here because every call asks.
    named: bool,
    version: u64,
    pub(super) own: Vec<Own>,
    pub(super) ring: Option<Ring>,
    /// Whether calls under way are counted.
    pub(super) counts: bool,
    /// Whether every call's latency is noted.
    pub(super) times: bool,
    budget: Cell<u32>,
    seed: Cell<u64>,
}

/// One server, with its load.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) target: Arc<Target>,
    lane: RefCell<Option<Rc<Lane>>>,
    pub(super) calls: Cell<u32>,
    /// Latency in microseconds; 0: not known.
    latency_us: Cell<f64>,
    noted: Cell<Option<Instant>>,
    /// How far its turn is, with smooth weighted round robin.
    pub(super) turn: Cell<i64>,
}

/// A call under way at a server; ended when dropped.
#[derive(Debug)]
pub struct Load {
    view: Rc<View>,
    index: usize,
}

impl Servers {
    /// Nothing is known yet.
    pub fn new(registry: Arc<Registry>, seed: u64) -> Self {
        Self { registry, views: RefCell::default(), seed: Cell::new(seed) }
    }

    /// The servers of an endpoint.
    pub fn view(&self, endpoint: &Arc<EndpointPlan>) -> Rc<View> {
        let place = Arc::as_ptr(endpoint).addr();
        let mut views = self.views.borrow_mut();
        let known = views.get(&place);
        if let Some(view) = known
            && (!view.named || view.version == view.group.version())
        {
            return Rc::clone(view);
        }
        let group = known.map_or_else(|| self.registry.group(endpoint), |v| Arc::clone(&v.group));
        self.seed.set(self.seed.get().wrapping_add(1));
        let view = View::new(group, endpoint, known.map(Rc::as_ref), mixed(self.seed.get()));
        let view = Rc::new(view);
        views.insert(place, Rc::clone(&view));
        view
    }

    /// Milliseconds at `now`, on the clock that all workers share.
    pub fn millis(&self, now: Instant) -> u64 {
        self.registry.millis(now)
    }

    /// Forgets endpoints that are gone. To be called every second or so.
    pub fn sweep(&self) {
        self.views.borrow_mut().retain(|_, view| !view.group.is_gone());
    }
}

impl View {
    pub(super) fn new(
        group: Arc<Group>,
        plan: &EndpointPlan,
        before: Option<&Self>,
        seed: u64,
    ) -> Self {
        // The version first: what changes in between is seen by the next call.
        let version = group.version();
        let targets = group.targets();
        let kept = |target: &Arc<Target>| {
            before?.own.iter().find(|own| Arc::ptr_eq(&own.target, target)).map(Own::moved)
        };
        let own: Vec<Own> =
            targets.iter().map(|target| kept(target).unwrap_or_else(|| Own::new(target))).collect();
        let ring = matches!(plan.balance, Balance::RingHash(_)).then(|| {
            let points: Vec<(String, u32)> = targets
                .iter()
                .filter_map(|target| {
                    let server = plan.servers.get(target.server)?;
                    let name = match target.address {
                        Some(address) => format!("{} {address}", server.url),
                        None => server.url.to_string(),
                    };
                    Some((name, server.weight))
                })
                .collect();
            Ring::new(&points)
        });
        Self {
            named: group.has_names(),
            group,
            version,
            ring,
            counts: own.len() > 1
                && matches!(plan.balance, Balance::P2cEwma | Balance::LeastRequests),
            times: own.len() > 1 && plan.balance == Balance::P2cEwma,
            own,
            budget: Cell::new(before.map_or(FIRST_BUDGET, |before| before.budget.get())),
            seed: Cell::new(seed | 1),
        }
    }

    /// What all workers know.
    pub const fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// The server at `index`.
    pub fn target(&self, index: usize) -> Option<&Arc<Target>> {
        self.own.get(index).map(|own| &own.target)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.own.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// Where connections to the server at `index` are kept, if `fits` says that it is still the
    /// place; else what `make` makes.
    pub fn lane(
        &self,
        index: usize,
        fits: impl Fn(&Lane) -> bool,
        make: impl FnOnce() -> Rc<Lane>,
    ) -> Rc<Lane> {
        let Some(own) = self.own.get(index) else { return make() };
        let mut lane = own.lane.borrow_mut();
        match &*lane {
            Some(known) if fits(known) => Rc::clone(known),
            _ => Rc::clone(lane.insert(make())),
        }
    }

    /// A call begins at the server at `index`; `None` where nobody wants to know.
    pub fn begin(self: &Rc<Self>, index: usize) -> Option<Load> {
        let own = self.own.get(index).filter(|_| self.counts)?;
        own.calls.set(own.calls.get().saturating_add(1));
        Some(Load { view: Rc::clone(self), index })
    }

    /// Whether [`View::note`] wants to know latencies.
    pub const fn wants_latency(&self) -> bool {
        self.times
    }

    /// The server at `index` took `took` to answer.
    pub fn note(&self, index: usize, took: Duration, now: Instant) {
        if let Some(own) = self.own.get(index) {
            own.note(took, now);
        }
    }

    /// A call comes: its share of the budget for further tries is saved up.
    pub fn save(&self, percent: u32) {
        self.budget.set((self.budget.get() + percent).min(MOST_BUDGET));
    }

    /// Takes one further try from the budget; `false`: it is used up.
    pub fn spend(&self) -> bool {
        let left = self.budget.get().checked_sub(ONE_TRY);
        left.inspect(|left| self.budget.set(*left)).is_some()
    }

    /// Any number.
    pub fn random(&self) -> u64 {
        // Xorshift, started anywhere but at zero.
        let mut seed = self.seed.get();
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        self.seed.set(seed);
        seed
    }
}

impl Own {
    pub(super) fn new(target: &Arc<Target>) -> Self {
        Self {
            target: Arc::clone(target),
            lane: RefCell::default(),
            calls: Cell::new(0),
            latency_us: Cell::new(0.0),
            noted: Cell::new(None),
            turn: Cell::new(0),
        }
    }

    /// The same server in another view. Calls under way end in the view they began in.
    fn moved(&self) -> Self {
        Self {
            target: Arc::clone(&self.target),
            lane: RefCell::new(self.lane.borrow().clone()),
            calls: Cell::new(0),
            latency_us: Cell::new(self.latency_us.get()),
            noted: Cell::new(self.noted.get()),
            turn: Cell::new(self.turn.get()),
        }
    }

    /// A peak counts at once; what is better than before counts by and by.
    fn note(&self, took: Duration, now: Instant) {
        let took_us = took.as_secs_f64() * 1e6;
        let before = self.latency_us.get();
        let keeps = self.fade(now);
        let faded = before.mul_add(keeps, took_us * (1.0 - keeps));
        self.latency_us.set(if took_us > faded { took_us } else { faded });
        self.noted.set(Some(now));
    }

    /// How much of what was noted last still counts.
    fn fade(&self, now: Instant) -> f64 {
        let since = self.noted.get().map(|noted| now.saturating_duration_since(noted));
        since.map_or(0.0, |since| (-since.as_secs_f64() / FADES.as_secs_f64()).exp())
    }

    /// What a call would have to expect here.
    pub(super) fn cost(&self, weight: u32, now: Instant) -> f64 {
        let calls = f64::from(self.calls.get());
        let latency = match self.latency_us.get() {
            0.0 if calls > 0.0 => UNKNOWN_US,
            known => known * self.fade(now),
        };
        (latency + 1.0) * (calls + 1.0) / f64::from(weight)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(own) = self.view.own.get(self.index) {
            own.calls.set(own.calls.get().saturating_sub(1));
        }
    }
}
