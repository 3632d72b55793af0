//! Which batches are already stored?
//!
//! For every (source, epoch) the highest durable sequence is known. A source sends its batches in
//! order, so everything up to the mark is stored or was dropped by the source itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An epoch that sent nothing for so long is forgotten. A source keeps a batch in its spool for a
/// much shorter time, so no repeat can come after it.
const FORGET_AFTER_US: i64 = 90 * 24 * 3600 * 1_000_000;

/// More epochs than this are not remembered: the one that has been silent longest goes.
const MOST: usize = 65_536;

/// How far one source's spool is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The highest durable sequence.
    pub sequence: u64,
    /// When it was reached, microseconds since the Unix epoch.
    pub at_us: i64,
}

/// How far every source's spools are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<(String, String), Mark>);

impl Marks {
    /// The highest durable sequence of a spool.
    pub fn find(&self, source: &str, epoch: &str) -> Option<u64> {
        // A map keyed by pairs of owned strings cannot be asked with borrowed ones.
        self.0.get(&(source.to_owned(), epoch.to_owned())).map(|mark| mark.sequence)
    }

    /// A batch is durable.
    pub fn reach(&mut self, source: &str, epoch: &str, sequence: u64, at_us: i64) {
        let mark = self
            .0
            .entry((source.to_owned(), epoch.to_owned()))
            .or_insert(Mark { sequence: 0, at_us });
        mark.sequence = mark.sequence.max(sequence);
        mark.at_us = mark.at_us.max(at_us);
        if self.0.len() > MOST {
            self.forget_the_most_silent();
        }
    }

    /// Drops what has been silent for too long.
    pub fn prune(&mut self, now_us: i64) {
        self.0.retain(|_, mark| now_us.saturating_sub(mark.at_us) < FORGET_AFTER_US);
    }

    /// Every mark, as (source, epoch, mark).
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Mark)> {
        self.0.iter().map(|((source, epoch), mark)| (source.as_str(), epoch.as_str(), mark))
    }

    fn forget_the_most_silent(&mut self) {
        let silent = self.0.iter().min_by_key(|(_, mark)| mark.at_us).map(|(key, _)| key.clone());
        if let Some(key) = silent {
            tracing::warn!(source = %key.0, epoch = %key.1, most = MOST, "too many epochs, one is forgotten");
            self.0.remove(&key);
        }
    }
}

impl FromIterator<(String, String, Mark)> for Marks {
    fn from_iter<I: IntoIterator<Item = (String, String, Mark)>>(marks: I) -> Self {
        Self(marks.into_iter().map(|(source, epoch, mark)| ((source, epoch), mark)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `reached` is "source/epoch=sequence …", `asked` a spool; the answer is its mark.
    #[track_caller]
    fn check(reached: &str, asked: &str, mark: Option<u64>) {
        let mut marks = Marks::default();
        for (at_us, word) in (0_i64..).zip(reached.split_whitespace()) {
            let (spool, sequence) = word.split_once('=').unwrap();
            let (source, epoch) = spool.split_once('/').unwrap();
            marks.reach(source, epoch, sequence.parse().unwrap(), at_us);
        }
        let (source, epoch) = asked.split_once('/').unwrap();
        assert_eq!(marks.find(source, epoch), mark);
    }

    #[test]
    fn a_mark_never_goes_back() {
        check("g/a=3 g/a=2", "g/a", Some(3));
    }

    #[test]
    fn epochs_and_sources_do_not_share_marks() {
        check("g/a=3 h/a=9", "g/b", None);
        check("g/a=3 h/a=9", "g/a", Some(3));
    }

    #[test]
    fn the_most_silent_epoch_is_forgotten_first() {
        let mut marks = Marks::default();
        for n in 0..=MOST {
            marks.reach("g", &n.to_string(), 1, i64::try_from(n).unwrap());
        }
        assert_eq!((marks.find("g", "0"), marks.find("g", "1")), (None, Some(1)));
    }

    #[test]
    fn a_spool_that_is_silent_for_ninety_days_is_forgotten() {
        let mut marks = Marks::default();
        marks.reach("g", "old", 1, 0);
        marks.reach("g", "new", 1, FORGET_AFTER_US);
        marks.prune(FORGET_AFTER_US);
        assert_eq!((marks.find("g", "old"), marks.find("g", "new")), (None, Some(1)));
    }
}
