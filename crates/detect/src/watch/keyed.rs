//! One engine for each thing that is known, and not for more than there is room.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::rules::SERIES;

/// A bounded table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Keyed<T> {
    most: usize,
    /// Engines lie apart from the table, so that to see who was quiet for longest is to read only times.
    known: HashMap<String, (Box<T>, i64)>,
}

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self::new(SERIES)
    }
}

impl<T> Keyed<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(8), known: HashMap::new() }
    }

    /// All engines with their keys.
    pub(super) fn all(&mut self) -> impl Iterator<Item = (&String, &mut T)> {
        self.known.iter_mut().map(|(key, (engine, _))| (key, engine.as_mut()))
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// The engine for `key`, which is made where there is none. An eighth of all makes room when there
    /// are too many: those that nothing was heard of for longest.
    pub(super) fn of(&mut self, key: &str, at_us: i64, make: impl FnOnce() -> T) -> &mut T {
        if self.known.len() >= self.most && !self.known.contains_key(key) {
            let mut heard: Vec<i64> = self.known.values().map(|(_, last_us)| *last_us).collect();
            let eighth = (self.most / 8).min(heard.len().saturating_sub(1));
            let (_, oldest, _) = heard.select_nth_unstable(eighth);
            let oldest = *oldest;
            self.known.retain(|_, (_, last_us)| *last_us > oldest);
        }
        let known = self.known.entry(key.to_owned());
        let (engine, last_us) = known.or_insert_with(|| (Box::new(make()), at_us));
        *last_us = (*last_us).max(at_us);
        engine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_quiet_for_longest_makes_room() {
        let mut table = Keyed::new(16);
        for n in 0..1000_i64 {
            *table.of("busy", n, || 0_i64) += 1;
            table.of(&n.to_string(), n, || 0);
            assert!(table.known.len() <= 17, "{}", table.known.len());
        }
        assert_eq!(*table.of("busy", 1000, || 0), 1000);
        assert_eq!(*table.of("3", 1000, || 7), 7);
    }
}
