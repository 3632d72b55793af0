//! What lies in the hand of a gateway of a window that has not begun yet?
//!
//! Units of it that were asked for ahead, so that the first call in it finds some. They may be used when the
//! window has begun for certain: reckoned from when the answer was heard, while its end is reckoned from when
//! it was asked. Clocks of others do not matter.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Units of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Portion {
    pub(crate) units: u64,
    /// The number of the window.
    pub(crate) place: u64,
    /// From when on and until when they may be used.
    pub(crate) begins_us: u64,
    pub(crate) ends_us: u64,
}

/// Units of the window that comes.
#[derive(Debug, Default)]
pub(crate) struct Coming {
    /// When they may be used, so that nobody looks before; 0: there are none.
    begins_us: AtomicU64,
    portion: Mutex<Option<Portion>>,
}

impl Coming {
    /// So many more. What it displaces is of another window.
    pub(crate) fn put(&self, more: Portion) -> Option<Portion> {
        let mut there = self.locked();
        let before = there.take();
        let same = before.filter(|it| it.place == more.place);
        let joined = same.map_or(more, |it| Portion {
            units: it.units.saturating_add(more.units),
            begins_us: it.begins_us.max(more.begins_us),
            ends_us: it.ends_us.min(more.ends_us),
            ..more
        });
        *there = Some(joined);
        self.begins_us.store(joined.begins_us, Ordering::Release);
        before.filter(|_| same.is_none())
    }

    /// Takes them, if their window has begun. Who is not alone finds none: nobody waits here, and another one has
    /// them in the next moment.
    pub(crate) fn begun(&self, now_us: u64) -> Option<Portion> {
        if !(1..=now_us).contains(&self.begins_us.load(Ordering::Acquire)) {
            return None;
        }
        let mut there = match self.portion.try_lock() {
            Ok(there) => there,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        self.out(&mut there, |portion| portion.begins_us <= now_us)
    }

    /// Takes those of this window, whatever the time.
    pub(crate) fn of(&self, place: u64) -> Option<Portion> {
        self.out(&mut self.locked(), |portion| portion.place == place)
    }

    /// Takes them, whatever their window.
    pub(crate) fn all(&self) -> Option<Portion> {
        self.out(&mut self.locked(), |_| true)
    }

    fn locked(&self) -> MutexGuard<'_, Option<Portion>> {
        self.portion.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn out(
        &self,
        there: &mut Option<Portion>,
        is_one: impl Fn(&Portion) -> bool,
    ) -> Option<Portion> {
        let taken = there.take_if(|portion| is_one(portion))?;
        self.begins_us.store(0, Ordering::Release);
        Some(taken)
    }
}
