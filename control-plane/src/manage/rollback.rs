//! How does a resource, or everything, become what it was?
//!
//! By a new change that is admitted like any other. What must not come back does not: an application
//! keeps the keys that it has now, since one that was ended must stay so, and whether it was approved;
//! what somebody has decided stays decided; and values of secrets were never kept. For a tenant only its
//! own is there, then and now; what has changed hands since is given back by the operator alone.

use std::sync::Arc;

use plan::{Kind, Problem, Resource, ResourceKey};
use turnpike_proto::config::v1::resource::Resource as Any;

use super::change::{Changed, Manager, Removal, Wanted};
use super::error::ManageError;
use super::past;
use super::read::current;
use super::view::revision;
use crate::catalog::State;
use crate::history::{Forms, forms_at, shown_form};
use crate::people::Caller;
use crate::store::Revision;

/// How often it starts again because something was changed meanwhile.
const ATTEMPTS: usize = 5;

/// What should be as it was.
#[derive(Clone, Debug)]
pub struct Rollback {
    /// Which resource; none: all.
    pub key: Option<ResourceKey>,
    /// As of when.
    pub revision: Revision,
    /// Only look what would change.
    pub dry_run: bool,
    /// Why; empty: no words were given.
    pub reason: String,
    /// Leave secrets as they are.
    pub keep_secrets: bool,
}

/// Puts it back as `by` wants it.
pub async fn rollback(
    by: &Caller,
    manager: &Manager,
    wanted: &Rollback,
) -> Result<Changed, ManageError> {
    let mut last = ManageError::Busy;
    for _ in 0..ATTEMPTS {
        let state = current(manager.catalog())?;
        let store = manager.journal().store();
        let forms = forms_at(store, &state, wanted.revision, wanted.key.as_ref()).await?;
        let change = change(by, &state, &forms, wanted)?;
        last = match manager.change(by, change).await {
            Err(error @ ManageError::Moved { .. }) => error,
            done => return done,
        };
    }
    Err(last)
}

fn change(
    by: &Caller,
    state: &Arc<State>,
    forms: &Forms,
    wanted: &Rollback,
) -> Result<Wanted, ManageError> {
    let (mut upserts, mut removals, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let keys: Vec<&ResourceKey> = match &wanted.key {
        Some(key) => vec![key],
        // What somebody was asked, and has decided, does not come back.
        None => forms.touched().filter(|key| key.kind() != Some(Kind::WorkflowRequest)).collect(),
    };
    if let Some(key) = wanted.key.as_ref().filter(|key| !is_of_files(key)) {
        return Err(ManageError::Refused(vec![decided(key)]));
    }
    for key in keys.into_iter().filter(|key| is_of_files(key)) {
        let now = past::form(by, shown_form(state, key));
        let then = past::form(by, forms.of(key));
        if then.is_none() && (now.is_none() || forms.was_there(key)) {
            if wanted.key.is_some() {
                return Err(ManageError::NotFound(key.clone()));
            }
            continue;
        }
        let is_for_them = then.as_ref().or(now.as_ref()).is_some_and(|it| by.may_change(it));
        if wanted.key.is_none() && !is_for_them {
            continue;
        }
        let Some(then) = then else {
            if !(wanted.keep_secrets && is_secret(key)) {
                removals.push(Removal { key: key.clone(), revision: revision(state, key) });
            }
            continue;
        };
        if is_secret(key) && digest(&then) != now.as_ref().and_then(digest) {
            if !wanted.keep_secrets {
                problems.push(lost_value(key));
            }
            continue;
        }
        let last = now.or_else(|| Some(of_same_tenant(forms.last_of(key)?, &then)));
        upserts.push(with_keys(then, last.as_ref()));
    }
    if !problems.is_empty() {
        return Err(ManageError::Refused(problems));
    }
    let mut reason = format!("rollback to revision {}", wanted.revision);
    if !wanted.reason.is_empty() {
        reason = format!("{reason}: {}", wanted.reason);
    }
    let (dry_run, at) = (wanted.dry_run, Some(state.revision));
    // Where a Workflow asks somebody, the past is no way around it.
    let (restores, asks) = (true, !by.may_everything());
    Ok(Wanted { upserts, removals, dry_run, at, reason, restores, asks, ..Wanted::default() })
}

/// Whether people write it: the rest tells what was decided, and when.
fn is_of_files(key: &ResourceKey) -> bool {
    key.kind().is_none_or(plan::Kind::is_of_files)
}

fn decided(key: &ResourceKey) -> Problem {
    Problem {
        resource: key.to_string(),
        reason: "what was decided stays decided".to_owned(),
        suggestion: "put back what it was about".to_owned(),
        ..Problem::default()
    }
}

fn is_secret(key: &ResourceKey) -> bool {
    key.kind() == Some(Kind::Secret)
}

/// Of a secret's value.
fn digest(secret: &Resource) -> Option<String> {
    match &secret.resource {
        Some(Any::Secret(secret)) => Some(secret.spec.as_ref()?.sha256.clone()),
        _ => None,
    }
}

fn lost_value(key: &ResourceKey) -> Problem {
    Problem {
        resource: key.to_string(),
        field: "spec.value".to_owned(),
        reason: "its value was another one then, and values are not kept".to_owned(),
        suggestion: "put the value first, or roll back with --keep-secrets".to_owned(),
        ..Problem::default()
    }
}

/// The form that went last; without its keys where another tenant had taken the name.
fn of_same_tenant(mut last: Resource, then: &Resource) -> Resource {
    let tenant = |one: &Resource| plan::metadata(one).map(|metadata| metadata.tenant.clone());
    let same = tenant(&last) == tenant(then);
    if let Some(Any::Application(application)) = &mut last.resource
        && let Some(spec) = application.spec.as_mut().filter(|_| !same)
    {
        spec.keys.clear();
        spec.api_keys.clear();
    }
    last
}

/// An application with the keys that it has now, or had last, and approved as it is.
fn with_keys(mut then: Resource, now: Option<&Resource>) -> Resource {
    let now = now.and_then(|now| now.resource.as_ref());
    if let (Some(Any::Application(then)), Some(Any::Application(now))) = (&mut then.resource, now)
        && let Some(spec) = &mut then.spec
    {
        let now = now.spec.clone().unwrap_or_default();
        spec.keys = now.keys;
        spec.api_keys = now.api_keys;
        spec.state = now.state;
    }
    then
}
