//! Which fields do policies and the endpoint's credential drop and add, both together?
//!
//! The credential has the last word: what it writes, nobody else says.

use plan::CredentialPlan;

use super::credential::{Shown, writes};
use crate::policies::RequestRules;
use crate::sender::Rules;

/// What is done to the fields of a request while they are written.
pub(in crate::upstream) struct Fields<'a> {
    pub(in crate::upstream) policies: Option<RequestRules<'a>>,
    pub(in crate::upstream) credential: Option<&'a CredentialPlan>,
    pub(in crate::upstream) shown: Option<&'a Shown<'a>>,
}

impl Fields<'_> {
    /// These, where anything is done at all.
    pub(in crate::upstream) fn rules(&self) -> Option<&dyn Rules> {
        (self.policies.is_some() || self.shown.is_some()).then_some(self)
    }

    fn shows(&self, name: &str) -> bool {
        self.credential.is_some_and(|plan| writes(plan, name))
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
        if let Some(shown) = self.shown {
            shown.write(out);
        }
    }
}
