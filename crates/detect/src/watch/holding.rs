//! Which rules hold for one call?
//!
//! What is different for its API, its application or both is found once, and then asked for each kind.

use std::collections::BTreeMap;
use std::time::Duration;

use super::finding::Alarm;
use super::rules::{Rule, Setting};

/// What is different, by the kind of alarm.
pub(super) type Different = BTreeMap<Alarm, Setting<Duration>>;

/// The rules of all kinds for the calls of one application to one API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holding<'r> {
    pub(super) usual: &'r [Rule; Alarm::ALL.len()],
    pub(super) api: Option<&'r Different>,
    pub(super) application: Option<&'r Different>,
    pub(super) both: Option<&'r Different>,
}

impl Holding<'_> {
    /// What holds. What is set for both wins over what is set for the application, that over what is set for
    /// the API.
    pub(super) fn of(&self, alarm: Alarm) -> Rule {
        let usual = self.of_api(alarm);
        if self.application.is_none() && self.both.is_none() {
            return usual;
        }
        let own = [self.application, self.both].into_iter().flatten();
        own.filter_map(|different| different.get(&alarm)).fold(usual, Rule::with)
    }

    /// What holds for what is about the API, whoever calls it.
    pub(super) fn of_api(&self, alarm: Alarm) -> Rule {
        let usual = self.usual.get(alarm as usize).copied();
        let usual = usual.unwrap_or_else(|| Rule::of(alarm));
        let own = self.api.and_then(|different| different.get(&alarm));
        own.map_or(usual, |own| usual.with(own))
    }
}
