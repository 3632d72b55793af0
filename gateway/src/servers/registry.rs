//! Which endpoints are in use?

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use plan::EndpointPlan;

use super::group::Group;
use super::target::since;

/// The endpoints that a gateway has asked or has to look after. Workers come here only for an
/// endpoint that is new to them.
#[derive(Debug)]
pub struct Registry {
    start: Instant,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    groups: HashMap<usize, Arc<Group>>,
    /// Those of them that somebody has to look after.
    minded: Vec<Arc<Group>>,
}

impl Registry {
    /// An empty one; `start` is now.
    pub fn new(start: Instant) -> Self {
        Self { start, known: Mutex::default() }
    }

    /// Milliseconds at `now`, on the clock that all workers share; never 0.
    pub fn millis(&self, now: Instant) -> u64 {
        since(self.start, now)
    }

    /// What is known about an endpoint.
    pub fn group(&self, endpoint: &Arc<EndpointPlan>) -> Arc<Group> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Arc::as_ptr(endpoint).addr();
        // The group's weak reference keeps the place from being used again.
        if let Some(group) = known.groups.get(&place) {
            return Arc::clone(group);
        }
        let group = Arc::new(Group::new(endpoint, self.start));
        if group.has_names() || endpoint.health_check.is_some() {
            known.minded.push(Arc::clone(&group));
        }
        known.groups.insert(place, Arc::clone(&group));
        group
    }

    /// What is known about an endpoint; `None`: nobody has asked for it yet.
    pub fn known(&self, endpoint: &Arc<EndpointPlan>) -> Option<Arc<Group>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.groups.get(&Arc::as_ptr(endpoint).addr()).cloned()
    }

    /// Those whose servers have names or health checks.
    pub fn minded(&self) -> Vec<Arc<Group>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).minded.clone()
    }

    /// Forgets endpoints that are gone. To be called every second or so.
    pub fn sweep(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.groups.retain(|_, group| !group.is_gone());
        known.minded.retain(|group| !group.is_gone());
    }
}
