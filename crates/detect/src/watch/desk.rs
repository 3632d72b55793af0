//! Is it told, or was it told a moment ago?

use std::collections::HashMap;

use super::finding::{Alarm, Finding};
use super::holding::Holding;
use super::rules::Rule;
use super::words::{About, Words, join};
use crate::scatter::Scatter;

/// Told things that are remembered before old ones are looked for.
const TOLD: usize = 10_000;

/// What was told: when, and until when it is not told again.
pub(super) type Quiet = HashMap<String, (i64, i64), Scatter>;

/// What was told.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    known: Quiet,
    /// The key that is asked for: only what is told needs one of its own.
    wanted: String,
}

/// Where findings about one call are told.
#[derive(Debug)]
pub(super) struct Desk<'w> {
    holding: Holding<'w>,
    told: &'w mut Told,
    found: Vec<Finding>,
}

/// What is told, of which kind, and for how long the same is not told again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matter {
    pub(super) alarm: Alarm,
    pub(super) at_us: i64,
    pub(super) quiet_us: i64,
}

impl Matter {
    pub(super) const fn of(alarm: Alarm, at_us: i64, rule: &Rule) -> Self {
        Self { alarm, at_us, quiet_us: rule.quiet_us }
    }
}

impl<'w> Desk<'w> {
    pub(super) const fn new(holding: Holding<'w>, told: &'w mut Told) -> Self {
        Self { holding, told, found: Vec::new() }
    }

    /// The rules, in force or not.
    pub(super) const fn holding(&self) -> &Holding<'w> {
        &self.holding
    }

    /// The rule of what is about the API, where it is in force.
    pub(super) fn rule(&self, alarm: Alarm) -> Option<Rule> {
        Some(self.holding.of_api(alarm)).filter(|rule| rule.enabled)
    }

    /// The rule of what is about the caller, where it is in force.
    pub(super) fn rule_for(&self, alarm: Alarm) -> Option<Rule> {
        Some(self.holding.of(alarm)).filter(|rule| rule.enabled)
    }

    /// Tells it, unless the same was told a moment ago; only then it is put into words, a message and the
    /// evidence.
    pub(super) fn tell<const N: usize>(
        &mut self,
        matter: Matter,
        about: &About<'_, N>,
        words: impl FnOnce() -> (String, Words),
    ) {
        let Matter { alarm, at_us, quiet_us } = matter;
        let mut sorted = *about;
        if self.told.is_quiet(alarm, &mut sorted, at_us) {
            return;
        }
        self.told.note(at_us, quiet_us);
        let named = about.iter().filter(|(_, value)| !value.is_empty());
        let about = named.map(|(name, value)| (*name, (*value).to_owned())).collect();
        let (message, evidence) = words();
        self.found.push(Finding { alarm, at_us, about, message, evidence });
    }

    /// What was found.
    pub(super) fn found(self) -> Vec<Finding> {
        self.found
    }
}

impl Told {
    /// What was remembered.
    pub(super) const fn of(known: Quiet) -> Self {
        Self { known, wanted: String::new() }
    }

    /// All of it.
    pub(super) const fn all(&self) -> &Quiet {
        &self.known
    }

    /// It was told, by an earlier life of the process; that it was is known at least as well as before.
    pub(super) fn was_told(&mut self, matter: Matter, mut about: Vec<(&str, &str)>) {
        let Matter { alarm, at_us, quiet_us } = matter;
        self.want(alarm, &mut about);
        if self.known.get(&self.wanted).is_none_or(|(last_us, _)| *last_us < at_us) {
            self.note(at_us, quiet_us);
        }
    }

    /// Whether it was told a moment ago; if not, it can be noted.
    fn is_quiet(&mut self, alarm: Alarm, about: &mut [(&str, &str)], at_us: i64) -> bool {
        self.want(alarm, about);
        self.known.get(&self.wanted).is_some_and(|(_, until_us)| at_us < *until_us)
    }

    /// What tells the same from others, whatever the order of its names.
    fn want(&mut self, alarm: Alarm, about: &mut [(&str, &str)]) {
        about.sort_unstable();
        let values = about.iter().map(|(_, value)| *value).filter(|value| !value.is_empty());
        self.wanted.clear();
        join(std::iter::once(alarm.name()).chain(values), &mut self.wanted);
    }

    /// What was asked for last is told.
    fn note(&mut self, at_us: i64, quiet_us: i64) {
        if self.known.len() >= TOLD {
            self.known.retain(|_, (_, until_us)| at_us < *until_us);
        }
        // With ten thousand alerts within minutes nobody reads the next.
        if self.known.len() < TOLD {
            self.known.insert(self.wanted.clone(), (at_us, at_us.saturating_add(quiet_us)));
        }
    }
}
