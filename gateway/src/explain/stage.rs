//! In which stages is a call judged, and which of them refuses it?

use crate::fault::{BadRequest, Fault};

/// What is looked at, in this order. Whoever adds a stage to the pipeline adds it here, and its faults
/// to [`origin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Api,
    Operation,
    Credential,
    Application,
    Subscription,
    Restriction,
    Scopes,
    Deny,
    Conditions,
    Decision,
    Limits,
    Cache,
    Backend,
}

/// What a stage said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Refused,
    /// The call needs nothing of it.
    NotAsked,
    /// The call was refused before, or answered by the gateway itself.
    NotReached,
}

/// What is known of the caller where a fault arises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Nobody,
    /// A caller without an application.
    Caller,
    /// An application.
    Application,
}

impl Stage {
    pub(super) const ALL: [Self; 13] = [
        Self::Api,
        Self::Operation,
        Self::Credential,
        Self::Application,
        Self::Subscription,
        Self::Restriction,
        Self::Scopes,
        Self::Deny,
        Self::Conditions,
        Self::Decision,
        Self::Limits,
        Self::Cache,
        Self::Backend,
    ];

    /// How it is called in answers.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Operation => "operation",
            Self::Credential => "credential",
            Self::Application => "application",
            Self::Subscription => "subscription",
            Self::Restriction => "restriction",
            Self::Scopes => "scopes",
            Self::Deny => "deny",
            Self::Conditions => "conditions",
            Self::Decision => "decision",
            Self::Limits => "limits",
            Self::Cache => "cache",
            Self::Backend => "backend",
        }
    }
}

impl Verdict {
    /// How it is called in answers.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Refused => "refused",
            Self::NotAsked => "notAsked",
            Self::NotReached => "notReached",
        }
    }
}

/// Where a fault arises: the stage that refuses, and the last one that was passed before it.
pub(super) const fn origin(fault: &Fault, known: Known) -> (Stage, Option<Stage>) {
    let nobody = matches!(known, Known::Nobody);
    match fault {
        Fault::NoApi | Fault::ApiBlocked => (Stage::Api, None),
        Fault::ApiNotReady if nobody => (Stage::Api, None),
        Fault::NoOperation
        | Fault::MethodNotAllowed { .. }
        | Fault::OriginRefused
        | Fault::BodyTooLarge => (Stage::Operation, Some(Stage::Api)),
        Fault::BadRequest(BadRequest::Authorization | BadRequest::ApiKey | BadRequest::TestKey)
        | Fault::MissingCredentials
        | Fault::InvalidToken(_)
        | Fault::InvalidCredential(_)
        | Fault::WrongTokenType
        | Fault::WrongAudience
        | Fault::KeyManagerAway(_) => (Stage::Credential, Some(Stage::Operation)),
        Fault::NotSubscribed if !matches!(known, Known::Application) => {
            (Stage::Application, Some(Stage::Credential))
        }
        Fault::NotSubscribed
        | Fault::SubscriptionBlocked
        | Fault::SubscriptionInactive
        | Fault::ApiNotReady => (Stage::Subscription, Some(Stage::Application)),
        Fault::Restricted(_) => (Stage::Restriction, Some(Stage::Subscription)),
        Fault::MissingScope { .. } => (Stage::Scopes, Some(Stage::Restriction)),
        // Asked before anybody looks at a credential, and once more when the caller is known.
        Fault::Denied { .. } if nobody => (Stage::Deny, Some(Stage::Operation)),
        Fault::Denied { .. } => (Stage::Deny, Some(Stage::Scopes)),
        Fault::ClaimNotFulfilled(_) | Fault::ConditionNotFulfilled { .. } | Fault::CrossSite(_) => {
            (Stage::Conditions, Some(Stage::Deny))
        }
        Fault::NotPermitted(_) | Fault::Undecided(_) | Fault::DecisionPointAway(_) => {
            (Stage::Decision, Some(Stage::Conditions))
        }
        Fault::NoEndpoint { .. } => (Stage::Backend, Some(Stage::Scopes)),
        Fault::Throttled { .. } | Fault::NotCounted | Fault::Overloaded { .. } => {
            (Stage::Limits, Some(Stage::Decision))
        }
        Fault::NotKept => (Stage::Cache, Some(Stage::Limits)),
        _ => (Stage::Backend, Some(Stage::Cache)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{ClaimRefused, CrossSite, NotThere, TokenRefused};

    /// `passed` is the last stage before, `-` for none.
    #[track_caller]
    fn check(fault: &Fault, known: Known, refused: &str, passed: &str) {
        let (stage, until) = origin(fault, known);
        assert_eq!((stage.name(), until.map_or("-", Stage::name)), (refused, passed), "{fault:?}");
    }

    #[test]
    fn a_fault_is_that_of_the_stage_that_looked() {
        check(&Fault::NoApi, Known::Nobody, "api", "-");
        check(&Fault::ApiNotReady, Known::Nobody, "api", "-");
        check(&Fault::NoOperation, Known::Nobody, "operation", "api");
        let revoked = Fault::InvalidToken(TokenRefused::Revoked);
        check(&revoked, Known::Nobody, "credential", "operation");
        check(&Fault::NotSubscribed, Known::Caller, "application", "credential");
        check(&Fault::NotSubscribed, Known::Application, "subscription", "application");
        check(&Fault::ApiNotReady, Known::Application, "subscription", "application");
        let elsewhere = Fault::Restricted(NotThere::Address);
        check(&elsewhere, Known::Application, "restriction", "subscription");
        let scope = Fault::MissingScope { scopes: String::new() };
        check(&scope, Known::Application, "scopes", "restriction");
        let claim = Fault::ClaimNotFulfilled(ClaimRefused::NoToken);
        check(&claim, Known::Caller, "conditions", "deny");
        check(&Fault::CrossSite(CrossSite::Site), Known::Nobody, "conditions", "deny");
        check(&Fault::NotPermitted(None), Known::Application, "decision", "conditions");
        check(&Fault::NoEndpoint { key_type: "sandbox" }, Known::Caller, "backend", "scopes");
        check(&Fault::BackendTimeout, Known::Caller, "backend", "cache");
    }

    #[test]
    fn a_place_is_denied_before_anybody_is_known() {
        let denied = Fault::Denied { policy: "p".into() };
        check(&denied, Known::Nobody, "deny", "operation");
        check(&denied, Known::Application, "deny", "scopes");
    }

    #[test]
    fn the_stages_are_in_their_order() {
        assert!(Stage::ALL.is_sorted());
    }
}
