//! Which status and which number does each fault have?
//!
//! The numbers are those that clients of the WSO2 gateway already parse. `docs/faults.md` has a row
//! for each of them, and a test that compares the two.

use http::StatusCode;

use super::reason::{Fault, Limit};

/// What a fault is on the wire and in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The HTTP status.
    pub status: StatusCode,
    /// The number in the body.
    pub code: u32,
    /// The short text in the body; the long one is the fault's `Display`.
    pub message: &'static str,
    /// How it is counted.
    pub class: Class,
}

/// The class of a fault, as usage events carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Refused for who called.
    Auth,
    /// Refused for how often.
    Throttled,
    /// The backend could not be had.
    Target,
    /// Anything else.
    Other,
}

/// Who has to act. Retries, alerts and the error budget follow the blame, not the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    Client,
    Gateway,
    Backend,
}

impl Class {
    /// The word in usage events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "AUTH",
            Self::Throttled => "THROTTLED",
            Self::Target => "TARGET_CONNECTIVITY",
            Self::Other => "OTHER",
        }
    }
}

impl Fault {
    /// The fault's status, number, text and class.
    pub const fn row(&self) -> Row {
        use Class::{Auth, Other, Target, Throttled};
        let (status, code, message, class) = match self {
            Self::NoApi | Self::NoOperation => (StatusCode::NOT_FOUND, 404, "Not Found", Other),
            Self::MethodNotAllowed { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, 405, "Method Not Allowed", Other)
            }
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, 400, "Bad Request", Other),
            Self::WebSocketVersion => {
                (StatusCode::UPGRADE_REQUIRED, 426, "Upgrade Required", Other)
            }
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, 414, "URI Too Long", Other),
            Self::HeadTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                431,
                "Request Header Fields Too Large",
                Other,
            ),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 413, "Content Too Large", Other),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, 408, "Request Timeout", Other),
            Self::IncompleteBody(_) => {
                (StatusCode::BAD_REQUEST, 102_511, "Incomplete payload", Other)
            }
            Self::ApiBlocked => (StatusCode::SERVICE_UNAVAILABLE, 700_700, "API blocked", Other),
            Self::ApiNotReady => (StatusCode::SERVICE_UNAVAILABLE, 700_701, "API not ready", Other),
            Self::OriginRefused => (StatusCode::FORBIDDEN, 900_425, "CORS origin rejected", Auth),
            Self::MissingCredentials => {
                (StatusCode::UNAUTHORIZED, 900_902, "Missing Credentials", Auth)
            }
            Self::InvalidToken(_) | Self::InvalidCredential(_) => {
                (StatusCode::UNAUTHORIZED, 900_901, "Invalid Credentials", Auth)
            }
            Self::WrongTokenType => {
                (StatusCode::UNAUTHORIZED, 900_905, "Incorrect Access Token Type is provided", Auth)
            }
            Self::WrongAudience => {
                (StatusCode::FORBIDDEN, 900_914, "The access token is for another audience", Auth)
            }
            Self::NoEndpoint { .. } => {
                (StatusCode::FORBIDDEN, 900_901, "Invalid Credentials", Auth)
            }
            Self::NotSubscribed
            | Self::Restricted(_)
            | Self::ClaimNotFulfilled(_)
            | Self::ConditionNotFulfilled { .. } => {
                (StatusCode::FORBIDDEN, 900_908, "Resource forbidden", Auth)
            }
            Self::CrossSite(_) => {
                (StatusCode::FORBIDDEN, 900_426, "Cross-site request rejected", Auth)
            }
            Self::SubscriptionBlocked => (
                StatusCode::UNAUTHORIZED,
                900_907,
                "The requested API is temporarily blocked",
                Auth,
            ),
            Self::SubscriptionInactive => {
                (StatusCode::UNAUTHORIZED, 900_909, "The subscription to the API is inactive", Auth)
            }
            Self::MissingScope { .. } => (
                StatusCode::FORBIDDEN,
                900_910,
                "The access token does not allow you to access the requested resource",
                Auth,
            ),
            Self::Throttled { limit: Limit::Backend, .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                Limit::Backend.code(),
                "Message throttled out",
                Throttled,
            ),
            Self::Throttled { limit, .. } => {
                (StatusCode::TOO_MANY_REQUESTS, limit.code(), "Message throttled out", Throttled)
            }
            Self::NotCounted => {
                (StatusCode::SERVICE_UNAVAILABLE, 900_810, "Service Unavailable", Throttled)
            }
            Self::Denied { .. } => (StatusCode::FORBIDDEN, 900_805, "Message blocked", Throttled),
            Self::NotPermitted(_) => (StatusCode::FORBIDDEN, 700_710, "Not permitted", Auth),
            Self::Undecided(_) => (StatusCode::FORBIDDEN, 700_711, "Not decided", Auth),
            Self::DecisionPointAway(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, 700_712, "Service Unavailable", Target)
            }
            Self::NotKept => (StatusCode::GATEWAY_TIMEOUT, 504, "Gateway Timeout", Other),
            Self::Overloaded { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, 700_702, "Overloaded", Other)
            }
            Self::NoBackendJwt(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, 700_704, "Service Unavailable", Other)
            }
            Self::BackendUnreachable(_) | Self::KeyManagerAway(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, 101_503, "Service Unavailable", Target)
            }
            Self::BackendConnectTimeout => {
                (StatusCode::GATEWAY_TIMEOUT, 101_508, "Gateway Timeout", Target)
            }
            Self::BackendTimeout => {
                (StatusCode::GATEWAY_TIMEOUT, 101_504, "Gateway Timeout", Target)
            }
            Self::BackendClosed(_) => (StatusCode::BAD_GATEWAY, 101_505, "Bad Gateway", Target),
            Self::BackendSend(_) => (StatusCode::BAD_GATEWAY, 101_500, "Bad Gateway", Target),
            Self::BackendProtocol(_) => (StatusCode::BAD_GATEWAY, 101_506, "Bad Gateway", Target),
            Self::BackendNoToken(_) => (StatusCode::BAD_GATEWAY, 700_703, "Bad Gateway", Target),
            Self::BackendRefusedToken => {
                (StatusCode::UNAUTHORIZED, 900_424, "Temporary Server Error", Target)
            }
            Self::BackendBusy => {
                (StatusCode::SERVICE_UNAVAILABLE, 303_000, "Service Unavailable", Target)
            }
            Self::BackendSuspended { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, 303_001, "Service Unavailable", Target)
            }
        };
        Row { status, code, message, class }
    }

    /// Who has to act.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::ApiNotReady
            | Self::NotCounted
            | Self::Overloaded { .. }
            | Self::BackendBusy
            | Self::NoBackendJwt(_)
            | Self::Undecided(_)
            | Self::DecisionPointAway(_)
            | Self::KeyManagerAway(_) => Blame::Gateway,
            Self::BackendUnreachable(_)
            | Self::BackendConnectTimeout
            | Self::BackendTimeout
            | Self::BackendClosed(_)
            | Self::BackendSend(_)
            | Self::BackendProtocol(_)
            | Self::BackendNoToken(_)
            | Self::BackendRefusedToken
            | Self::BackendSuspended { .. } => Blame::Backend,
            _ => Blame::Client,
        }
    }
}

impl Limit {
    /// How it is called where a call is explained.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Backend => "backend",
            Self::Operation => "operation",
            Self::Application => "application",
            Self::Subscription => "subscription",
            Self::Custom => "custom",
            Self::SubscriptionBurst => "subscription-burst",
            Self::ApplicationBurst => "application-burst",
        }
    }

    /// The number in the body.
    pub const fn code(self) -> u32 {
        match self {
            Self::Api => 900_800,
            Self::Backend => 900_801,
            Self::Operation => 900_802,
            Self::Application => 900_803,
            Self::Subscription => 900_804,
            Self::Custom => 900_806,
            Self::SubscriptionBurst => 900_807,
            Self::ApplicationBurst => 900_809,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fault::{
        BadRequest, ClaimRefused, ConditionRefused, CredentialRefused, CrossSite, NotThere,
        TokenRefused,
    };

    /// One fault of each kind, with the name of its row in the document.
    fn every_fault() -> Vec<(&'static str, Fault)> {
        let cause = || -> Box<dyn std::error::Error + Send + Sync> { "cause".into() };
        let throttled = |limit| Fault::Throttled { limit, retry_after_us: 1 };
        let all = vec![
            ("NoApi", Fault::NoApi),
            ("NoOperation", Fault::NoOperation),
            ("MethodNotAllowed", Fault::MethodNotAllowed { allow: String::new() }),
            ("BadRequest", Fault::BadRequest(BadRequest::Host)),
            ("WebSocketVersion", Fault::WebSocketVersion),
            ("TargetTooLong", Fault::TargetTooLong),
            ("HeadTooLarge", Fault::HeadTooLarge),
            ("BodyTooLarge", Fault::BodyTooLarge),
            ("RequestTimeout", Fault::RequestTimeout),
            ("IncompleteBody", Fault::IncompleteBody(cause())),
            ("ApiBlocked", Fault::ApiBlocked),
            ("ApiNotReady", Fault::ApiNotReady),
            ("OriginRefused", Fault::OriginRefused),
            ("MissingCredentials", Fault::MissingCredentials),
            ("InvalidToken", Fault::InvalidToken(TokenRefused::Revoked)),
            ("InvalidCredential", Fault::InvalidCredential(CredentialRefused::Password)),
            ("WrongTokenType", Fault::WrongTokenType),
            ("WrongAudience", Fault::WrongAudience),
            ("Restricted", Fault::Restricted(NotThere::Address)),
            ("NoEndpoint", Fault::NoEndpoint { key_type: "production" }),
            ("NotSubscribed", Fault::NotSubscribed),
            ("SubscriptionBlocked", Fault::SubscriptionBlocked),
            ("SubscriptionInactive", Fault::SubscriptionInactive),
            ("MissingScope", Fault::MissingScope { scopes: String::new() }),
            ("ClaimNotFulfilled", Fault::ClaimNotFulfilled(ClaimRefused::NoToken)),
            (
                "ConditionNotFulfilled",
                Fault::ConditionNotFulfilled {
                    message: None,
                    cause: ConditionRefused::False("cause".into()),
                },
            ),
            ("CrossSite", Fault::CrossSite(CrossSite::Site)),
            ("Throttled: api", throttled(Limit::Api)),
            ("Throttled: backend", throttled(Limit::Backend)),
            ("Throttled: operation", throttled(Limit::Operation)),
            ("Throttled: custom", throttled(Limit::Custom)),
            ("Throttled: application", throttled(Limit::Application)),
            ("Throttled: application burst", throttled(Limit::ApplicationBurst)),
            ("Throttled: subscription", throttled(Limit::Subscription)),
            ("Throttled: subscription burst", throttled(Limit::SubscriptionBurst)),
            ("NotCounted", Fault::NotCounted),
            ("Denied", Fault::Denied { policy: "cause".into() }),
            ("NotPermitted", Fault::NotPermitted(None)),
            ("Undecided", Fault::Undecided(cause())),
            ("DecisionPointAway", Fault::DecisionPointAway(cause())),
            ("NotKept", Fault::NotKept),
            ("Overloaded", Fault::Overloaded { retry_after_s: 1 }),
            ("BackendUnreachable", Fault::BackendUnreachable(cause())),
            ("BackendConnectTimeout", Fault::BackendConnectTimeout),
            ("BackendTimeout", Fault::BackendTimeout),
            ("BackendClosed", Fault::BackendClosed(cause())),
            ("BackendSend", Fault::BackendSend(cause())),
            ("BackendProtocol", Fault::BackendProtocol(cause())),
            ("BackendNoToken", Fault::BackendNoToken(cause())),
            ("BackendRefusedToken", Fault::BackendRefusedToken),
            ("BackendBusy", Fault::BackendBusy),
            ("BackendSuspended", Fault::BackendSuspended { retry_after: Duration::ZERO }),
            ("NoBackendJwt", Fault::NoBackendJwt(cause())),
            ("KeyManagerAway", Fault::KeyManagerAway(cause())),
        ];
        // Whoever adds a variant is led here by the compiler and adds it to the list as well.
        for (_, fault) in &all {
            match fault {
                Fault::NoApi
                | Fault::NoOperation
                | Fault::MethodNotAllowed { .. }
                | Fault::BadRequest(_)
                | Fault::WebSocketVersion
                | Fault::TargetTooLong
                | Fault::HeadTooLarge
                | Fault::BodyTooLarge
                | Fault::RequestTimeout
                | Fault::IncompleteBody(_)
                | Fault::ApiBlocked
                | Fault::ApiNotReady
                | Fault::OriginRefused
                | Fault::MissingCredentials
                | Fault::InvalidToken(_)
                | Fault::InvalidCredential(_)
                | Fault::WrongTokenType
                | Fault::WrongAudience
                | Fault::Restricted(_)
                | Fault::NoEndpoint { .. }
                | Fault::NotSubscribed
                | Fault::SubscriptionBlocked
                | Fault::SubscriptionInactive
                | Fault::MissingScope { .. }
                | Fault::ClaimNotFulfilled(_)
                | Fault::ConditionNotFulfilled { .. }
                | Fault::CrossSite(_)
                | Fault::Throttled { .. }
                | Fault::NotCounted
                | Fault::Denied { .. }
                | Fault::NotPermitted(_)
                | Fault::Undecided(_)
                | Fault::DecisionPointAway(_)
                | Fault::NotKept
                | Fault::Overloaded { .. }
                | Fault::BackendUnreachable(_)
                | Fault::BackendConnectTimeout
                | Fault::BackendTimeout
                | Fault::BackendClosed(_)
                | Fault::BackendSend(_)
                | Fault::BackendProtocol(_)
                | Fault::BackendNoToken(_)
                | Fault::BackendRefusedToken
                | Fault::BackendBusy
                | Fault::BackendSuspended { .. }
                | Fault::NoBackendJwt(_)
                | Fault::KeyManagerAway(_) => {}
            }
        }
        all
    }

    #[test]
    fn the_document_has_exactly_one_row_for_each_fault() {
        let document = include_str!("../../../docs/faults.md");
        let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
        let faults = every_fault();
        for (name, fault) in &faults {
            let Row { status, code, message, class } = fault.row();
            let start = format!(
                "| `{name}` | {code} | {} | {message} | {} | {:?} |",
                status.as_u16(),
                class.name(),
                fault.blame()
            );
            let found = rows.iter().filter(|row| row.starts_with(&start)).count();
            assert_eq!(found, 1, "docs/faults.md needs one row that starts with\n{start}");
        }
        assert_eq!(rows.len(), faults.len(), "docs/faults.md has a row without a fault");
    }

    #[test]
    fn a_fault_never_shows_its_cause() {
        for (name, fault) in every_fault() {
            assert!(!fault.to_string().contains("cause"), "{name}: {fault}");
        }
    }
}
