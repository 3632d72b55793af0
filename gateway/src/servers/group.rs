//! What do all workers know about an endpoint?

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use arc_swap::ArcSwap;
use plan::EndpointPlan;

use super::breaker::Breaker;
use super::target::{Target, since};

/// The shared state of one endpoint.
#[derive(Debug)]
pub struct Group {
    start: Instant,
    plan: Weak<EndpointPlan>,
    /// Whether the names of its servers have to be resolved.
    has_names: bool,
    targets: ArcSwap<Vec<Arc<Target>>>,
    version: AtomicU64,
    calls: AtomicU32,
    breaker: Option<Breaker>,
}

/// A place among the calls that an endpoint has at a time; given back when dropped.
#[derive(Debug)]
pub struct Room(Arc<Group>);

impl Group {
    /// An endpoint of a gateway that started at `start`.
    pub(super) fn new(plan: &Arc<EndpointPlan>, start: Instant) -> Self {
        let is_address = |host: &str| host.parse::<std::net::IpAddr>().is_ok();
        let targets: Vec<Arc<Target>> = (0..plan.servers.len())
            .map(|server| Arc::new(Target::new(server, 0, None, 0)))
            .collect();
        Self {
            start,
            plan: Arc::downgrade(plan),
            has_names: plan.servers.iter().any(|server| !is_address(&server.url.host)),
            targets: ArcSwap::from_pointee(targets),
            version: AtomicU64::new(0),
            calls: AtomicU32::new(0),
            breaker: plan.breaker.clone().map(Breaker::new),
        }
    }

    /// The endpoint; `None`: it is gone.
    pub fn plan(&self) -> Option<Arc<EndpointPlan>> {
        self.plan.upgrade()
    }

    /// Whether the endpoint is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.plan.strong_count() == 0
    }

    /// Whether the names of its servers have to be resolved.
    pub const fn has_names(&self) -> bool {
        self.has_names
    }

    /// Milliseconds at `now`, on the clock that all workers share.
    pub fn millis(&self, now: Instant) -> u64 {
        since(self.start, now)
    }

    /// Every address of every server.
    pub fn targets(&self) -> Arc<Vec<Arc<Target>>> {
        self.targets.load_full()
    }

    /// Other addresses, from now on.
    pub fn replace(&self, targets: Vec<Arc<Target>>) {
        self.targets.store(Arc::new(targets));
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Changes with the addresses.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Its breaker.
    pub const fn breaker(&self) -> Option<&Breaker> {
        self.breaker.as_ref()
    }

    /// A place among at most `most` calls.
    pub fn room(self: &Arc<Self>, most: u32) -> Option<Room> {
        let more = |calls| (calls < most).then_some(calls + 1);
        let order = Ordering::Relaxed;
        self.calls.fetch_update(order, order, more).ok().map(|_| Room(Arc::clone(self)))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}
