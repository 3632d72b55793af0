//! May a writer set the state that a resource says?
//!
//! Files say where something should be, not by which step it gets there. So a state may be written that
//! steps lead to, one or several: what is deprecated can only be retired, and nothing comes back from
//! there.

use plan::{Problem, Resource};

use super::living::life_of;
use super::transition::{is_reachable, steps};
use crate::catalog::State;

/// What is wrong with the states in these writes.
pub(crate) fn check_written(state: &State, upserts: &[Resource]) -> Vec<Problem> {
    upserts.iter().filter_map(|resource| problem(state, resource)).collect()
}

fn problem(state: &State, resource: &Resource) -> Option<Problem> {
    let (key, to) = (plan::key(resource)?, life_of(resource)?);
    let stored = state.objects.get(&key)?;
    let from = life_of(stored.resource()?.as_ref())?;
    if is_reachable(from, to) {
        return None;
    }
    let next: Vec<&str> = steps(from).map(|(_, to)| to.as_str_name()).collect();
    Some(Problem {
        resource: key.to_string(),
        field: "spec.lifecycle".to_owned(),
        reason: format!("no step leads from {} to {}", from.as_str_name(), to.as_str_name()),
        suggestion: match next.as_slice() {
            [] => "it stays so: make a new version, or remove it first".to_owned(),
            next => format!("what comes next is {}", next.join(" or ")),
        },
        ..Problem::default()
    })
}
