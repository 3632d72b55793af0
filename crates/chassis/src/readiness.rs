//! May this process be sent work right now, and if not, why not?
//!
//! A service names its conditions once; while one of them is red, `/readyz` answers 503 with the
//! reasons and the gRPC health service says `NOT_SERVING`. A process that drains is never ready.

use std::collections::BTreeMap;

use tokio::sync::watch;

/// All conditions of one process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Readiness(watch::Sender<State>);

/// One named condition; red until it is said to be green.
#[derive(Clone, Debug)]
pub struct Condition {
    name: &'static str,
    readiness: Readiness,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    draining: bool,
    // Condition -> why it is red; `None` is green.
    conditions: BTreeMap<&'static str, Option<String>>,
    // Condition -> what an operator should know though it holds.
    remarks: BTreeMap<&'static str, String>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self(watch::Sender::new(State::default()))
    }
}

impl Readiness {
    /// Names a condition. It is red ("not reached yet") until [`Condition::green`] is called.
    /// Naming the same condition again gives another handle to it.
    pub fn condition(&self, name: &'static str) -> Condition {
        self.0.send_modify(|state| {
            state.conditions.entry(name).or_insert_with(|| Some("not reached yet".to_owned()));
        });
        Condition { name, readiness: self.clone() }
    }

    /// Whether every condition is green and nobody has asked for the stop.
    pub fn is_ready(&self) -> bool {
        self.0.borrow().is_ready()
    }

    /// What keeps this process from being ready, as (condition, reason).
    pub fn reasons(&self) -> Vec<(&'static str, String)> {
        let state = self.0.borrow();
        let draining = state.draining.then(|| ("shutdown", "draining".to_owned()));
        let red = state.conditions.iter();
        draining
            .into_iter()
            .chain(red.filter_map(|(name, why)| why.clone().map(|why| (*name, why))))
            .collect()
    }

    /// What an operator should know though this process may be ready, as (condition, remark).
    pub fn remarks(&self) -> Vec<(&'static str, String)> {
        let state = self.0.borrow();
        state.remarks.iter().map(|(name, remark)| (*name, remark.clone())).collect()
    }

    /// Returns when readiness is different from `was`.
    pub async fn changed_from(&self, was: bool) {
        // The sender lives in `self`: waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|state| state.is_ready() != was).await;
    }

    /// Red for the rest of the life of this process.
    pub(crate) fn drain(&self) {
        self.0.send_modify(|state| state.draining = true);
    }
}

impl State {
    fn is_ready(&self) -> bool {
        !self.draining && self.conditions.values().all(Option::is_none)
    }
}

impl Condition {
    /// The condition holds.
    pub fn green(&self) {
        self.set(None);
    }

    /// The condition does not hold; `reason` is shown at `/readyz`.
    pub fn red(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    /// Shown at `/readyz` whether the condition holds or not; `None`: there is nothing to say.
    pub fn remark(&self, remark: Option<String>) {
        let Readiness(sender) = &self.readiness;
        sender.send_if_modified(|state| match remark {
            Some(remark) => state.remarks.insert(self.name, remark.clone()) != Some(remark),
            None => state.remarks.remove(self.name).is_some(),
        });
    }

    fn set(&self, why: Option<String>) {
        let Readiness(sender) = &self.readiness;
        sender
            .send_if_modified(|state| state.conditions.insert(self.name, why.clone()) != Some(why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_red_condition_makes_the_process_unready_and_says_why() {
        let ready = Readiness::default();
        assert!(ready.is_ready());
        let store = ready.condition("store");
        let keys = ready.condition("keys");
        assert_eq!(ready.reasons().len(), 2);
        store.green();
        keys.red("no signing key");
        assert_eq!(ready.reasons(), [("keys", "no signing key".to_owned())]);
        keys.green();
        assert!(ready.is_ready());
    }

    #[tokio::test]
    async fn a_draining_process_is_never_ready_again() {
        let ready = Readiness::default();
        let store = ready.condition("store");
        store.green();
        ready.drain();
        ready.changed_from(true).await;
        store.green();
        assert_eq!(ready.reasons(), [("shutdown", "draining".to_owned())]);
    }
}
