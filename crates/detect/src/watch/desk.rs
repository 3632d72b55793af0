//! Is it told, or was it told a moment ago?

use std::collections::HashMap;

use super::call::Call;
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

    /// The rule of what is about an API, where it is in force.
    pub(super) fn rule(&self, alarm: Alarm, api: &str) -> Option<Rule> {
        Some(self.rules.of(alarm, api, "")).filter(|rule| rule.enabled)
    }

    /// The rule of what is about the caller, where it is in force.
    pub(super) fn rule_for(&self, alarm: Alarm, call: &Call<'_>) -> Option<Rule> {
        let rule = self.rules.of(alarm, call.api, call.application);
        Some(rule).filter(|rule| rule.enabled)
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
        let key = key(alarm, about.iter().map(|(name, value)| (*name, value.as_str())).collect());
        if self.told.get(&key).is_some_and(|(_, until_us)| at_us < *until_us) {
            return None;
        }
        self.note(key, at_us, quiet_us);
        Some(Finding { alarm, at_us, about, message, evidence })
    }

    /// It was told, by an earlier life of the process; that it was is known at least as well as before.
    pub(super) fn was_told(&mut self, alarm: Alarm, at_us: i64, about: Vec<(&str, &str)>) {
        let is =
            |name| about.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value);
        let quiet_us = self.rules.of(alarm, is("api"), is("application")).quiet_us;
        let key = key(alarm, about);
        if self.told.get(&key).is_none_or(|(last_us, _)| *last_us < at_us) {
            self.note(key, at_us, quiet_us);
        }
    }

    fn note(&mut self, key: String, at_us: i64, quiet_us: i64) {
        if self.told.len() >= TOLD {
            self.told.retain(|_, (_, until_us)| at_us < *until_us);
        }
        // With ten thousand alerts within minutes nobody reads the next.
        if self.told.len() < TOLD {
            self.told.insert(key, (at_us, at_us.saturating_add(quiet_us)));
        }
    }

    pub(super) const fn told(&self) -> &HashMap<String, (i64, i64)> {
        &self.told
    }

    pub(super) fn remember(&mut self, told: HashMap<String, (i64, i64)>) {
        self.told = told;
    }
}

/// What tells the same from others, whatever the order of its names.
fn key(alarm: Alarm, mut about: Vec<(&str, &str)>) -> String {
    about.sort_unstable();
    let values = about.iter().map(|(_, value)| *value);
    joined(&std::iter::once(alarm.name()).chain(values).collect::<Vec<_>>())
}
