//! Which fields do policies, the endpoint's credential and what the backend is told of the caller drop
//! and add, all together?
//!
//! The gateway has the last word: what it writes of its own accord, nobody else says.

use plan::CredentialPlan;

use super::super::assertion::Told;
use super::credential::{Shown, writes};
use crate::http1::field;
use crate::policies::RequestRules;
use crate::sender::Rules;

/// What is done to the fields of a request while they are written.
pub(in crate::upstream) struct Fields<'a> {
    pub(in crate::upstream) policies: Option<RequestRules<'a>>,
    pub(in crate::upstream) credential: Option<&'a CredentialPlan>,
    pub(in crate::upstream) shown: Option<&'a Shown<'a>>,
    pub(in crate::upstream) told: Option<&'a Told<'a>>,
}

impl Fields<'_> {
    /// These, where anything is done at all.
    pub(in crate::upstream) fn rules(&self) -> Option<&dyn Rules> {
        let any = self.policies.is_some() || self.shown.is_some() || self.told.is_some();
        any.then_some(self)
    }

    fn shows(&self, name: &str) -> bool {
        self.credential.is_some_and(|plan| writes(plan, name))
            || self.told.is_some_and(|told| told.name == name)
    }
}

impl Rules for Fields<'_> {
    fn drops(&self, name: &str) -> bool {
        self.policies.as_ref().is_some_and(|policies| policies.drops(name)) || self.shows(name)
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some(policies) = &self.policies {
            policies.write_except(&|name| self.shows(name), out);
        }
        if let Some(told) = self.told {
            field(out, told.name.as_str(), told.value.as_bytes());
        }
        // Last, because a signature covers what stands before it.
        if let Some(shown) = self.shown {
            shown.write(out);
        }
    }
}
