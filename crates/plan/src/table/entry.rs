//! How does a changed object come into force, and what if it cannot?
//!
//! The changed objects of one kind are compiled, then the old forms of those that compile are
//! taken out, then the new ones are put in: two APIs may swap their contexts in one change. What
//! does not compile, or finds its place taken, keeps its last good form; without one its place
//! answers 503 where it can be known.

use std::sync::Arc;

use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{Rejected, rejected::Serving};

use super::plan::Plan;
use crate::objects::Object;
use crate::problem::Problems;
use crate::resource::ResourceKey;
use crate::threads::made;

/// Why an object cannot be in force.
pub(super) struct Refusal {
    pub(super) field: String,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn at(field: &str, reason: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason: reason.into() }
    }
}

/// The compiled form of one kind, and its places in the plan's tables.
pub(super) trait Entry: Clone + Send {
    /// The form of an object. Problems of the object alone go to `problems`.
    fn compile(
        plan: &Plan,
        key: &ResourceKey,
        object: &Any,
        problems: &mut Problems,
    ) -> Result<Option<Self>, Refusal>;
    /// The form that is in force.
    fn current(plan: &Plan, key: &ResourceKey) -> Option<Self>;
    /// Puts the form into the tables, or nothing at all.
    fn link(&self, plan: &mut Plan, key: &ResourceKey) -> Result<(), Refusal>;
    /// Takes the form out of the tables.
    fn unlink(&self, plan: &mut Plan, key: &ResourceKey);
    /// Whether this form only stands in for one that could not be made.
    fn is_broken(&self) -> bool {
        false
    }
    /// What stands in for an object that could not be made.
    fn stand_in(
        _plan: &Plan,
        _key: &ResourceKey,
        _object: &Any,
        _reason: &Arc<str>,
    ) -> Option<Self> {
        None
    }
}

/// Brings the objects of one kind into force, as they are held now.
pub(super) fn settle<E: Entry>(plan: &mut Plan, keys: &[ResourceKey]) {
    let mut ready = Vec::with_capacity(keys.len());
    let mut refused = Vec::new();
    for (key, compiled) in keys.iter().zip(made(keys, |key| compile::<E>(plan, key))) {
        match compiled {
            Some(Ok(new)) => ready.push((key, E::current(plan, key), new)),
            Some(Err(refusal)) => refused.push((key, E::current(plan, key), refusal)),
            None => {
                plan.rejected.remove(key);
                if let Some(old) = E::current(plan, key) {
                    old.unlink(plan, key);
                }
            }
        }
    }
    for (key, old, _) in &ready {
        if let Some(old) = old {
            old.unlink(plan, key);
        }
    }
    for (key, old, new) in ready {
        match new.link(plan, key) {
            Ok(()) => {
                plan.rejected.remove(key);
            }
            Err(refusal) => {
                let back = old.filter(|old| !old.is_broken() && old.link(plan, key).is_ok());
                refuse::<E>(plan, key, back.is_some(), refusal);
            }
        }
    }
    for (key, old, refusal) in refused {
        let good = old.as_ref().is_some_and(|old| !old.is_broken());
        if let Some(old) = old.filter(|_| !good) {
            old.unlink(plan, key);
        }
        refuse::<E>(plan, key, good, refusal);
    }
}

/// The form of what is held under this key; `None`: nothing is.
fn compile<E: Entry>(plan: &Plan, key: &ResourceKey) -> Option<Result<E, Refusal>> {
    plan.objects.get(key).map(|object| compile_object(plan, key, &object))
}

fn compile_object<E: Entry>(plan: &Plan, key: &ResourceKey, object: &Object) -> Result<E, Refusal> {
    let unreadable = || Refusal::at("", "it cannot be read as what it is called");
    let object = object.resource().ok_or_else(unreadable)?;
    let any = object.resource.as_ref().ok_or_else(unreadable)?;
    let mut problems = Problems::default();
    if let Some(form) = E::compile(plan, key, any, &mut problems)? {
        return Ok(form);
    }
    let first = problems.into_list().into_iter().next();
    Err(first.map_or_else(unreadable, |problem| Refusal {
        field: problem.field,
        reason: problem.reason,
    }))
}

fn refuse<E: Entry>(plan: &mut Plan, key: &ResourceKey, previous: bool, refusal: Refusal) {
    if !previous {
        let reason: Arc<str> = refusal.reason.as_str().into();
        let stand_in = plan.objects.get(key).and_then(|object| {
            E::stand_in(plan, key, object.resource()?.resource.as_ref()?, &reason)
        });
        if let Some(stand_in) = stand_in {
            // Its place is another one's: there is nothing to stand in for.
            let _ = stand_in.link(plan, key);
        }
    }
    let serving = if previous { Serving::Previous } else { Serving::None };
    let rejected = Rejected {
        key: key.to_string(),
        reason: refusal.reason,
        field: refusal.field,
        serving: serving.into(),
    };
    plan.rejected.insert(key.clone(), rejected);
}
