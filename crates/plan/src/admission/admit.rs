//! May these resources be stored together, on top of what is stored?
//!
//! All or nothing, and all problems at once: each resource by itself, then what it takes to know
//! the others. The cost is the size of the change and of what refers to it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{Problem, Resource};

use super::cross::{check_deleted, check_together};
use crate::compile::compile_resource;
use crate::objects::{Object, Objects};
use crate::problem::{At, Problems};
use crate::resource::{ResourceKey, key, normalise};

/// What becomes of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is stored as given already.
    Unchanged,
    /// It is new.
    Created,
    /// It replaces another form.
    Updated,
}

/// Changes that may be made.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Everything that is stored after them.
    pub objects: Objects,
    /// What is to be written; what is unchanged is left out.
    pub upserts: Vec<Arc<Object>>,
    /// What is to be removed.
    pub deletes: Vec<ResourceKey>,
    /// What becomes of each resource, in the order of the request.
    pub changes: Vec<(ResourceKey, Change)>,
}

/// Whether these changes may be made, all together.
pub fn admit(
    before: &Objects,
    upserts: &[Resource],
    deletes: &[ResourceKey],
) -> Result<Admitted, Vec<Problem>> {
    let mut found = Vec::new();
    let mut admitted = Admitted {
        objects: before.clone(),
        upserts: Vec::with_capacity(upserts.len()),
        deletes: Vec::with_capacity(deletes.len()),
        changes: Vec::with_capacity(upserts.len()),
    };
    let mut seen = BTreeSet::new();
    for resource in upserts {
        let resource = with_kept_secret(before, normalise(resource.clone()));
        match read(before, &resource, &mut seen, &mut found) {
            Some((object, Change::Unchanged)) => {
                admitted.changes.push((object.key().clone(), Change::Unchanged));
            }
            Some((object, change)) => {
                admitted.changes.push((object.key().clone(), change));
                admitted.upserts.push(object);
            }
            None => {}
        }
    }
    for key in deletes {
        let problem = if before.get(key).is_none() {
            "there is no such resource"
        } else if !seen.insert(key.clone()) {
            "it is both written and removed, or named twice"
        } else {
            admitted.deletes.push(key.clone());
            continue;
        };
        let mut problems = Problems::of(key.as_str(), "");
        problems.add(&At::ROOT, problem, "");
        found.extend(problems.into_list());
    }
    admitted.objects.apply(admitted.upserts.iter().cloned(), &admitted.deletes);
    check_changes(before, &admitted, &mut found);
    if found.is_empty() { Ok(admitted) } else { Err(found) }
}

/// One resource by itself.
fn read(
    before: &Objects,
    resource: &Resource,
    seen: &mut BTreeSet<ResourceKey>,
    found: &mut Vec<Problem>,
) -> Option<(Arc<Object>, Change)> {
    let name = key(resource).map(|key| key.to_string()).unwrap_or_default();
    let mut problems = Problems::of(name, "");
    let Some(object) = Object::new(resource.clone()).map(Arc::new) else {
        compile_resource(resource, &mut problems);
        if problems.is_empty() {
            problems.add(&At::ROOT.name("metadata"), "a name is missing", "");
        }
        found.extend(problems.into_list());
        return None;
    };
    let change = match before.get(object.key()) {
        Some(stored) if stored == object => Change::Unchanged,
        Some(_) => Change::Updated,
        None => Change::Created,
    };
    if change != Change::Unchanged {
        compile_resource(resource, &mut problems);
    }
    if !seen.insert(object.key().clone()) {
        problems.add(&At::ROOT, "it is given twice", "keep one of them");
    }
    found.extend(problems.into_list());
    Some((object, change))
}

/// What the change touches, and what refers to that: a changed API may no longer offer the tier
/// of a subscription that nobody touched.
fn check_changes(before: &Objects, admitted: &Admitted, found: &mut Vec<Problem>) {
    let changed = admitted.upserts.iter().map(|object| object.key());
    let mut touched: BTreeSet<ResourceKey> = changed.clone().cloned().collect();
    for key in changed {
        touched.extend(admitted.objects.referrers(key));
    }
    for key in touched {
        found.extend(check_together(before, &admitted.objects, &key));
    }
    for key in &admitted.deletes {
        found.extend(check_deleted(&admitted.objects, key));
    }
}

/// A secret cannot be read back: one that comes without its value, and with the hash of the stored
/// one, is that one.
fn with_kept_secret(before: &Objects, mut resource: Resource) -> Resource {
    let stored = key(&resource)
        .and_then(|key| before.get(&key))
        .and_then(|object| object.resource().map(Cow::into_owned));
    if let (Some(Any::Secret(given)), Some(Any::Secret(stored))) =
        (resource.resource.as_mut(), stored.and_then(|stored| stored.resource))
        && let (Some(given), Some(mut stored)) = (given.spec.as_mut(), stored.spec)
        && given.value.is_empty()
        && given.sha256 == stored.sha256
    {
        given.value = std::mem::take(&mut stored.value);
    }
    resource
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
