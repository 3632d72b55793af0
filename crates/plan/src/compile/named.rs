//! What is in the resources that another one names?
//!
//! A resource is first compiled by itself, when nothing else is at hand, and then with those that it
//! names. What is missing or wrong there is a problem of the one that names it.

use std::fmt;

use bytes::Bytes;
use turnpike_proto::config::v1::XacmlPolicySet;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::tier_spec::Level;

use super::built_in::built_in_tier;
use super::certificate::{CertificateForm, compile_certificate};
use super::counters::USUAL_SUBJECTS;
use super::policies::{Rule, compile_policy};
use super::tier::{TierPlan, UNLIMITED, compile_tier};
use crate::objects::Objects;
use crate::problem::{At, Problems, shown};
use crate::resource::{Kind, ResourceKey, is_name};

/// A text that nobody may read who does not need it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Box<str>);

impl SecretText {
    pub(crate) fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever puts it on the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// The resources that may be named; none while a resource is looked at by itself.
#[derive(Clone, Copy)]
pub(crate) struct Named<'o> {
    objects: Option<&'o Objects>,
    subjects: usize,
}

impl<'o> Named<'o> {
    pub(crate) const NONE: Named<'static> = Named { objects: None, subjects: USUAL_SUBJECTS };

    pub(crate) const fn among(objects: &'o Objects) -> Self {
        Self { objects: Some(objects), subjects: USUAL_SUBJECTS }
    }

    /// The same, where so many subjects of one policy are counted at most.
    pub(crate) const fn counting(self, subjects: usize) -> Self {
        Self { subjects, ..self }
    }

    /// How many subjects of one policy are counted at most.
    pub(crate) const fn subjects(self) -> usize {
        self.subjects
    }

    /// Whether what is named can be looked up.
    pub(crate) const fn are_at_hand(self) -> bool {
        self.objects.is_some()
    }

    /// The value of a Secret, without the line end that files leave behind; `None` where it is missing, which is told, or not at hand.
    pub(crate) fn secret(
        self,
        name: &str,
        at: &At<'_>,
        problems: &mut Problems,
    ) -> Option<&'o str> {
        if !check_name(Kind::Secret, name, at, problems) {
            return None;
        }
        match self.find(Kind::Secret, name, at, problems)? {
            Any::Secret(secret) => Some(secret.spec.as_ref()?.value.trim_end_matches(['\r', '\n'])),
            _ => None,
        }
    }

    /// What a Certificate holds.
    pub(crate) fn certificate(
        self,
        name: &str,
        at: &At<'_>,
        problems: &mut Problems,
    ) -> Option<CertificateForm> {
        if !check_name(Kind::Certificate, name, at, problems) {
            return None;
        }
        let Any::Certificate(found) = self.find(Kind::Certificate, name, at, problems)? else {
            return None;
        };
        let form = compile_certificate(found, &mut Problems::default());
        if form.is_none() {
            problems.add(at, format!("Certificate/{name} is not usable"), "");
        }
        form
    }

    /// The rules of a Policy; `None` where it is missing, which is told, or not at hand.
    pub(crate) fn policy(
        self,
        name: &str,
        at: &At<'_>,
        problems: &mut Problems,
    ) -> Option<Vec<Rule>> {
        if !check_name(Kind::Policy, name, at, problems) {
            return None;
        }
        let Any::Policy(found) = self.find(Kind::Policy, name, at, problems)? else { return None };
        let rules = compile_policy(found, &mut Problems::default());
        if rules.is_none() {
            problems.add(at, format!("Policy/{name} is not usable"), "");
        }
        rules
    }

    /// A `XacmlPolicySet`; `None` where it is missing, which is told, or not at hand.
    pub(crate) fn policy_set(
        self,
        name: &str,
        at: &At<'_>,
        problems: &mut Problems,
    ) -> Option<&'o XacmlPolicySet> {
        if !check_name(Kind::XacmlPolicySet, name, at, problems) {
            return None;
        }
        match self.find(Kind::XacmlPolicySet, name, at, problems)? {
            Any::XacmlPolicySet(found) => Some(found),
            _ => None,
        }
    }

    /// The name of the first `XacmlPolicySet` that is meant, for suggestions: among a thousand.
    pub(crate) fn policy_set_that(
        self,
        is_meant: impl Fn(&XacmlPolicySet) -> bool,
    ) -> Option<String> {
        let mut sets = self.objects?.of_kind(Kind::XacmlPolicySet).take(1_000);
        let found =
            sets.find(|object| match object.at_hand().and_then(|it| it.resource.as_ref()) {
                Some(Any::XacmlPolicySet(set)) => is_meant(set),
                _ => false,
            })?;
        Some(found.key().name().to_owned())
    }

    /// What a Policy says, byte for byte; empty where it is missing or not at hand.
    pub(crate) fn policy_bytes(self, name: &str) -> Bytes {
        let key = ResourceKey::of_id(Kind::Policy, name);
        let held = self.objects.and_then(|objects| objects.get(&key));
        held.map(|object| object.bytes().clone()).unwrap_or_default()
    }

    /// A tier of this level; `None` where it is missing, which is told, has no limits, or is not at hand.
    pub(crate) fn tier(
        self,
        name: &str,
        level: Level,
        at: &At<'_>,
        problems: &mut Problems,
    ) -> Option<TierPlan> {
        if name == UNLIMITED || !check_name(Kind::Tier, name, at, problems) {
            return None;
        }
        let key = ResourceKey::of_id(Kind::Tier, name);
        let found = self.objects?.at_hand(&key).and_then(|it| it.resource.as_ref());
        let tier = match found {
            Some(Any::Tier(found)) => {
                let tier = compile_tier(name, found, &mut Problems::default());
                tier.filter(|tier| tier.level == level)
            }
            _ => built_in_tier(name, level),
        };
        if tier.is_none() {
            let reason = format!("there is no tier {name} of level {}", level.as_str_name());
            problems.add(at, reason, "");
        }
        tier
    }

    fn find(self, kind: Kind, name: &str, at: &At<'_>, problems: &mut Problems) -> Option<&'o Any> {
        let key = ResourceKey::of_id(kind, name);
        let found = self.objects?.at_hand(&key).and_then(|resource| resource.resource.as_ref());
        if found.is_none() {
            problems.add(at, format!("there is no {kind}/{name}"), "");
        }
        found
    }
}

fn check_name(kind: Kind, name: &str, at: &At<'_>, problems: &mut Problems) -> bool {
    if name.is_empty() {
        problems.add(at, format!("the name of a {kind} is missing"), "");
    } else if !is_name(name) {
        problems.add(at, format!("`{}` is no name of a {kind}", shown(name)), "");
    } else {
        return true;
    }
    false
}
