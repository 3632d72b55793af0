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
    groups: Mutex<HashMap<usize, Arc<Group>>>,
}

impl Registry {
    /// An empty one; `start` is now.
    pub fn new(start: Instant) -> Self {
        Self { start, groups: Mutex::default() }
    }

    /// Milliseconds at `now`, on the clock that all workers share; never 0.
    pub fn millis(&self, now: Instant) -> u64 {
        since(self.start, now)
    }

    /// What is known about an endpoint.
    pub fn group(&self, endpoint: &Arc<EndpointPlan>) -> Arc<Group> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Arc::as_ptr(endpoint).addr();
        // The group's weak reference keeps the place from being used again.
        let group =
            groups.entry(place).or_insert_with(|| Arc::new(Group::new(endpoint, self.start)));
        Arc::clone(group)
    }

    /// All of them, after those that are gone were forgotten.
    pub fn all(&self) -> Vec<Arc<Group>> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|_, group| !group.is_gone());
        groups.values().cloned().collect()
    }
}
