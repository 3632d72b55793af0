//! How is a step in the life of an API or a product taken?
//!
//! With everything that belongs to it in one transaction: the state, the default version, the older
//! versions that are deprecated, and the last of the subscriptions that are taken along. Where there are
//! more of those than one transaction should hold, the first go before it: nobody can use them while the
//! new version serves nobody, and a step that is tried again finds them there.

use std::sync::Arc;

use plan::{Problem, Resource, ResourceKey};
use turnpike_proto::config::v1::lifecycle::State as Life;

use super::carry::{copies, subscriptions_to};
use super::living::{is_older, key_of, life_of, living, other_versions};
use super::transition::{Action, steps};
use crate::catalog::State;
use crate::manage::change::{Manager, Wanted};
use crate::manage::error::ManageError;
use crate::manage::read::current;
use crate::manage::view::shown;
use crate::people::Caller;
use crate::store::Revision;

/// How often a step starts again because something was changed meanwhile.
const ATTEMPTS: usize = 5;
/// So many subscriptions are written in one transaction; an etcd takes more.
const AT_ONCE: usize = 500;

/// A step to take.
#[derive(Clone, Debug)]
pub struct Step {
    /// Name of the API or product.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The step.
    pub action: Action,
    /// Older versions that serve are deprecated.
    pub deprecate_old_versions: bool,
    /// Subscriptions are not taken along.
    pub require_resubscription: bool,
    /// Why, for the history.
    pub reason: String,
}

/// A step that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Where it is now.
    pub state: Life,
    /// The revision of the change.
    pub revision: Revision,
    /// The versions that were deprecated.
    pub deprecated: Vec<ResourceKey>,
    /// How many subscriptions were taken along.
    pub subscriptions: usize,
}

/// What a step would change.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Whose life it is.
    pub key: ResourceKey,
    /// Where it is now.
    pub from: Life,
    to: Life,
    upserts: Vec<Resource>,
    deprecated: Vec<ResourceKey>,
    subscriptions: Vec<Resource>,
}

/// Takes a step; `requests` are written in the same transaction.
pub async fn take(
    manager: &Manager,
    by: &Caller,
    step: &Step,
    requests: &[Resource],
) -> Result<Taken, ManageError> {
    let mut last = ManageError::Busy;
    for _ in 0..ATTEMPTS {
        let state = current(manager.catalog())?;
        let prepared = prepared(&state, step)?;
        match commit(manager, by, step, prepared, requests).await {
            // Whoever has read another revision of a request decides about that.
            Err(ManageError::Stale { key, expected, found, changed })
                if !requests.iter().any(|one| plan::key(one).as_ref() == Some(&key)) =>
            {
                last = ManageError::Stale { key, expected, found, changed };
            }
            other => return other,
        }
    }
    Err(last)
}

async fn commit(
    manager: &Manager,
    by: &Caller,
    step: &Step,
    prepared: Prepared,
    requests: &[Resource],
) -> Result<Taken, ManageError> {
    let Prepared { to, mut upserts, deprecated, subscriptions, .. } = prepared;
    let taken_along = subscriptions.len();
    let (first, rest) = subscriptions.split_at(taken_along.saturating_sub(AT_ONCE));
    for part in first.chunks(AT_ONCE) {
        let wanted =
            Wanted { upserts: part.to_vec(), reason: step.reason.clone(), ..Wanted::default() };
        manager.change(by, wanted).await?;
    }
    upserts.extend(rest.iter().cloned());
    let (requests, reason) = (requests.to_vec(), step.reason.clone());
    let wanted = Wanted { upserts, reason, requests, ..Wanted::default() };
    let changed = manager.change(by, wanted).await?;
    Ok(Taken { state: to, revision: changed.revision, deprecated, subscriptions: taken_along })
}

/// Whose life a step is about.
pub fn found(state: &State, step: &Step) -> Result<ResourceKey, ManageError> {
    key_of(state, &step.name, &step.version)
}

/// What a step would change in this state; refused where it may not be taken.
pub fn prepared(state: &Arc<State>, step: &Step) -> Result<Prepared, ManageError> {
    let key = key_of(state, &step.name, &step.version)?;
    // What is shown carries its revision, so a change in between is noticed.
    let missing = || ManageError::NotFound(key.clone());
    let mut resource = shown(state, &key).ok_or_else(missing)?;
    let from = life_of(&resource).ok_or_else(missing)?;
    let to = step.action.from(from).ok_or_else(|| not_from(&key, step.action, from))?;
    let first = to == Life::Published && matches!(from, Life::Created | Life::Prototyped);
    check_list(&key, step, first)?;
    let mut upserts = Vec::new();
    let mut subscriptions = Vec::new();
    let own = living(&mut resource).ok_or_else(missing)?;
    *own.lifecycle = to.into();
    if let Some(previous) = own.previous.as_mut().filter(|_| first) {
        let before =
            key.kind().map(|kind| ResourceKey::new(kind, &step.name, Some(&previous.version)));
        if !step.require_resubscription && !previous.require_resubscription {
            let all = before.as_ref().map(|before| copies(state, before, &key, own.tiers));
            subscriptions = all.unwrap_or_default();
        }
        if std::mem::take(&mut previous.becomes_default) {
            *own.default_version = true;
            let context = own.context.to_owned();
            upserts.extend(default_before(state, &key, &context));
        }
    }
    let deprecated =
        if step.deprecate_old_versions { old_versions(state, &key) } else { Vec::new() };
    for old in &deprecated {
        deprecate(state, old, &mut upserts);
    }
    upserts.push(resource);
    Ok(Prepared { key, from, to, upserts, deprecated, subscriptions })
}

/// The older versions that serve now.
pub(super) fn old_versions(state: &State, key: &ResourceKey) -> Vec<ResourceKey> {
    let version = key.version().unwrap_or_default();
    let serves = |other: &ResourceKey| {
        let held = state.objects.get(other);
        held.and_then(|held| life_of(held.resource()?.as_ref())) == Some(Life::Published)
    };
    let mut all = other_versions(state, key);
    all.retain(|other| is_older(other.version().unwrap_or_default(), version) && serves(other));
    all
}

/// The subscriptions that a first publication would take along, were it not told otherwise.
pub(super) fn carried(state: &State, key: &ResourceKey) -> Vec<ResourceKey> {
    let Some(mut resource) = shown(state, key) else { return Vec::new() };
    let own = living(&mut resource).and_then(|own| own.previous.clone());
    let before = own.zip(key.kind());
    before.map_or_else(Vec::new, |(previous, kind)| {
        let from = ResourceKey::new(kind, key.name(), Some(&previous.version));
        subscriptions_to(state, &from)
    })
}

/// The version that is the default one of the context now, which it is no more.
fn default_before(state: &State, key: &ResourceKey, context: &str) -> Vec<Resource> {
    let mut changed = Vec::new();
    for other in other_versions(state, key) {
        let Some(mut resource) = shown(state, &other) else { continue };
        if let Some(own) = living(&mut resource)
            && *own.default_version
            && own.context == context
        {
            *own.default_version = false;
            changed.push(resource);
        }
    }
    changed
}

/// Deprecates `old` in what is written of it already, or in what is stored.
fn deprecate(state: &State, old: &ResourceKey, upserts: &mut Vec<Resource>) {
    let at = upserts.iter().position(|one| plan::key(one).as_ref() == Some(old));
    let held = at.map(|at| upserts.swap_remove(at)).or_else(|| shown(state, old));
    let Some(mut resource) = held else { return };
    if let Some(own) = living(&mut resource) {
        *own.lifecycle = Life::Deprecated.into();
    }
    upserts.push(resource);
}

fn not_from(key: &ResourceKey, action: Action, from: Life) -> ManageError {
    let allowed: Vec<&str> = steps(from).map(|(action, _)| action.name()).collect();
    ManageError::OutOfTurn(vec![Problem {
        resource: key.to_string(),
        field: "action".to_owned(),
        reason: format!("{} is no step from {}", action.name(), from.as_str_name()),
        suggestion: match allowed.as_slice() {
            [] => "it is the end: make a new version".to_owned(),
            allowed => format!("what may be done is {}", allowed.join(", ")),
        },
        ..Problem::default()
    }])
}

/// The items of the check-list belong to a first publication.
fn check_list(key: &ResourceKey, step: &Step, first: bool) -> Result<(), ManageError> {
    let items = [
        ("deprecateOldVersions", step.deprecate_old_versions),
        ("requireResubscription", step.require_resubscription),
    ];
    let problem = |field: &str| Problem {
        resource: key.to_string(),
        field: field.to_owned(),
        reason: "it belongs to a publication of what is CREATED or PROTOTYPED".to_owned(),
        suggestion: "leave it out".to_owned(),
        ..Problem::default()
    };
    let problems: Vec<Problem> = items
        .iter()
        .filter(|(_, asked)| *asked && !first)
        .map(|(field, _)| problem(field))
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(ManageError::Refused(problems)) }
}
