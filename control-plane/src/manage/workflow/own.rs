//! Is it their own request that somebody means to approve, or to use?
//!
//! A person asks by signing in or by a token of theirs, and is the same person. Whoever administers the
//! installation without being a user is known by a certificate, or not at all: what two certificates
//! asked are two people, and the rest is one.

use turnpike_proto::config::v1::WorkflowRequestSpec;

use super::asked::workflow;
use crate::catalog::State;
use crate::people::{Caller, Shown};

/// The beginning of what administrators are called who have a certificate.
const CERTIFICATE: &str = "admin/";

/// Why `by` does not approve this; none: nothing speaks against it.
pub(super) fn forbids(state: &State, by: &Caller, spec: &WorkflowRequestSpec) -> Option<String> {
    let allowed = workflow(state, &spec.workflow).is_some_and(|workflow| workflow.own_requests);
    (!allowed && is_own(by, spec)).then(|| {
        let (asked, name) = (&spec.asked_by, &spec.workflow);
        format!(
            "{asked} has asked for it, and nobody approves what they asked for: have somebody else decide, \
             or set spec.ownRequests of Workflow/{name}"
        )
    })
}

pub(super) fn is_own(by: &Caller, spec: &WorkflowRequestSpec) -> bool {
    if by.name() == spec.asked_by {
        return true;
    }
    match (by.user(), spec.asked_for.as_str()) {
        ("", "") => by.shown() != Shown::Certificate || !spec.asked_by.starts_with(CERTIFICATE),
        (by, asked) => by == asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `by` is who has asked under this name.
    #[track_caller]
    fn check(by: &Caller, asked_by: &str, asked_for: &str, own: bool) {
        let (asked_by, asked_for) = (asked_by.to_owned(), asked_for.to_owned());
        let spec = WorkflowRequestSpec { asked_by, asked_for, ..WorkflowRequestSpec::default() };
        assert_eq!(is_own(by, &spec), own, "{spec:?}");
    }

    #[test]
    fn who_cannot_be_told_apart_is_the_same() {
        let (laptop, token) = (Caller::of_certificate("admin/laptop"), Caller::of_token());
        check(&laptop, "admin/laptop", "", true);
        check(&laptop, "admin/desktop", "", false);
        check(&laptop, "token", "", true);
        check(&laptop, "token:ci", "", true);
        check(&laptop, "token:ci", "ann", false);
        check(&laptop, "user:ann", "ann", false);
        check(&token, "token", "", true);
        check(&token, "admin/laptop", "", true);
        check(&token, "user:ann", "ann", false);
    }
}
