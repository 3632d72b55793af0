//! How much of the past does somebody get to see?
//!
//! Whoever looks after the operator's all of it. A tenant's people what was their tenant's while it was: a
//! transaction may be of several tenants, and is then told to each as if it had touched no other's. What a
//! version wrote that did not keep whose a resource was is the operator's to see.

use bytes::Bytes;
use plan::Resource;

use crate::history::{Action, Past, Touched};
use crate::people::Caller;
use crate::store::Note;

/// A transaction as far as `by` may know of it; none: it touched nothing of theirs.
pub(super) fn transaction(by: &Caller, mut past: Past) -> Option<Past> {
    if !by.sees_everything() {
        let tenant = by.tenant();
        if !by.sees_past_of(tenant) {
            return None;
        }
        past.note = note(tenant, &past);
        past.touched.retain_mut(|one| is_theirs(tenant, one));
    }
    for one in &mut past.touched {
        if !one.key.kind().is_some_and(|kind| by.looks_at(kind)) {
            one.digest = Bytes::new();
        }
    }
    (!past.touched.is_empty()).then_some(past)
}

/// Who made a transaction, when and why, for somebody who writes what it changed.
pub(super) fn note_to_writer(by: &Caller, past: Past) -> Note {
    if by.is_of_operator() { past.note } else { note(by.tenant(), &past) }
}

fn note(tenant: &str, past: &Past) -> Note {
    let mut note = past.note.clone();
    if !past.touched.iter().all(|one| one.is_all_of(tenant)) {
        // Why it was done may speak of others.
        note.reason.clear();
        note.traceparent.clear();
    }
    note
}

/// Whether the tenant is told of it; what it was while it was somebody else's is taken out.
fn is_theirs(tenant: &str, one: &mut Touched) -> bool {
    let Some(action) = one.seen_from(tenant) else { return false };
    if action != one.action {
        match action {
            Action::Created => one.former_revision = 0,
            Action::Updated | Action::Deleted => one.digest = Bytes::new(),
        }
        one.action = action;
    }
    true
}

/// A resource as it was, where `by` may see it; else it was not there for them.
pub(super) fn form(by: &Caller, form: Option<Resource>) -> Option<Resource> {
    form.filter(|form| by.sees_past(form))
}
