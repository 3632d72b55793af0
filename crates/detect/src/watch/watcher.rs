//! What is told about the next call?

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::apis::{Apis, KeptApis};
use super::applications::{Applications, KeptApplications};
use super::call::{Call, Renewal};
use super::clients::{Clients, KeptClients};
use super::desk::{Desk, Matter, Quiet, Told};
use super::finding::{Alarm, Finding};
use super::rules::Rules;
use super::subjects::Subjects;

/// Refused by a `DenyPolicy`.
const DENIED: u32 = 900_805;
/// Calls of which what is known is found before the first of them is looked at.
const AHEAD: usize = 8;

/// Looks at everything.
#[derive(Clone, Debug)]
pub struct Watch {
    rules: Rules,
    told: Told,
    apis: Apis,
    applications: Applications,
    clients: Clients,
}

/// What was learnt, to be kept over a restart. What is read again is as large as it was when it was kept.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    told: Quiet,
    apis: KeptApis,
    applications: KeptApplications,
    clients: KeptClients,
}

impl Watch {
    /// Knows nothing yet.
    pub fn new(rules: Rules) -> Self {
        let most = rules.series();
        Self {
            rules,
            told: Told::default(),
            apis: Apis::new(most),
            applications: Applications::new(most),
            clients: Clients::new(most),
        }
    }

    /// Goes on where another one was.
    pub fn resume(rules: Rules, state: State) -> Self {
        Self {
            rules,
            told: Told::of(state.told),
            apis: Apis::resume(state.apis),
            applications: Applications::resume(state.applications),
            clients: Clients::resume(state.clients),
        }
    }

    /// What is known now.
    pub fn state(&self) -> State {
        State {
            told: self.told.all().clone(),
            apis: self.apis.kept(),
            applications: self.applications.kept(),
            clients: self.clients.kept(),
        }
    }

    /// The rules that hold.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// From now on these hold. What was learnt stays, and of how many things something is known.
    pub fn put_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// The next call; calls come about in the order of their times. One that a policy turned away is not
    /// looked at: whoever it is about is answered already, and what is refused is no use of an API.
    pub fn call(&mut self, call: &Call<'_>) -> Vec<Finding> {
        if call.fault == DENIED {
            return Vec::new();
        }
        let subjects = Subjects::of(call, self.rules.on_for_any());
        self.look(call, &subjects)
    }

    /// The next calls, as by [`Self::call`]; `tell` hears what is found, with the number of the call among these.
    pub fn calls(&mut self, calls: &[Call<'_>], mut tell: impl FnMut(usize, Finding)) {
        let mut subjects = Vec::with_capacity(AHEAD);
        let (on, mut number) = (self.rules.on_for_any(), 0);
        for part in calls.chunks(AHEAD) {
            subjects.clear();
            subjects.extend(part.iter().map(|call| Subjects::of(call, on)));
            for subjects in &subjects {
                self.apis.approach(subjects);
                self.applications.approach(subjects);
                self.clients.approach(subjects);
            }
            for (call, subjects) in part.iter().zip(&subjects) {
                if call.fault != DENIED {
                    for found in self.look(call, subjects) {
                        tell(number, found);
                    }
                }
                number = number.saturating_add(1);
            }
        }
    }

    fn look(&mut self, call: &Call<'_>, subjects: &Subjects<'_>) -> Vec<Finding> {
        let holding = self.rules.holding(call.api, call.application);
        let mut desk = Desk::new(holding, &mut self.told);
        let mut operation = None;
        if !call.api.is_empty() {
            operation = self.apis.see(call, subjects, &mut desk);
            self.applications.see(call, subjects, &mut desk);
        }
        self.clients.see(call, subjects, operation, &mut desk);
        desk.found()
    }

    /// So many calls of the caller, API and minute of this one are known by who has them all, as after a
    /// restart: what is counted exactly goes on from there.
    pub fn recall(&mut self, call: &Call<'_>, calls: u64) -> Vec<Finding> {
        let holding = self.rules.holding(call.api, call.application);
        let mut desk = Desk::new(holding, &mut self.told);
        self.applications.recall(call, calls, &mut desk);
        desk.found()
    }

    /// A finding about these names and values was told at that time: it is not told again as if nothing had
    /// been told.
    pub fn was_told(&mut self, alarm: Alarm, at_us: i64, about: Vec<(&str, &str)>) {
        let is =
            |name| about.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value);
        let rule = self.rules.of(alarm, is("api"), is("application"));
        self.told.was_told(Matter::of(alarm, at_us, &rule), about);
    }

    /// A token was issued.
    pub fn renewal(&mut self, renewal: &Renewal<'_>) -> Vec<Finding> {
        let mut desk = Desk::new(self.rules.holding("", ""), &mut self.told);
        self.clients.renew(renewal, &mut desk);
        desk.found()
    }

    /// Time has come to here, and all calls of before were seen: what is missing? To be asked once a
    /// minute.
    pub fn pass(&mut self, at_us: i64) -> Vec<Finding> {
        self.applications.pass(at_us, &self.rules, &mut self.told)
    }

    /// Of how many things something is known, by the kind of alarm.
    pub fn series(&self) -> BTreeMap<Alarm, usize> {
        let (apis, clients) = (self.apis.series(), self.clients.series());
        apis.into_iter().chain(self.applications.series()).chain(clients).collect()
    }
}

#[cfg(test)]
#[path = "watcher_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "put_rules_tests.rs"]
mod put_rules_tests;
