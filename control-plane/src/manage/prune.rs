//! What goes because it was not given?

use std::collections::{BTreeMap, BTreeSet};

use plan::{Problem, ResourceKey};

use super::change::Removal;
use super::error::ManageError;
use super::view::revision;
use crate::catalog::State;

/// Which resources belong to those that are given, so that one which is not among them goes.
#[derive(Clone, Debug, Default)]
pub struct Prune {
    /// They carry all of these; never empty.
    pub labels: BTreeMap<String, String>,
    /// And are among these keys; empty: whichever they are.
    pub only: BTreeSet<String>,
}

impl Prune {
    /// What goes from `state` when these are given.
    pub(super) fn removals(
        &self,
        state: &State,
        given: &BTreeSet<ResourceKey>,
    ) -> Result<Vec<Removal>, ManageError> {
        if self.labels.is_empty() {
            return Err(ManageError::Refused(vec![Problem {
                field: "prune.labels".to_owned(),
                reason: "without a label everything would go that is not given".to_owned(),
                suggestion: "name the set that the files belong to, or a label of its resources"
                    .to_owned(),
                ..Problem::default()
            }]));
        }
        let going = state.objects.iter().filter(|object| {
            let key = object.key();
            !given.contains(key)
                && (self.only.is_empty() || self.only.contains(key.as_str()))
                && self.belongs(object.resource().as_deref())
        });
        let removal =
            |key: &ResourceKey| Removal { key: key.clone(), revision: revision(state, key) };
        Ok(going.map(|object| removal(object.key())).collect())
    }

    fn belongs(&self, resource: Option<&plan::Resource>) -> bool {
        let Some(metadata) = resource.and_then(plan::metadata) else { return false };
        self.labels.iter().all(|(name, value)| metadata.labels.get(name) == Some(value))
    }
}
