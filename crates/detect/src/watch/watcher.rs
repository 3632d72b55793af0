//! What is told about the next call?

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::apis::Apis;
use super::applications::Applications;
use super::call::{Call, Renewal};
use super::clients::Clients;
use super::desk::Desk;
use super::finding::{Alarm, Finding};
use super::rules::Rules;

/// Refused by a `DenyPolicy`.
const DENIED: u32 = 900_805;

/// Looks at everything.
#[derive(Clone, Debug)]
pub struct Watch {
    desk: Desk,
    apis: Apis,
    applications: Applications,
    clients: Clients,
}

/// What was learnt, to be kept over a restart. What is read again is as large as it was when it was kept.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    told: HashMap<String, (i64, i64)>,
    apis: Apis,
    applications: Applications,
    clients: Clients,
}

impl Watch {
    /// Knows nothing yet.
    pub fn new(rules: Rules) -> Self {
        let most = rules.series();
        Self {
            desk: Desk::new(rules),
            apis: Apis::new(most),
            applications: Applications::new(most),
            clients: Clients::new(most),
        }
    }

    /// Goes on where another one was.
    pub fn resume(rules: Rules, state: State) -> Self {
        let mut desk = Desk::new(rules);
        desk.remember(state.told);
        let State { apis, applications, clients, .. } = state;
        Self { desk, apis, applications, clients }
    }

    /// What is known now.
    pub fn state(&self) -> State {
        State {
            told: self.desk.told().clone(),
            apis: self.apis.clone(),
            applications: self.applications.clone(),
            clients: self.clients.clone(),
        }
    }

    /// The rules that hold.
    pub const fn rules(&self) -> &Rules {
        self.desk.rules()
    }

    /// From now on these hold. What was learnt stays, and of how many things something is known.
    pub fn put_rules(&mut self, rules: Rules) {
        self.desk.put_rules(rules);
    }

    /// The next call; calls come about in the order of their times. One that a policy turned away is not
    /// looked at: whoever it is about is answered already, and what is refused is no use of an API.
    pub fn call(&mut self, call: &Call<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        if call.fault == DENIED {
            return found;
        }
        if !call.api.is_empty() {
            self.apis.see(call, &mut self.desk, &mut found);
            self.applications.see(call, &mut self.desk, &mut found);
        }
        self.clients.see(call, &mut self.desk, &mut found);
        found
    }

    /// So many calls of the caller, API and minute of this one are known by who has them all, as after a
    /// restart: what is counted exactly goes on from there.
    pub fn recall(&mut self, call: &Call<'_>, calls: u64) -> Vec<Finding> {
        let mut found = Vec::new();
        self.applications.recall(call, calls, &mut self.desk, &mut found);
        found
    }

    /// A finding about these names and values was told at that time: it is not told again as if nothing had
    /// been told.
    pub fn was_told(&mut self, alarm: Alarm, at_us: i64, about: Vec<(&str, &str)>) {
        self.desk.was_told(alarm, at_us, about);
    }

    /// A token was issued.
    pub fn renewal(&mut self, renewal: &Renewal<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        self.clients.renew(renewal, &mut self.desk, &mut found);
        found
    }

    /// Time has come to here, and all calls of before were seen: what is missing? To be asked once a
    /// minute.
    pub fn pass(&mut self, at_us: i64) -> Vec<Finding> {
        let mut found = Vec::new();
        self.applications.pass(at_us, &mut self.desk, &mut found);
        found
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
