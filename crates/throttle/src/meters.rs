//! Which meter counts for this subject, and which one makes room when there are too many?
//!
//! Subjects come from outside (users, addresses, values of fields), so their number has a bound. At the
//! bound the meter that is used least makes room; one whose limit is used up never does, because
//! forgetting it would let its subject begin afresh. Where all are used up, who is new is refused.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hashbrown::HashTable;

use crate::{Meter, MeterConfig, Subject};

/// Parts with a lock of their own. Whoever calls often remembers its meter until that is retired, so
/// locks are taken for subjects that come for the first time.
const SHARDS: usize = 64;
/// How many meters are looked at for one that nobody uses.
const LOOKS: usize = 32;

/// Meters with the same limits, one for each subject. Takes hardly any memory before the first comes.
#[derive(Debug)]
pub struct Meters {
    config: Mutex<MeterConfig>,
    shards: OnceLock<Box<[Mutex<Shard>]>>,
    most: usize,
}

/// Every meter is kept for a subject that has used up its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many subjects as can be counted have used up their limits")]
pub struct Crowded;

#[derive(Debug)]
struct Shard {
    config: MeterConfig,
    /// Where in `entries` a subject is; found by its digest, which is not kept a second time.
    places: HashTable<u32>,
    entries: Vec<(Subject, Arc<Meter>)>,
    /// Where the search for room goes on.
    hand: usize,
}

impl Meters {
    /// At most `most` meters, 64 at least, none of which is there yet.
    pub fn new(config: &MeterConfig, most: usize) -> Self {
        let (config, shards) = (Mutex::new(config.clone()), OnceLock::new());
        Self { config, shards, most: (most / SHARDS).max(1) }
    }

    /// The meter of a subject.
    pub fn meter(&self, subject: Subject, now_us: u64) -> Result<Arc<Meter>, Crowded> {
        let mut shard = self.shard(subject).ok_or(Crowded)?;
        if let Some(meter) = shard.find(subject) {
            return Ok(Arc::clone(meter));
        }
        let meter = Arc::new(Meter::named(shard.config.clone(), || subject));
        shard.put(subject, Arc::clone(&meter), self.most, now_us).ok_or(Crowded)?;
        Ok(meter)
    }

    /// The meter of a subject that has one, without making one.
    pub fn known(&self, subject: Subject) -> Option<Arc<Meter>> {
        self.shard(subject)?.find(subject).cloned()
    }

    /// Puts every meter under new limits; what is used stays used.
    pub fn configure(&self, config: &MeterConfig) {
        if std::mem::replace(&mut *lock(&self.config), config.clone()) == *config {
            return;
        }
        // Made here if they are not there: somebody may be about to, and has read what it was before.
        for shard in self.shards() {
            let mut shard = lock(shard);
            shard.config = config.clone();
            for (subject, meter) in &mut shard.entries {
                let next = meter.under(config, || *subject);
                if !Arc::ptr_eq(&next, meter) {
                    std::mem::replace(meter, next).retire();
                }
            }
        }
    }

    /// How many subjects are counted.
    pub fn len(&self) -> usize {
        self.shards.get().into_iter().flatten().map(|shard| lock(shard).entries.len()).sum()
    }

    /// Whether nobody is counted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The part that a subject belongs to: there is one for each.
    fn shard(&self, subject: Subject) -> Option<MutexGuard<'_, Shard>> {
        let [first, ..] = subject.0;
        self.shards().get(usize::from(first) % SHARDS).map(lock)
    }

    fn shards(&self) -> &[Mutex<Shard>] {
        self.shards.get_or_init(|| {
            let config = lock(&self.config).clone();
            let shard = || {
                let (places, entries) = (HashTable::new(), Vec::new());
                Mutex::new(Shard { config: config.clone(), places, entries, hand: 0 })
            };
            std::iter::repeat_with(shard).take(SHARDS).collect()
        })
    }
}

/// A subject is a digest already: half of it is as good as all. Its first byte chose the part.
#[expect(clippy::cast_possible_truncation, reason = "half of it")]
const fn hash(subject: Subject) -> u64 {
    u128::from_be_bytes(subject.0) as u64
}

impl Drop for Meters {
    /// Who remembers a meter looks for another one.
    fn drop(&mut self) {
        for shard in self.shards.get().into_iter().flatten() {
            lock(shard).entries.iter().for_each(|(_, meter)| meter.retire());
        }
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn find(&self, subject: Subject) -> Option<&Arc<Meter>> {
        let at = |place: &u32| self.entries.get(usize::try_from(*place).ok()?);
        let is_it = |place: &u32| at(place).is_some_and(|(known, _)| *known == subject);
        at(self.places.find(hash(subject), is_it)?).map(|(_, meter)| meter)
    }

    /// Keeps the meter of a subject that has none; nothing where there is no room.
    fn put(&mut self, subject: Subject, meter: Arc<Meter>, most: usize, now_us: u64) -> Option<()> {
        let place = if self.entries.len() < most {
            self.entries.push((subject, meter));
            u32::try_from(self.entries.len() - 1).ok()?
        } else {
            let place = self.room(now_us)?;
            let entry = self.entries.get_mut(place)?;
            let (gone, retired) = std::mem::replace(entry, (subject, meter));
            retired.retire();
            let place = u32::try_from(place).ok()?;
            if let Ok(known) = self.places.find_entry(hash(gone), |known| *known == place) {
                known.remove();
            }
            place
        };
        let entries = &self.entries;
        let hash_at = |place: &u32| {
            let known = usize::try_from(*place).ok().and_then(|place| entries.get(place));
            known.map_or(0, |(subject, _)| hash(*subject))
        };
        self.places.insert_unique(hash(subject), place, hash_at);
        Some(())
    }

    /// The place of a meter that may be forgotten: one that nobody uses, else the least used of those that
    /// were looked at, else the first that is not used up.
    fn room(&mut self, now_us: u64) -> Option<usize> {
        let count = self.entries.len();
        let mut best: Option<(u64, usize)> = None;
        for looked in 0..count {
            let place = (self.hand + looked) % count;
            let (_, meter) = self.entries.get(place)?;
            if meter.is_full(now_us) {
                continue;
            }
            let used = meter.used_permille(now_us);
            if best.is_none_or(|(least, _)| used < least) {
                best = Some((used, place));
            }
            if used == 0 || (looked >= LOOKS && best.is_some()) {
                break;
            }
        }
        let (_, place) = best?;
        self.hand = (place + 1) % count;
        Some(place)
    }
}

#[cfg(test)]
#[path = "meters_tests.rs"]
mod tests;
