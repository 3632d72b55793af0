//! Which header fields does an operation drop and add?
//!
//! For a request the added fields are written into its head while that is written, so there is no
//! second header map; an answer's map is changed in place.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use plan::{HeaderRules, Template};

use super::facts::Facts;
use crate::handlers::Permit;
use crate::sender::Rules;

/// The rules for a request, with what its values are made of.
#[derive(Debug)]
pub struct RequestRules<'a> {
    rules: &'a HeaderRules,
    facts: Facts<'a>,
}

impl<'a> RequestRules<'a> {
    /// `rules` for the call that `facts` are of.
    pub const fn new(rules: &'a HeaderRules, facts: Facts<'a>) -> Self {
        Self { rules, facts }
    }

    /// The fields that are added, for who writes them otherwise than as lines.
    pub fn added(&self) -> impl Iterator<Item = (&'a HeaderName, HeaderValue)> {
        let made = |(name, value)| Some((name, self.facts.value(value)?));
        self.rules.added().iter().map(|(name, value)| (name, value)).filter_map(made)
    }
}

impl Rules for RequestRules<'_> {
    fn drops(&self, name: &str) -> bool {
        self.rules.drops(name)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.write_except(&|_| false, out);
    }
}

impl RequestRules<'_> {
    /// Writes the fields that are added as lines, but for those whose name `besides` claims.
    pub fn write_except(&self, besides: &dyn Fn(&str) -> bool, out: &mut Vec<u8>) {
        for (name, value) in self.rules.added().iter().filter(|(name, _)| !besides(name.as_str())) {
            let start = out.len();
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            let value_at = out.len();
            match value {
                Template::Fixed(value) => out.extend_from_slice(value.as_bytes()),
                Template::Parts(parts) => self.facts.write(parts, out),
            }
            if out.len() == value_at {
                // What came out empty is left out.
                out.truncate(start);
            } else {
                out.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// Whether the operation changes its answers at all.
pub fn change_answers(permit: &Permit<'_>) -> bool {
    let policies = permit.matched().operation().policies.as_ref();
    policies.is_some_and(|it| !(it.response.dropped().is_empty() && it.response.added().is_empty()))
}

/// Changes the fields of a backend's answer as the operation's policies say.
pub fn change_answer(facts: &Facts<'_>, headers: &mut HeaderMap) {
    let Some(policies) = &facts.permit.matched().operation().policies else { return };
    for name in policies.response.dropped() {
        headers.remove(name);
    }
    for (name, value) in policies.response.added() {
        if let Some(value) = facts.value(value) {
            headers.append(HeaderName::clone(name), value);
        }
    }
}

impl Facts<'_> {
    /// The value for this call; `None` where it comes out empty.
    fn value(&self, value: &Template) -> Option<HeaderValue> {
        match value {
            Template::Fixed(value) => Some(value.clone()),
            Template::Parts(parts) => {
                let mut bytes = Vec::with_capacity(64);
                self.write(parts, &mut bytes);
                let value = HeaderValue::from_maybe_shared(Bytes::from(bytes)).ok()?;
                (!value.is_empty()).then_some(value)
            }
        }
    }
}
