//! May somebody make this change, and what did they mean by what they left out?
//!
//! The one place that is asked before anything is stored, whichever way the change came: gRPC, REST,
//! several at once, or a state of before. What somebody may not see is for them not there, so an error
//! says the same of it as of what is not there.

use std::borrow::Cow;
use std::collections::BTreeSet;

use plan::{Kind, Objects, Problem, Resource, ResourceKey};
use turnpike_proto::config::v1::resource::Resource as Any;

use super::caller::Caller;
use super::rights::{Access, may};
use super::role::Role;
use super::sight::Sight;

/// Stands in place of what is hidden.
const HIDDEN: &str = "something that you may not see";

/// Why somebody may not.
#[derive(Clone, Debug, PartialEq)]
pub enum Denied {
    /// For them it is not there.
    Hidden(ResourceKey),
    /// They may look at it, or know that there is such a kind, and no more.
    Forbidden(String),
    /// Something in it is not theirs to say.
    Refused(Vec<Problem>),
}

/// The resources as `by` wants them stored over `objects`, or why not. `makes_keys`: the keys of
/// applications among them were registered here.
pub fn permit<'r>(
    by: &Caller,
    objects: &Objects,
    upserts: Vec<Resource>,
    removals: impl IntoIterator<Item = &'r ResourceKey>,
    makes_keys: bool,
) -> Result<Vec<Resource>, Denied> {
    if by.may_everything() {
        return Ok(upserts);
    }
    for key in removals {
        let stored = stored(objects, key).filter(|stored| by.sees(stored) != Sight::Nothing);
        let stored = stored.ok_or_else(|| Denied::Hidden(key.clone()))?;
        if !by.may_change(&stored) {
            return Err(forbidden(key));
        }
    }
    let over = Over { objects, together: together(&upserts), makes_keys };
    let (mut wanted, mut problems) = (Vec::with_capacity(upserts.len()), Vec::new());
    for resource in upserts {
        match over.permit(by, resource) {
            Ok(resource) => wanted.push(resource),
            Err(Denied::Refused(found)) => problems.extend(found),
            Err(denied) => return Err(denied),
        }
    }
    if problems.is_empty() { Ok(wanted) } else { Err(Denied::Refused(problems)) }
}

/// Those of the resources that `by` may store over `objects`, as they want them, and why not the others. What
/// names one of the others is among these where `by` does not see a stored one of that name.
pub fn permit_good(
    by: &Caller,
    objects: &Objects,
    mut upserts: Vec<Resource>,
) -> (Vec<Resource>, Vec<Problem>) {
    let mut problems = Vec::new();
    if by.may_everything() {
        return (upserts, problems);
    }
    loop {
        let over = Over { objects, together: together(&upserts), makes_keys: false };
        let count = upserts.len();
        let mut good = Vec::with_capacity(count);
        for resource in upserts {
            let key = plan::key(&resource);
            match over.permit(by, resource) {
                Ok(resource) => good.push(resource),
                Err(Denied::Refused(found)) => problems.extend(found),
                Err(Denied::Forbidden(reason)) => problems.push(not_yours(key.as_ref(), reason)),
                Err(Denied::Hidden(hidden)) => {
                    problems.push(not_yours(key.as_ref(), format!("there is no {hidden}")));
                }
            }
        }
        if good.len() == count {
            return (good, problems);
        }
        upserts = good;
    }
}

fn together(upserts: &[Resource]) -> BTreeSet<ResourceKey> {
    upserts.iter().filter_map(plan::key).collect()
}

fn not_yours(key: Option<&ResourceKey>, reason: String) -> Problem {
    Problem {
        resource: key.map(ResourceKey::to_string).unwrap_or_default(),
        reason,
        suggestion: "leave it out, or have somebody apply it who may".to_owned(),
        ..Problem::default()
    }
}

/// What a change is made over.
struct Over<'o> {
    objects: &'o Objects,
    /// The keys of what is written with it.
    together: BTreeSet<ResourceKey>,
    makes_keys: bool,
}

impl Over<'_> {
    /// One resource as `by` wants it stored, or why not.
    fn permit(&self, by: &Caller, resource: Resource) -> Result<Resource, Denied> {
        // What has no name is refused by the admission, which says it better.
        let Some(key) = plan::key(&resource) else { return Ok(resource) };
        let before = stored(self.objects, &key);
        check_stored(by, &key, before.as_ref())?;
        let resource = completed(by, resource, before.as_ref());
        let mut problems = Vec::new();
        let mut told = Told { key: &key, problems: &mut problems };
        check_owner(by, &resource, before.as_ref(), &mut told);
        if !self.makes_keys {
            check_keys(by, &resource, before.as_ref(), &mut told);
        }
        check_references(by, self.objects, &self.together, &resource, &mut told);
        if !problems.is_empty() {
            return Err(Denied::Refused(problems));
        }
        if by.may_change(&resource) { Ok(resource) } else { Err(forbidden(&key)) }
    }
}

/// Whether somebody may remove what is stored under a key.
pub fn may_remove(by: &Caller, objects: &Objects, key: &ResourceKey) -> bool {
    by.may_everything() || stored(objects, key).is_some_and(|stored| by.may_change(&stored))
}

/// The same problems, without what they say of resources that `by` may not see. `own`: what `by` writes.
pub fn told(
    by: &Caller,
    objects: &Objects,
    own: &BTreeSet<ResourceKey>,
    problems: Vec<Problem>,
) -> Vec<Problem> {
    if by.may_everything() {
        return problems;
    }
    let hidden = |key: &ResourceKey| !own.contains(key) && is_hidden(by, objects, key);
    let mut told: Vec<Problem> = Vec::with_capacity(problems.len());
    for mut problem in problems {
        if hidden(&ResourceKey::from_wire(&problem.resource)) {
            let reason = format!("the change does not fit to {HIDDEN}");
            problem = Problem { reason, ..Problem::default() };
        } else {
            problem.reason = veiled(&problem.reason, &hidden);
            problem.suggestion = veiled(&problem.suggestion, &hidden);
            if suggested(&problem.suggestion).is_some_and(|id| {
                Kind::ALL.iter().any(|kind| hidden(&ResourceKey::of_id(*kind, id)))
            }) {
                problem.suggestion.clear();
            }
        }
        if !told.contains(&problem) {
            told.push(problem);
        }
    }
    told
}

fn stored(objects: &Objects, key: &ResourceKey) -> Option<Resource> {
    objects.get(key).and_then(|object| object.resource().map(Cow::into_owned))
}

fn is_hidden(by: &Caller, objects: &Objects, key: &ResourceKey) -> bool {
    let Some(object) = objects.get(key) else { return false };
    object.resource().is_none_or(|resource| by.sees(&resource) == Sight::Nothing)
}

fn forbidden(key: &ResourceKey) -> Denied {
    Denied::Forbidden(format!("you may not change {key}"))
}

fn unknown() -> Denied {
    Denied::Forbidden("you may not write what has no name".to_owned())
}

fn check_stored(by: &Caller, key: &ResourceKey, before: Option<&Resource>) -> Result<(), Denied> {
    let kind = key.kind().ok_or_else(unknown)?;
    if !by.limits().admit_kind(kind, Access::Write) {
        return Err(Denied::Forbidden(format!("you may not write any {kind}")));
    }
    match before.map(|before| (by.sees(before), by.may_change(before))) {
        None if by.roles().has_any(may(kind, Access::Write)) => Ok(()),
        None => Err(Denied::Forbidden(format!("you may not write any {kind}"))),
        // Names are one for all tenants; that this one is taken is all that is said of it.
        Some((Sight::Nothing, _)) => Err(Denied::Refused(vec![Problem {
            resource: key.to_string(),
            field: "metadata.name".to_owned(),
            reason: "the name is taken".to_owned(),
            suggestion: "choose another one".to_owned(),
            ..Problem::default()
        }])),
        Some((_, true)) => Ok(()),
        Some((_, false)) => Err(forbidden(key)),
    }
}

/// What its writer left out: whose it is, and what is not for them to say.
fn completed(by: &Caller, mut resource: Resource, before: Option<&Resource>) -> Resource {
    let is_admin = by.roles().has(Role::Admin);
    let old = before.and_then(plan::metadata);
    if let Some(new) = plan::metadata_mut(&mut resource) {
        if new.owner.is_empty() {
            let owner = old.map_or_else(|| by.user(), |old| &old.owner);
            owner.clone_into(&mut new.owner);
        }
        if new.tenant.is_empty() {
            let tenant = old.map_or_else(|| by.tenant(), |old| &old.tenant);
            tenant.clone_into(&mut new.tenant);
        }
        if let Some(old) = old.filter(|old| new.access.is_none() && !is_admin && !by.owns(old)) {
            new.access.clone_from(&old.access);
        }
    }
    if let Some(Any::Application(new)) = &mut resource.resource
        && let Some(new) = new.spec.as_mut()
        && let Some(Any::Application(old)) = before.and_then(|before| before.resource.as_ref())
        && let Some(old) = &old.spec
        && new.state == 0
        && !is_admin
    {
        new.state = old.state;
    }
    if let Some(Any::Subscription(new)) = &mut resource.resource
        && let Some(new) = new.spec.as_mut()
        && let Some(Any::Subscription(old)) = before.and_then(|before| before.resource.as_ref())
        && let Some(old) = &old.spec
        && new.state == 0
        && !is_admin
    {
        // Whoever was blocked does not unblock themselves by saying nothing.
        new.state = old.state;
    }
    resource
}

struct Told<'t> {
    key: &'t ResourceKey,
    problems: &'t mut Vec<Problem>,
}

impl Told<'_> {
    fn add(&mut self, field: &str, reason: impl Into<String>, suggestion: &str) {
        self.problems.push(Problem {
            resource: self.key.to_string(),
            field: field.to_owned(),
            reason: reason.into(),
            suggestion: suggestion.to_owned(),
            ..Problem::default()
        });
    }
}

/// Whose it is, whom it is shared with, and whether a right holds: nobody raises themselves by writing it.
fn check_owner(by: &Caller, resource: &Resource, before: Option<&Resource>, told: &mut Told<'_>) {
    let Some(new) = plan::metadata(resource) else { return };
    let old = before.and_then(plan::metadata);
    let is_admin = by.roles().has(Role::Admin);
    if new.tenant != old.map_or_else(|| by.tenant(), |old| &old.tenant)
        && !(is_admin && by.is_of_operator())
    {
        told.add("metadata.tenant", "only the operator's administrators choose it", "leave it out");
    }
    match old {
        _ if is_admin => {}
        Some(old) if new.owner == old.owner => {}
        Some(old) if !by.owns(old) => {
            told.add("metadata.owner", "only its owner hands it over", "leave it out");
        }
        _ if by.is_named(&new.owner) => {}
        _ => {
            let suggestion = "leave it out, or name one of your teams as `team:NAME`";
            told.add("metadata.owner", "only administrators name somebody else", suggestion);
        }
    }
    if let Some(old) = old.filter(|old| new.access != old.access)
        && !is_admin
        && !by.owns(old)
    {
        told.add("metadata.access", "only its owner shares it", "leave it out");
    }
    let state = |resource: &Resource| match &resource.resource {
        Some(Any::Subscription(one)) => one.spec.as_ref().map_or(0, |spec| spec.state),
        Some(Any::Application(one)) => one.spec.as_ref().map_or(0, |spec| spec.state),
        _ => 0,
    };
    if state(resource) != before.map_or(0, state) && !is_admin {
        told.add("spec.state", "only administrators change it", "leave it out");
    }
}

/// A client of somebody else, entered into one's own application, would call in its name.
fn check_keys(by: &Caller, resource: &Resource, before: Option<&Resource>, told: &mut Told<'_>) {
    let Some(Any::Application(new)) = &resource.resource else { return };
    let old = match before.and_then(|before| before.resource.as_ref()) {
        Some(Any::Application(old)) => old.spec.as_ref(),
        _ => None,
    };
    let keys = new.spec.iter().flat_map(|spec| &spec.keys);
    for (index, key) in keys.enumerate() {
        let known = old.is_some_and(|old| old.keys.contains(key));
        if !known && !by.roles().has(Role::Admin) {
            let suggestion = "leave them out, and ask for one with `turnpike keys generate`";
            let reason = "only administrators enter clients by hand";
            told.add(&format!("spec.keys[{index}]"), reason, suggestion);
        }
    }
}

/// What a resource names has to be there for its writer; the application of a subscription has to be
/// theirs.
fn check_references(
    by: &Caller,
    objects: &Objects,
    together: &BTreeSet<ResourceKey>,
    resource: &Resource,
    told: &mut Told<'_>,
) {
    for plan::Reference { to, field } in plan::references(resource) {
        let Some(kind) = to.kind() else { continue };
        if together.contains(&to) || plan::is_built_in(&to) || to.id().is_empty() {
            continue;
        }
        let theirs = kind == Kind::Application;
        let there = stored(objects, &to).is_some_and(|it| {
            if theirs { by.may_change(&it) } else { by.sees(&it) != Sight::Nothing }
        });
        if !there {
            told.add(&field, format!("there is no {kind} `{}`", to.id()), "");
        }
    }
}

/// A sentence in which hidden resources have no names.
fn veiled(text: &str, hidden: &impl Fn(&ResourceKey) -> bool) -> String {
    // How many others there are says something of those that are hidden.
    if text.ends_with("others refer to it") || text.ends_with("one other refer to it") {
        return "others refer to it".to_owned();
    }
    let edge = |letter: char| matches!(letter, '`' | ',' | ';' | '"' | '\'' | '(' | ')');
    let mut said = String::with_capacity(text.len());
    for part in text.split_inclusive(' ') {
        let word = part.trim_end();
        let name = word.trim_matches(edge);
        if name.contains('/') && hidden(&ResourceKey::from_wire(name)) {
            said.push_str(&part.replacen(name, HIDDEN, 1));
        } else {
            said.push_str(part);
        }
    }
    said
}

/// What a suggestion takes to be meant.
fn suggested(suggestion: &str) -> Option<&str> {
    suggestion.strip_prefix("did you mean `")?.strip_suffix("`?")
}

#[cfg(test)]
#[path = "permit_tests.rs"]
mod tests;
