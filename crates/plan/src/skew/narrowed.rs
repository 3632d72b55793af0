//! What does a gateway of another version hold, and what was left out for it?
//!
//! Follows the slice of its labels: the cost of a step is the size of the change.

use std::sync::Arc;

use imbl::OrdMap;

use super::known::Known;
use super::narrow::{Outcome, narrow};
use crate::objects::{Object, Objects};
use crate::resource::ResourceKey;

/// A slice as a gateway with fewer words can hold it.
#[derive(Clone, Debug)]
pub(crate) struct Narrowed {
    known: Arc<Known>,
    objects: Objects,
    /// What became of each object that has more than the gateway knows.
    left_out: OrdMap<ResourceKey, Arc<str>>,
    /// Those without which calls would be let through.
    needed: OrdMap<ResourceKey, Arc<str>>,
}

impl Narrowed {
    /// What is left of `whole` for a gateway that has `known`.
    pub(crate) fn new(whole: &Objects, known: Arc<Known>) -> Self {
        let objects = Objects::admitted_elsewhere();
        let none = Self { known, objects, left_out: OrdMap::new(), needed: OrdMap::new() };
        none.follow(&Objects::new(), whole)
    }

    /// The same after `before` has become `after`.
    pub(crate) fn follow(&self, before: &Objects, after: &Objects) -> Self {
        let mut next = self.clone();
        let (upserts, deletes) = before.difference(after);
        for key in &deletes {
            next.forget(key);
            next.objects.remove(key);
        }
        for object in upserts {
            next.take(object);
        }
        next
    }

    /// What the gateway understands.
    pub(crate) const fn known(&self) -> &Arc<Known> {
        &self.known
    }

    /// What the gateway holds.
    pub(crate) const fn objects(&self) -> &Objects {
        &self.objects
    }

    /// What was left out, in words: the object, and what of it.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = String> {
        self.left_out.iter().map(|(key, what)| format!("{key}: {what}"))
    }

    /// Why the gateway gets nothing at all; none: it gets something.
    pub(crate) fn refusal(&self) -> Option<String> {
        let (key, fields) = self.needed.iter().next()?;
        Some(format!(
            "{key} says {fields}, which this gateway's version does not know, and without it the \
             gateway would let calls through"
        ))
    }

    fn take(&mut self, object: Arc<Object>) {
        let key = object.key().clone();
        self.forget(&key);
        let said = |fields: &[String]| fields.join(", ");
        let (left, what) = match narrow(&object, &self.known) {
            Outcome::Same => (Some(object), None),
            Outcome::Without(left, fields) => {
                (Some(Arc::new(left)), Some(format!("without {}", said(&fields))))
            }
            Outcome::Blocked(left, fields) => {
                (Some(Arc::new(left)), Some(format!("answers 503, because of {}", said(&fields))))
            }
            Outcome::Absent(fields) => {
                (None, Some(format!("not there, because of {}", said(&fields))))
            }
            Outcome::Needed(fields) => {
                self.needed.insert(key.clone(), said(&fields).into());
                (None, Some(format!("nothing is sent, because of {}", said(&fields))))
            }
        };
        if let Some(what) = what {
            self.left_out.insert(key.clone(), what.into());
        }
        match left {
            Some(left) => drop(self.objects.insert(left)),
            None => drop(self.objects.remove(&key)),
        }
    }

    fn forget(&mut self, key: &ResourceKey) {
        self.left_out.remove(key);
        self.needed.remove(key);
    }
}
