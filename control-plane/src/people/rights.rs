//! What may a role do with resources of a kind?
//!
//! The widest that it may; which of them it is of stands in `sight`. A kind that is added has no right
//! until it has a row: this does not compile without one.

use plan::Kind;

use super::role::Role;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is looked at.
    Read,
    /// Something changes.
    Write,
}

type Row = (&'static [Role], &'static [Role]);

/// Who may read some resources of a kind, and who may change some.
const fn of_kind(kind: Kind) -> Row {
    const ADMIN: &[Role] = &[Role::Admin];
    const ALL: &[Role] = &Role::ALL;
    const PUBLISHING: &[Role] = &[Role::Admin, Role::Publisher];
    const SUBSCRIBING: &[Role] = &[Role::Admin, Role::Subscriber];
    const WITHOUT_PUBLISHING: &[Role] = &[Role::Admin, Role::Auditor];
    const WITHOUT_PUBLISHERS: &[Role] = &[Role::Admin, Role::Subscriber, Role::Auditor];
    const WITHOUT_SUBSCRIBERS: &[Role] = &[Role::Admin, Role::Publisher, Role::Auditor];
    match kind {
        Kind::Api | Kind::ApiProduct => (ALL, PUBLISHING),
        Kind::Application | Kind::Subscription => (WITHOUT_PUBLISHERS, SUBSCRIBING),
        Kind::Tier => (ALL, ADMIN),
        // Not even their digests are for auditors.
        Kind::Secret => (PUBLISHING, PUBLISHING),
        Kind::Policy | Kind::XacmlPolicySet => (WITHOUT_SUBSCRIBERS, PUBLISHING),
        // Whoever asks and whoever decides do it by calls of their own.
        Kind::WorkflowRequest => (WITHOUT_PUBLISHING, &[]),
        Kind::KeyManager
        | Kind::GatewayGroup
        | Kind::Certificate
        | Kind::DenyPolicy
        | Kind::CustomThrottle
        | Kind::Workflow
        | Kind::AlertRule
        | Kind::NotificationChannel => (WITHOUT_SUBSCRIBERS, ADMIN),
    }
}

/// Who may do that with resources of a kind.
pub const fn may(kind: Kind, access: Access) -> &'static [Role] {
    match access {
        Access::Read => of_kind(kind).0,
        Access::Write => of_kind(kind).1,
    }
}

/// Whether what is of this kind acts within its tenant alone. Everything else acts on the calls of all,
/// so it is the operator's to change.
pub(super) const fn stays_in_tenant(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Api
            | Kind::ApiProduct
            | Kind::Application
            | Kind::Subscription
            | Kind::Tier
            | Kind::Secret
            | Kind::Policy
            | Kind::XacmlPolicySet
    )
}
