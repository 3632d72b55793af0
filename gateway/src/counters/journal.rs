//! What does a worker ask before a meter counts for the first time, and whom does it tell afterwards?
//!
//! Both happen once for a meter: in its first call, and once a second at most. At all other times a call
//! reads a byte of its meter. The lock is one of many and is taken for a meter's first call alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use throttle::{Meter, Past, Subject};
use tokio::sync::mpsc;

/// Parts with a lock of their own.
const SHARDS: usize = 16;

/// What is known of counters from before this process, and the way to who writes them down.
#[derive(Debug)]
pub struct Journal {
    shards: Box<[Mutex<Shard>]>,
    // INVARIANT: a meter stands in it once until it has been written, so it is no longer than there are
    // meters.
    noted: mpsc::UnboundedSender<Arc<Meter>>,
}

impl Default for Journal {
    /// Remembers and writes nothing: counters are those of this process.
    fn default() -> Self {
        Self::new(false).0
    }
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Subject, Entry>,
    /// While another gateway may still say more about meters, those that have begun are known.
    follows: bool,
}

#[derive(Debug)]
enum Entry {
    /// Its meter has not begun.
    Past(Box<[u8]>),
    Begun(Weak<Meter>),
}

impl Journal {
    /// Knows nothing, and tells those who hold the other end. `follows`: another gateway may say more.
    pub(super) fn new(follows: bool) -> (Self, mpsc::UnboundedReceiver<Arc<Meter>>) {
        let (noted, to_write) = mpsc::unbounded_channel();
        let shard = || Mutex::new(Shard { entries: HashMap::new(), follows });
        let shards = std::iter::repeat_with(shard).take(SHARDS).collect();
        (Self { shards, noted }, to_write)
    }

    /// To be said before a meter is asked: it takes over what was used before this process began.
    pub fn wake(&self, meter: &Arc<Meter>) {
        if meter.is_fresh() {
            meter.resume_once(|subject| self.claim(subject, meter));
        }
    }

    /// To be said after a meter has counted.
    pub fn note(&self, meter: &Arc<Meter>) {
        if meter.is_news() {
            // Without anybody at the other end nothing is written down any more.
            let _ = self.noted.send(Arc::clone(meter));
        }
    }

    fn claim(&self, subject: Subject, meter: &Arc<Meter>) -> Option<Past> {
        let mut shard = self.shard(subject)?;
        let before = if shard.follows {
            shard.entries.insert(subject, Entry::Begun(Arc::downgrade(meter)))
        } else {
            shard.entries.remove(&subject)
        };
        match before? {
            Entry::Past(bytes) => Past::read(&bytes),
            Entry::Begun(_) => None,
        }
    }

    /// This was used before this process began.
    pub(super) fn remember(&self, subject: Subject, past: Box<[u8]>) {
        if let Some(mut shard) = self.shard(subject) {
            shard.entries.insert(subject, Entry::Past(past));
        }
    }

    /// Another gateway has counted on from `seen` to `now`. Whether no meter has taken that over yet, so that
    /// it has to be written down.
    pub(super) fn count_on(&self, subject: Subject, seen: Option<&Past>, now: &Past) -> bool {
        let Some(mut shard) = self.shard(subject) else { return false };
        let begun = match shard.entries.get(&subject) {
            Some(Entry::Begun(meter)) => Some(meter.upgrade()),
            Some(Entry::Past(_)) | None => None,
        };
        if let Some(meter) = begun {
            if let Some(meter) = meter {
                meter.resume(&seen.map_or_else(|| now.clone(), |seen| now.since(seen)));
                self.note(&meter);
            }
            return false;
        }
        let mut bytes = Vec::new();
        now.write(&mut bytes);
        shard.entries.insert(subject, Entry::Past(bytes.into()));
        true
    }

    /// Nobody says more about meters that have begun.
    pub(super) fn follows_no_more(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.follows = false;
            shard.entries.retain(|_, entry| matches!(entry, Entry::Past(_)));
        }
    }

    /// How many counters no meter has taken over.
    pub(super) fn waiting(&self) -> usize {
        let waiting = |entry: &&Entry| matches!(entry, Entry::Past(_));
        self.shards.iter().map(|shard| lock(shard).entries.values().filter(waiting).count()).sum()
    }

    fn shard(&self, subject: Subject) -> Option<MutexGuard<'_, Shard>> {
        let [first, ..] = subject.0;
        self.shards.get(usize::from(first) % SHARDS).map(lock)
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
