//! Which short number stands for a name?
//!
//! A million subscriptions hold numbers instead of the names of their applications and APIs. A number
//! is never given twice in a process, so one that is kept in an older plan's form of an application
//! means that application in every plan, or nothing.

use std::hash::Hash;
use std::sync::atomic::{AtomicU32, Ordering};

use super::entry::Refusal;
use crate::map::{Map, new_map};

/// The number that stands for nothing.
pub(super) const NONE: u32 = 0;

static NEXT: AtomicU32 = AtomicU32::new(NONE + 1);

/// A number that stands for nothing yet.
pub(super) fn fresh() -> Result<u32, Refusal> {
    let next = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| next.checked_add(1));
    let used_up = "this process has given out all its numbers; restart it";
    next.map_err(|_| Refusal::at("", used_up))
}

/// Things that are in use by their numbers, with how many use them. Persistent.
#[derive(Clone)]
pub(super) struct Numbered<T> {
    numbers: Map<T, (u32, usize)>,
    things: Map<u32, T>,
}

impl<T: Hash + Eq + Clone> Numbered<T> {
    pub(super) fn new() -> Self {
        Self { numbers: new_map(), things: new_map() }
    }

    /// The number of a thing that is in use.
    pub(super) fn number<Q>(&self, thing: &Q) -> Option<u32>
    where
        T: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.numbers.get(thing).map(|(number, _)| *number)
    }

    /// What a number stands for.
    pub(super) fn thing(&self, number: u32) -> Option<&T> {
        self.things.get(&number)
    }

    /// One more uses it. Where it is not in use yet, `number` stands for it from now on.
    pub(super) fn enter(&mut self, thing: &T, number: u32) {
        if let Some((_, users)) = self.numbers.get_mut(thing) {
            *users = users.saturating_add(1);
            return;
        }
        self.numbers.insert(thing.clone(), (number, 1));
        self.things.insert(number, thing.clone());
    }

    /// One less uses it: what nobody uses has no number.
    pub(super) fn leave(&mut self, number: u32) {
        let Some(thing) = self.things.get(&number) else { return };
        match self.numbers.get_mut(thing) {
            Some((_, users)) if *users > 1 => *users -= 1,
            _ => {
                self.numbers.remove(thing);
                self.things.remove(&number);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.things.is_empty()
    }
}
