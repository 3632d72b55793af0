//! When is what a meter has counted written down, and when is it taken over?

use std::sync::OnceLock;
use std::sync::atomic::{Ordering, fence};

use crate::counter::Counter;
use crate::kept::{Count, Past};
use crate::{Limit, Meter, Subject};

/// Whether a meter has something to be written down. It has not taken over what was used before,
pub(crate) const FRESH: u8 = 0;
/// it has counted nothing since somebody looked,
pub(crate) const STILL: u8 = 1;
/// or who writes it down knows that there is something; of what is not kept there never is.
pub(crate) const NEWS: u8 = 2;

/// How a meter is kept.
#[derive(Debug)]
pub(crate) struct Keeping {
    pub(crate) name: Subject,
    /// Set once the meter has taken over what was used before its process began.
    pub(crate) resumed: OnceLock<()>,
}

impl Meter {
    /// Its name where what is used of it outlives the process; `None`: nothing does.
    pub fn kept_as(&self) -> Option<Subject> {
        self.keeping.as_ref().map(|keeping| keeping.name)
    }

    /// Whether it has yet to take over what was used before its process began: see
    /// [`resume_once`](Self::resume_once).
    pub fn is_fresh(&self) -> bool {
        self.news.load(Ordering::Relaxed) == FRESH
    }

    /// Takes over what was used before, once; who comes meanwhile waits. To be said before the first hold.
    pub fn resume_once(&self, past: impl FnOnce(Subject) -> Option<Past>) {
        let Some(keeping) = &self.keeping else { return };
        keeping.resumed.get_or_init(|| {
            if let Some(past) = past(keeping.name) {
                self.resume(&past);
            }
            // It is still as it was found.
            let (ready, ordering) = (STILL, Ordering::AcqRel);
            let _ = self.news.compare_exchange(FRESH, ready, ordering, Ordering::Relaxed);
        });
    }

    /// Adds what was used before, or elsewhere.
    pub fn resume(&self, past: &Past) {
        self.latest_us.fetch_max(past.latest_us(), Ordering::Relaxed);
        past.add_to(self.pasts());
    }

    /// Whether it has counted for the first time since somebody looked: to be said after a hold and before
    /// a settlement, and who hears it has to have somebody [`look`](Self::look).
    pub fn is_news(&self) -> bool {
        self.news.load(Ordering::Relaxed) != NEWS && self.news.swap(NEWS, Ordering::AcqRel) != NEWS
    }

    /// What was used of it until now. What a call counts just now may be missing, and is there at a second
    /// look.
    pub fn look(&self) -> Past {
        if self.keeping.is_some() {
            self.news.store(STILL, Ordering::SeqCst);
            fence(Ordering::SeqCst);
        }
        self.past()
    }

    /// What was used of its quotas, apart from it.
    pub fn past(&self) -> Past {
        Past::of(self.pasts(), self.latest_us.load(Ordering::Relaxed))
    }

    fn pasts(&self) -> impl Iterator<Item = (&Limit, Option<Count<'_>>)> {
        self.each().map(|(limit, counter)| {
            let count = match counter {
                Counter::Pace(_) => None,
                Counter::Window(window) => Some(Count::Window(window)),
                Counter::Ring(ring) => Some(Count::Ring(ring)),
            };
            (limit, count)
        })
    }
}
