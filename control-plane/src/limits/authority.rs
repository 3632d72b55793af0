//! Who gets how much of the limits that gateways lease?
//!
//! One authority counts for all. What it gives away counts as used at once, so that nobody ever has more
//! than the limit. It is pure: it is told the time, and what it wants to have written down somebody else
//! writes (`keeper`). Counters of windows of a minute and more survive it. Of shorter ones and of paces the
//! next authority takes everything as given away at the moment up to which this one had promised to count.

use std::collections::{BTreeSet, HashMap};

use ahash::RandomState;
use throttle::{Asked, Back, Granted, Subject, Unit};

use super::claim::Claim;
use super::counter::{Counter, Given, Mark, is_written};
use super::members::Stream;

/// How many limits are counted. Beyond them who is new is not counted.
const MOST: usize = 1_000_000;
/// How many asks wait for something to be written down.
const MOST_WAITING: usize = 100_000;
/// How long they do.
const PATIENCE_US: u64 = 1_000_000;
/// For how long an authority promises to count at a time.
const PROMISE_US: u64 = 10_000_000;
/// How long a counter that nobody asks for is kept.
const IDLE_US: u64 = 60_000_000;
/// How often it is looked for counters that nobody would miss.
const SWEEP_US: u64 = 5_000_000;

/// Names one limit of one subject. Another unit is another counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) counter: Subject,
    pub(super) index: u32,
    pub(super) unit: Unit,
}

/// What a gateway asks.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_field_names, reason = "the message calls it so")]
pub(super) struct Ask {
    pub(super) stream: Stream,
    /// The gateway's own name for it.
    pub(super) ask: u64,
    pub(super) key: Key,
    pub(super) claim: Claim,
    /// 0: nothing, and no answer.
    pub(super) wanted: u64,
    pub(super) owed: u64,
    /// Whether units of a pace may be given ahead of their times.
    pub(super) ahead: bool,
    /// Units of a pace that it has already.
    pub(super) in_hand: u64,
    /// Whether it wants them of the window that comes next.
    pub(super) next: bool,
    /// When it came.
    pub(super) asked_us: u64,
}

/// What it is answered; `granted` is none where nobody can count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) stream: Stream,
    pub(super) ask: u64,
    pub(super) granted: Option<Granted>,
}

/// What is to be written down, all or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entries {
    /// Until when this authority counts.
    pub(super) promise_us: Option<u64>,
    pub(super) marks: Vec<(Key, Vec<Mark>)>,
    /// Counters whose windows are over.
    pub(super) gone: Vec<Key>,
}

impl Entries {
    /// Whether there is nothing to be written.
    pub(super) const fn is_empty(&self) -> bool {
        self.promise_us.is_none() && self.marks.is_empty() && self.gone.is_empty()
    }
}

/// What is written down when an authority begins.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Until when the one before had promised to count; none: there was none.
    pub(super) promised_us: Option<u64>,
    pub(super) marks: HashMap<Key, Vec<Mark>, RandomState>,
}

#[derive(Debug)]
pub(super) struct Authority {
    counters: HashMap<Key, Counter, RandomState>,
    /// Those that nobody has asked for since this authority began.
    stored: HashMap<Key, Vec<Mark>, RandomState>,
    /// What is not written down counts as used up then.
    used_up_us: Option<u64>,
    promised_us: u64,
    promise_wanted: bool,
    unwritten: BTreeSet<Key>,
    gone: BTreeSet<Key>,
    waiting: Vec<Ask>,
    swept_us: u64,
}

impl Authority {
    /// An authority that begins now.
    pub(super) fn new(now_us: u64, before: Before) -> Self {
        Self {
            counters: HashMap::default(),
            stored: before.marks,
            used_up_us: before.promised_us.map(|promised_us| promised_us.min(now_us)),
            promised_us: 0,
            promise_wanted: false,
            unwritten: BTreeSet::new(),
            gone: BTreeSet::new(),
            waiting: Vec::new(),
            swept_us: now_us,
        }
    }

    /// How many limits are counted.
    pub(super) fn len(&self) -> usize {
        self.counters.len() + self.stored.len()
    }

    /// Answers, or lets it wait until something has been written down.
    pub(super) fn ask(&mut self, now_us: u64, mut ask: Ask, gateways: u64) -> Option<Answer> {
        let answer = |granted| Some(Answer { stream: ask.stream, ask: ask.ask, granted });
        let Some(counter) = self.counter(now_us, ask.key, ask.claim) else { return answer(None) };
        let owed = std::mem::take(&mut ask.owed);
        if owed > 0 {
            counter.charge(now_us, owed);
        }
        if ask.wanted == 0 {
            self.look_after(ask.key);
            return None;
        }
        if !counter.is_written() {
            let left_us = self.promised_us.saturating_sub(now_us);
            self.promise_wanted |= left_us < PROMISE_US / 2;
            if left_us == 0 {
                return self.wait(ask);
            }
        }
        let counter = self.counters.get_mut(&ask.key)?;
        let Ask { wanted, in_hand, next, .. } = ask;
        let ahead = counter.is_as(ask.claim);
        let asked = Asked { who: ask.stream.number(), wanted, in_hand, gateways, ahead, next };
        let given = counter.give(now_us, asked, ask.ahead);
        self.look_after(ask.key);
        match given {
            Given::Now(granted) => answer(Some(granted)),
            Given::Later => self.wait(ask),
        }
    }

    /// Takes back what a gateway has not used.
    pub(super) fn put_back(&mut self, now_us: u64, stream: Stream, key: Key, back: Back) {
        if let Some(counter) = self.counters.get_mut(&key) {
            counter.put_back(now_us, stream, back);
        }
    }

    /// What is to be written down now, at most so many counters. Said again until `written`.
    pub(super) fn entries(&mut self, now_us: u64, most: usize) -> Entries {
        let keys: Vec<Key> = self.unwritten.iter().take(most).copied().collect();
        let marks = keys.into_iter().filter_map(|key| {
            self.unwritten.remove(&key);
            Some((key, self.counters.get_mut(&key)?.marks(now_us)))
        });
        let marks: Vec<_> = marks.collect();
        let room = most.saturating_sub(marks.len());
        let gone: Vec<Key> = self.gone.iter().take(room).copied().collect();
        for key in &gone {
            self.gone.remove(key);
        }
        let promise_us = self.promise_wanted.then(|| now_us.saturating_add(PROMISE_US));
        Entries { promise_us, marks, gone }
    }

    /// This is written down: who has waited for it is answered.
    pub(super) fn written(&mut self, now_us: u64, entries: &Entries, gateways: u64) -> Vec<Answer> {
        if let Some(promise_us) = entries.promise_us {
            (self.promised_us, self.promise_wanted) = (promise_us, false);
        }
        for (key, marks) in &entries.marks {
            if let Some(counter) = self.counters.get_mut(key) {
                counter.marked(marks);
            }
        }
        let waiting = std::mem::take(&mut self.waiting);
        let late = |ask: &Ask| now_us.saturating_sub(ask.asked_us) > PATIENCE_US;
        let answers = waiting.into_iter().filter_map(|ask| {
            if late(&ask) {
                return Some(Answer { stream: ask.stream, ask: ask.ask, granted: None });
            }
            self.ask(now_us, ask, gateways)
        });
        answers.collect()
    }

    /// It could not be written down: it is still to be.
    pub(super) fn unwritten(&mut self, entries: Entries) {
        self.unwritten.extend(entries.marks.into_iter().map(|(key, _)| key));
        // What has been asked for again since is not gone.
        let counters = &self.counters;
        self.gone.extend(entries.gone.into_iter().filter(|key| !counters.contains_key(key)));
    }

    /// Whether something waits to be written down.
    pub(super) fn has_entries(&self) -> bool {
        self.promise_wanted || !self.unwritten.is_empty() || !self.gone.is_empty()
    }

    /// Who has waited too long is told so, and now and then counters that nobody would miss go.
    pub(super) fn sweep(&mut self, now_us: u64) -> Vec<Answer> {
        if now_us.saturating_sub(self.swept_us) >= SWEEP_US {
            self.swept_us = now_us;
            self.forget(now_us);
        }
        let late = |ask: &mut Ask| now_us.saturating_sub(ask.asked_us) > PATIENCE_US;
        let late = self.waiting.extract_if(.., late);
        late.map(|ask| Answer { stream: ask.stream, ask: ask.ask, granted: None }).collect()
    }

    fn forget(&mut self, now_us: u64) {
        let mut gone = Vec::new();
        self.counters.retain(|key, counter| {
            let over = counter.is_over(now_us, IDLE_US);
            if over && counter.is_written() {
                gone.push(*key);
            }
            !over
        });
        self.stored.retain(|key, marks| {
            let over = marks.iter().all(|mark| mark.until_us <= now_us);
            if over {
                gone.push(*key);
            }
            !over
        });
        for key in gone {
            self.unwritten.remove(&key);
            self.gone.insert(key);
        }
    }

    /// These counters begin afresh.
    pub(super) fn reset(&mut self, counters: &[Subject]) {
        let is_one = |key: &Key| counters.contains(&key.counter);
        let counted = self.counters.extract_if(|key, _| is_one(key)).map(|(key, _)| key);
        let stored = self.stored.extract_if(|key, _| is_one(key)).map(|(key, _)| key);
        let gone: Vec<Key> = counted.chain(stored).collect();
        for key in gone {
            self.unwritten.remove(&key);
            self.gone.insert(key);
        }
    }

    /// The line of revisions begins anew.
    pub(super) fn forget_revisions(&mut self) {
        self.counters.values_mut().for_each(Counter::forget_revision);
    }

    fn wait(&mut self, ask: Ask) -> Option<Answer> {
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push(ask);
            return None;
        }
        Some(Answer { stream: ask.stream, ask: ask.ask, granted: None })
    }

    fn look_after(&mut self, key: Key) {
        if self.counters.get(&key).is_some_and(Counter::wants_marks) {
            self.unwritten.insert(key);
        }
    }

    /// The counter, as it is claimed to be; none where there are too many, or where it is no limit.
    fn counter(&mut self, now_us: u64, key: Key, claim: Claim) -> Option<&mut Counter> {
        if !self.counters.contains_key(&key) {
            if self.len() >= MOST && !self.stored.contains_key(&key) {
                return None;
            }
            let counter = Counter::new(claim, now_us)?;
            let counter = match (self.stored.remove(&key), self.used_up_us) {
                (Some(marks), _) => counter.restored(&marks),
                (None, Some(at_us)) if !is_written(claim.measure) => counter.used_up(at_us),
                (None, _) => counter,
            };
            self.gone.remove(&key);
            self.counters.insert(key, counter);
        }
        let counter = self.counters.get_mut(&key)?;
        counter.hear(claim, now_us);
        Some(counter)
    }
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
