//! Who may do what?
//!
//! One table for all operations, and one for kinds (`people/rights`). What is not in it is refused; a
//! test holds it against the services and routes that exist, and a snapshot shows every role. This is
//! the widest that somebody may: which resources it is about is asked again behind the door.

use plan::Kind;

use super::rest::Operation;
use crate::people::{Access, Caller, Role, Shown, may};

/// What an operation asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Administrators of the operator, with a token that limits them to nothing.
    Admin,
    /// Who belongs to the operator and has one of these roles.
    Operator(Access, &'static [Role]),
    /// Who has one of these roles, in the part of it that is their tenant's.
    Tenant(Access, &'static [Role]),
    /// Who has a role that may do this with resources of this kind, whatever the tenant.
    Kind(Access, Kind),
    /// Who may write resources of some kind; each of them is looked at.
    Change,
    /// Everybody who is known.
    Known,
    /// Everybody who is known but by a token for programs.
    Person,
    /// The certificate of a gateway.
    Gateway,
    /// The certificate of a key manager.
    KeyManager,
    /// The certificate of an analytics collector.
    Collector,
    /// Nothing.
    Anyone,
}

/// A gRPC service, some of its methods, and who may call them.
pub(super) type Row = (&'static str, &'static [&'static str], Who);

const READ: &[&str] = &["Get", "List"];
const WRITE: &[&str] = &["Put", "Delete"];

const fn read(kind: Kind) -> Who {
    Who::Kind(Access::Read, kind)
}

const fn write(kind: Kind) -> Who {
    Who::Kind(Access::Write, kind)
}

/// Who looks after gateways, and who waits for them.
const OPERATORS: Who = Who::Operator(Access::Read, &[Role::Admin, Role::Publisher, Role::Auditor]);

/// Who decides about what is their tenant's.
const DECIDERS: Who = Who::Tenant(Access::Write, &[Role::Admin]);

/// Who looks at what waits in their tenant, and at what was.
const ONLOOKERS: Who = Who::Tenant(Access::Read, &[Role::Admin, Role::Auditor]);

/// Who looks at the life of what is their tenant's.
const KEEPERS: Who = Who::Tenant(Access::Read, &[Role::Admin, Role::Publisher, Role::Auditor]);

/// Who looks at what is no single tenant's.
const AUDITORS: Who = Who::Operator(Access::Read, &[Role::Admin, Role::Auditor]);

pub(super) const SERVICES: &[Row] = &[
    ("turnpike.admin.v1.Apis", READ, read(Kind::Api)),
    ("turnpike.admin.v1.Apis", WRITE, write(Kind::Api)),
    ("turnpike.admin.v1.ApiProducts", READ, read(Kind::ApiProduct)),
    ("turnpike.admin.v1.ApiProducts", WRITE, write(Kind::ApiProduct)),
    ("turnpike.admin.v1.Applications", READ, read(Kind::Application)),
    ("turnpike.admin.v1.Applications", WRITE, write(Kind::Application)),
    ("turnpike.admin.v1.Subscriptions", READ, read(Kind::Subscription)),
    ("turnpike.admin.v1.Subscriptions", WRITE, write(Kind::Subscription)),
    ("turnpike.admin.v1.Tiers", READ, read(Kind::Tier)),
    ("turnpike.admin.v1.Tiers", WRITE, write(Kind::Tier)),
    ("turnpike.admin.v1.KeyManagers", READ, read(Kind::KeyManager)),
    ("turnpike.admin.v1.KeyManagers", WRITE, write(Kind::KeyManager)),
    ("turnpike.admin.v1.GatewayGroups", READ, read(Kind::GatewayGroup)),
    ("turnpike.admin.v1.GatewayGroups", WRITE, write(Kind::GatewayGroup)),
    ("turnpike.admin.v1.Certificates", READ, read(Kind::Certificate)),
    ("turnpike.admin.v1.Certificates", WRITE, write(Kind::Certificate)),
    ("turnpike.admin.v1.Secrets", READ, read(Kind::Secret)),
    ("turnpike.admin.v1.Secrets", WRITE, write(Kind::Secret)),
    ("turnpike.admin.v1.DenyPolicies", READ, read(Kind::DenyPolicy)),
    ("turnpike.admin.v1.DenyPolicies", WRITE, write(Kind::DenyPolicy)),
    ("turnpike.admin.v1.CustomThrottles", READ, read(Kind::CustomThrottle)),
    ("turnpike.admin.v1.CustomThrottles", WRITE, write(Kind::CustomThrottle)),
    ("turnpike.admin.v1.Apply", &["Apply"], Who::Change),
    ("turnpike.admin.v1.Publish", &["Wait"], OPERATORS),
    ("turnpike.admin.v1.Gateways", &["List"], OPERATORS),
    ("turnpike.admin.v1.History", &["List", "Get", "Diff"], ONLOOKERS),
    ("turnpike.admin.v1.History", &["Rollback"], DECIDERS),
    ("turnpike.admin.v1.Audit", &["List"], ONLOOKERS),
    // Only the whole chain can be verified.
    ("turnpike.admin.v1.Audit", &["Verify"], AUDITORS),
    ("turnpike.admin.v1.Policies", READ, read(Kind::Policy)),
    ("turnpike.admin.v1.Policies", WRITE, write(Kind::Policy)),
    ("turnpike.admin.v1.XacmlPolicySets", READ, read(Kind::XacmlPolicySet)),
    ("turnpike.admin.v1.XacmlPolicySets", WRITE, write(Kind::XacmlPolicySet)),
    ("turnpike.admin.v1.Workflows", READ, read(Kind::Workflow)),
    ("turnpike.admin.v1.Workflows", WRITE, write(Kind::Workflow)),
    ("turnpike.admin.v1.AlertRules", READ, read(Kind::AlertRule)),
    ("turnpike.admin.v1.AlertRules", WRITE, write(Kind::AlertRule)),
    ("turnpike.admin.v1.NotificationChannels", READ, read(Kind::NotificationChannel)),
    ("turnpike.admin.v1.NotificationChannels", WRITE, write(Kind::NotificationChannel)),
    ("turnpike.admin.v1.WorkflowRequests", READ, ONLOOKERS),
    ("turnpike.admin.v1.WorkflowRequests", &["Approve", "Reject"], DECIDERS),
    ("turnpike.admin.v1.Lifecycle", &["Get"], KEEPERS),
    ("turnpike.admin.v1.Lifecycle", &["Change", "NewVersion"], DECIDERS),
    ("turnpike.admin.v1.Rollouts", &["List", "Get"], AUDITORS),
    ("turnpike.admin.v1.Rollouts", &["Abort", "Continue"], Who::Admin),
    ("turnpike.admin.v1.States", &["Export"], Who::Admin),
    (
        "turnpike.admin.v1.ApplicationKeys",
        &["Generate", "GenerateApiKey", "RevokeApiKey"],
        write(Kind::Application),
    ),
    ("turnpike.admin.v1.TestKeys", &["Generate"], write(Kind::Api)),
    ("turnpike.admin.v1.Limits", &["Usage"], read(Kind::Application)),
    // Whoever is limited does not begin afresh by themselves.
    ("turnpike.admin.v1.Limits", &["Reset"], Who::Admin),
    ("turnpike.admin.v1.People", &["WhoAmI"], Who::Known),
    ("turnpike.admin.v1.People", &["SignIn"], Who::Anyone),
    ("turnpike.admin.v1.Tokens", &["Create", "List", "Revoke"], Who::Person),
    // Whoever calls which API stands in it, so it is for those who see every Application.
    (
        "turnpike.usage.v1.Analytics",
        &[
            "Usage",
            "Latency",
            "Errors",
            "Geography",
            "LastUsed",
            "Query",
            "Compare",
            "Devices",
            "Backends",
            "Cache",
            "Throttled",
            "Logs",
            "Tail",
        ],
        AUDITORS,
    ),
    ("turnpike.usage.v1.Alerts", &["List", "Types", "Replay", "Watch"], AUDITORS),
    ("turnpike.usage.v1.Reports", &["Monthly"], AUDITORS),
    ("turnpike.config.v1.ConfigSync", &["Sync"], Who::Gateway),
    ("turnpike.config.v1.LimitSync", &["Share"], Who::Gateway),
    ("turnpike.config.v1.Providers", &["Watch"], Who::KeyManager),
    ("turnpike.config.v1.Alerting", &["Watch"], Who::Collector),
    // It writes no other policy than a rule of alerts asks for, and no more than so many.
    ("turnpike.config.v1.AlertBlocks", &["Block"], Who::Collector),
];

/// Who may call a method; none: nobody.
pub(super) fn of_method(service: &str, method: &str) -> Option<Who> {
    let is_it = |row: &&Row| row.0 == service && row.1.contains(&method);
    SERVICES.iter().find(is_it).map(|(.., who)| *who)
}

/// Who may call a service at all, as far as certificates say it; none: nobody.
pub(super) fn of_service(name: &str) -> Option<Who> {
    SERVICES.iter().find(|(service, ..)| *service == name).map(|(.., who)| *who)
}

/// Who may ask for a REST operation, about a resource of a kind where it is about one.
pub(super) fn of_operation(operation: Operation, kind: Option<Kind>) -> Who {
    let of_kind = |access| kind.map_or(Who::Admin, |kind| Who::Kind(access, kind));
    match operation {
        Operation::List | Operation::Get => of_kind(Access::Read),
        Operation::Put | Operation::Delete => of_kind(Access::Write),
        Operation::Apply => Who::Change,
        Operation::Gateways => OPERATORS,
        Operation::History
        | Operation::AsOf
        | Operation::Diff
        | Operation::Audit
        | Operation::Requests
        | Operation::Request => ONLOOKERS,
        Operation::Lifecycle => KEEPERS,
        Operation::GenerateKey => write(Kind::Application),
        Operation::Limits => read(Kind::Application),
        Operation::Approve
        | Operation::Reject
        | Operation::ChangeLifecycle
        | Operation::NewVersion
        | Operation::Rollback => DECIDERS,
        Operation::ResetLimits => Who::Admin,
        Operation::WhoAmI => Who::Known,
        // What its method asks for; the door of the service looks once more.
        Operation::Call(call) => of_method(&call.service(), &call.method()).unwrap_or(Who::Gateway),
        // The description of the API and the way to the console hold nothing of anybody.
        Operation::OpenApi | Operation::Console | Operation::DevPortal | Operation::Carbon => {
            Who::Anyone
        }
    }
}

/// Whether somebody who is known may; an error: why not.
pub(super) fn permits(who: Who, caller: &Caller) -> Result<(), &'static str> {
    const ROLE: &str = "your roles do not allow this";
    const OPERATOR: &str = "this is for the operator's people alone";
    const LIMITED: &str = "your token is limited to other things";
    let limits = caller.limits();
    let roles = caller.roles();
    if matches!(who, Who::Admin | Who::Operator(..)) && !caller.is_of_operator() {
        return Err(OPERATOR);
    }
    let (role, limited) = match who {
        Who::Anyone | Who::Known => (true, false),
        Who::Person => (!roles.is_empty(), caller.shown() == Shown::AutomationToken),
        Who::Admin => (roles.has(Role::Admin), !limits.is_none()),
        Who::Operator(access, wanted) | Who::Tenant(access, wanted) => {
            let writes = access == Access::Write && limits.read_only;
            (roles.has_any(wanted), writes || limits.narrow())
        }
        Who::Kind(access, kind) => {
            (roles.has_any(may(kind, access)), !limits.admit_kind(kind, access))
        }
        Who::Change => {
            let mut kinds =
                Kind::ALL.into_iter().filter(|kind| roles.has_any(may(*kind, Access::Write)));
            (kinds.next().is_some(), limits.read_only)
        }
        Who::Gateway | Who::KeyManager | Who::Collector => (false, false),
    };
    match (role, limited) {
        (false, _) => Err(ROLE),
        (true, true) => Err(LIMITED),
        (true, false) => Ok(()),
    }
}

#[cfg(test)]
#[path = "authorize_tests.rs"]
mod tests;
