//! Which part of its class is a fault?
//!
//! The words are those that readers of WSO2's analytics know; `docs/analytics-events.md` lists them.

use super::reason::{Fault, Limit};

impl Fault {
    /// The part of the fault's class, as usage events carry it.
    pub const fn subtype(&self) -> &'static str {
        match self {
            Self::MissingCredentials
            | Self::InvalidToken(_)
            | Self::InvalidCredential(_)
            | Self::WrongTokenType
            | Self::WrongAudience => "AUTHENTICATION_FAILURE",
            Self::Restricted(_)
            | Self::NoEndpoint { .. }
            | Self::NotPermitted(_)
            | Self::Undecided(_)
            | Self::MissingScope { .. }
            | Self::ClaimNotFulfilled(_)
            | Self::ConditionNotFulfilled { .. } => "AUTHORIZATION_FAILURE",
            Self::NotSubscribed | Self::SubscriptionBlocked | Self::SubscriptionInactive => {
                "SUBSCRIPTION_VALIDATION_FAILURE"
            }
            Self::Throttled { limit, .. } => match limit {
                Limit::Api => "API_LEVEL",
                Limit::Backend => "HARD",
                Limit::Operation => "RESOURCE",
                Limit::Application => "APPLICATION",
                Limit::Subscription => "SUBSCRIPTION",
                Limit::Custom => "CUSTOM",
                Limit::ApplicationBurst | Limit::SubscriptionBurst => "BURST",
            },
            Self::Denied { .. } => "BLOCKED",
            Self::BackendConnectTimeout | Self::BackendTimeout => "CONNECTION_TIMEOUT",
            Self::BackendSuspended { .. } | Self::BackendBusy => "CONNECTION_SUSPENDED",
            Self::NoApi | Self::NoOperation => "RESOURCE_NOT_FOUND",
            Self::MethodNotAllowed { .. } => "METHOD_NOT_ALLOWED",
            // The rest of AUTH, THROTTLED and TARGET_CONNECTIVITY.
            Self::OriginRefused
            | Self::CrossSite(_)
            | Self::NotCounted
            | Self::DecisionPointAway(_)
            | Self::KeyManagerAway(_)
            | Self::BackendUnreachable(_)
            | Self::BackendClosed(_)
            | Self::BackendSend(_)
            | Self::BackendProtocol(_)
            | Self::BackendNoToken(_)
            | Self::BackendRefusedToken => REST,
            // The rest of OTHER.
            Self::BadRequest(_)
            | Self::WebSocketVersion
            | Self::TargetTooLong
            | Self::HeadTooLarge
            | Self::BodyTooLarge
            | Self::RequestTimeout
            | Self::IncompleteBody(_)
            | Self::ApiBlocked
            | Self::ApiNotReady
            | Self::NotKept
            | Self::Overloaded { .. }
            | Self::NoBackendJwt(_) => "UNCLASSIFIED",
        }
    }
}

/// The rest of a class, but of OTHER.
pub const REST: &str = "OTHER";
