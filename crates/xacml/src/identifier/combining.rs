//! What becomes of several decisions?

/// An algorithm that makes one decision of several (appendix C). Rules and policies have identifiers of
/// their own for the same algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Combining {
    /// One Deny is Deny.
    DenyOverrides,
    /// The same, in the order of the document.
    OrderedDenyOverrides,
    /// One Permit is Permit.
    PermitOverrides,
    /// The same, in the order of the document.
    OrderedPermitOverrides,
    /// Permit if one says so, otherwise Deny.
    DenyUnlessPermit,
    /// Deny if one says so, otherwise Permit.
    PermitUnlessDeny,
    /// The first that applies decides.
    FirstApplicable,
    /// The only one that applies decides; policies alone.
    OnlyOneApplicable,
    /// As of XACML 1.0, with other rules for what is indeterminate (C.10 and following).
    LegacyDenyOverrides,
    /// The same, in the order of the document.
    LegacyOrderedDenyOverrides,
    /// As of XACML 1.0, with other rules for what is indeterminate.
    LegacyPermitOverrides,
    /// The same, in the order of the document.
    LegacyOrderedPermitOverrides,
}

/// The version in the identifier, and the name at its end.
const ALL: [(Combining, &str, &str); 12] = [
    (Combining::DenyOverrides, "3.0", "deny-overrides"),
    (Combining::OrderedDenyOverrides, "3.0", "ordered-deny-overrides"),
    (Combining::PermitOverrides, "3.0", "permit-overrides"),
    (Combining::OrderedPermitOverrides, "3.0", "ordered-permit-overrides"),
    (Combining::DenyUnlessPermit, "3.0", "deny-unless-permit"),
    (Combining::PermitUnlessDeny, "3.0", "permit-unless-deny"),
    (Combining::FirstApplicable, "1.0", "first-applicable"),
    (Combining::OnlyOneApplicable, "1.0", "only-one-applicable"),
    (Combining::LegacyDenyOverrides, "1.0", "deny-overrides"),
    (Combining::LegacyOrderedDenyOverrides, "1.1", "ordered-deny-overrides"),
    (Combining::LegacyPermitOverrides, "1.0", "permit-overrides"),
    (Combining::LegacyOrderedPermitOverrides, "1.1", "ordered-permit-overrides"),
];

impl Combining {
    /// The algorithm for rules with this identifier.
    pub fn of_rules(identifier: &str) -> Option<Self> {
        find(identifier, "rule").filter(|found| *found != Self::OnlyOneApplicable)
    }

    /// The algorithm for policies with this identifier.
    pub fn of_policies(identifier: &str) -> Option<Self> {
        find(identifier, "policy")
    }

    pub(crate) fn known_of_rules() -> impl Iterator<Item = String> {
        let of_rules = ALL.into_iter().filter(|(one, ..)| *one != Self::OnlyOneApplicable);
        of_rules.map(|(_, version, name)| identifier(version, "rule", name))
    }

    pub(crate) fn known_of_policies() -> impl Iterator<Item = String> {
        ALL.into_iter().map(|(_, version, name)| identifier(version, "policy", name))
    }
}

fn find(given: &str, of: &str) -> Option<Combining> {
    let (version, rest) = given.strip_prefix("urn:oasis:names:tc:xacml:")?.split_once(':')?;
    let name = rest.strip_prefix(of)?.strip_prefix("-combining-algorithm:")?;
    let is_it = |(_, at, known): &(Combining, &str, &str)| *at == version && *known == name;
    ALL.into_iter().find(is_it).map(|(found, ..)| found)
}

fn identifier(version: &str, of: &str, name: &str) -> String {
    format!("urn:oasis:names:tc:xacml:{version}:{of}-combining-algorithm:{name}")
}
