//! Which resources differ, and in which fields?

use std::sync::Arc;

use plan::{Difference, Object, Resource, ResourceKey};

use super::change::Changed;
use crate::catalog::State;
use crate::history::{Action, shown_form, without_value};

/// A resource that differs.
#[derive(Clone, Debug)]
pub struct Differing {
    /// Which.
    pub key: ResourceKey,
    /// What became of it.
    pub action: Action,
    /// The fields.
    pub fields: Vec<Difference>,
}

impl Differing {
    /// From one form to another; none: they are the same.
    pub fn between(
        key: &ResourceKey,
        before: Option<&Resource>,
        after: Option<&Resource>,
    ) -> Option<Self> {
        let action = match (before, after) {
            (None, None) => return None,
            (None, Some(_)) => Action::Created,
            (Some(_), None) => Action::Deleted,
            (Some(_), Some(_)) => Action::Updated,
        };
        let fields = plan::differences(before, after);
        (action != Action::Updated || !fields.is_empty()).then(|| Self {
            key: key.clone(),
            action,
            fields,
        })
    }
}

/// What a change did, or would do, ordered by key.
pub fn differing(changed: &Changed) -> Vec<Differing> {
    let written = changed.written.iter().filter_map(|object| of_written(&changed.before, object));
    let removed = changed
        .removed
        .iter()
        .filter_map(|key| Differing::between(key, shown_form(&changed.before, key).as_ref(), None));
    let mut all: Vec<Differing> = written.chain(removed).collect();
    all.sort_by(|one, other| one.key.cmp(&other.key));
    all
}

fn of_written(before: &State, object: &Arc<Object>) -> Option<Differing> {
    let former = shown_form(before, object.key());
    Differing::between(object.key(), former.as_ref(), without_value(object).as_ref())
}
