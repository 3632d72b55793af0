//! Is it told, or was it told a moment ago?

use std::collections::HashMap;

use super::finding::{Alarm, Finding};
use super::rules::{Rule, Rules};
use super::words::{Words, joined};

/// Told things that are remembered before old ones are looked for.
const TOLD: usize = 10_000;

/// The rules, and what was told.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    rules: Rules,
    told: HashMap<String, (i64, i64)>,
}

impl Desk {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, told: HashMap::new() }
    }

    pub(super) const fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(super) fn put_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// The rule, where it is in force.
    pub(super) fn rule(&self, alarm: Alarm, api: &str) -> Option<Rule> {
        Some(self.rules.of(alarm, api)).filter(|rule| rule.enabled)
    }

    /// The finding, unless the same was told a moment ago.
    pub(super) fn tell(
        &mut self,
        alarm: Alarm,
        quiet_us: i64,
        at_us: i64,
        mut about: Words,
        message: String,
        evidence: Words,
    ) -> Option<Finding> {
        about.retain(|(_, value)| !value.is_empty());
        let mut subject = vec![alarm.name()];
        subject.extend(about.iter().map(|(_, value)| value.as_str()));
        let key = joined(&subject);
        if self.told.get(&key).is_some_and(|(_, until_us)| at_us < *until_us) {
            return None;
        }
        if self.told.len() >= TOLD {
            self.told.retain(|_, (_, until_us)| at_us < *until_us);
        }
        // With ten thousand alerts within minutes nobody reads the next.
        if self.told.len() < TOLD {
            self.told.insert(key, (at_us, at_us.saturating_add(quiet_us)));
        }
        Some(Finding { alarm, at_us, about, message, evidence })
    }

    pub(super) const fn told(&self) -> &HashMap<String, (i64, i64)> {
        &self.told
    }

    pub(super) fn remember(&mut self, told: HashMap<String, (i64, i64)>) {
        self.told = told;
    }
}
