//! Who may do what?
//!
//! One table for all operations. What is not in it is refused; a test holds it against the
//! services and routes that exist.

use super::rest::Operation;

/// What an operation asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The certificate of an administrator, or any good certificate and the administrator's token;
    /// over REST, the token.
    Admin,
    /// The certificate of a gateway.
    Gateway,
    /// The certificate of a key manager.
    KeyManager,
    /// Nothing.
    Anyone,
}

/// A gRPC service, its methods, and who may call them.
pub(super) type Row = (&'static str, &'static [&'static str], Who);

const CRUD: &[&str] = &["Get", "List", "Put", "Delete"];

pub(super) const SERVICES: &[Row] = &[
    ("turnpike.admin.v1.Apis", CRUD, Who::Admin),
    ("turnpike.admin.v1.ApiProducts", CRUD, Who::Admin),
    ("turnpike.admin.v1.Applications", CRUD, Who::Admin),
    ("turnpike.admin.v1.Subscriptions", CRUD, Who::Admin),
    ("turnpike.admin.v1.Tiers", CRUD, Who::Admin),
    ("turnpike.admin.v1.KeyManagers", CRUD, Who::Admin),
    ("turnpike.admin.v1.GatewayGroups", CRUD, Who::Admin),
    ("turnpike.admin.v1.Certificates", CRUD, Who::Admin),
    ("turnpike.admin.v1.Secrets", CRUD, Who::Admin),
    ("turnpike.admin.v1.DenyPolicies", CRUD, Who::Admin),
    ("turnpike.admin.v1.CustomThrottles", CRUD, Who::Admin),
    ("turnpike.admin.v1.Policies", CRUD, Who::Admin),
    ("turnpike.admin.v1.Workflows", CRUD, Who::Admin),
    ("turnpike.admin.v1.WorkflowRequests", &["Get", "List", "Approve", "Reject"], Who::Admin),
    ("turnpike.admin.v1.Lifecycle", &["Get", "Change", "NewVersion"], Who::Admin),
    ("turnpike.admin.v1.Apply", &["Apply"], Who::Admin),
    ("turnpike.admin.v1.Publish", &["Wait"], Who::Admin),
    ("turnpike.admin.v1.History", &["List", "Get", "Diff", "Rollback"], Who::Admin),
    ("turnpike.admin.v1.Audit", &["List", "Verify"], Who::Admin),
    ("turnpike.admin.v1.Rollouts", &["List", "Get", "Abort", "Continue"], Who::Admin),
    ("turnpike.admin.v1.Gateways", &["List"], Who::Admin),
    ("turnpike.admin.v1.States", &["Export"], Who::Admin),
    (
        "turnpike.admin.v1.ApplicationKeys",
        &["Generate", "GenerateApiKey", "RevokeApiKey"],
        Who::Admin,
    ),
    ("turnpike.admin.v1.TestKeys", &["Generate"], Who::Admin),
    ("turnpike.admin.v1.Limits", &["Usage", "Reset"], Who::Admin),
    ("turnpike.config.v1.ConfigSync", &["Sync"], Who::Gateway),
    ("turnpike.config.v1.LimitSync", &["Share"], Who::Gateway),
    ("turnpike.config.v1.Providers", &["Watch"], Who::KeyManager),
];

/// Who may call a gRPC service; none: nobody.
pub(super) fn of_service(name: &str) -> Option<Who> {
    SERVICES.iter().find(|(service, ..)| *service == name).map(|(.., who)| *who)
}

/// Who may ask for a REST operation.
pub(super) fn of_operation(operation: Operation) -> Who {
    match operation {
        Operation::List
        | Operation::Get
        | Operation::Put
        | Operation::Delete
        | Operation::Apply
        | Operation::Gateways
        | Operation::History
        | Operation::AsOf
        | Operation::Diff
        | Operation::Rollback
        | Operation::Audit
        | Operation::GenerateKey
        | Operation::Lifecycle
        | Operation::ChangeLifecycle
        | Operation::NewVersion
        | Operation::Requests
        | Operation::Request
        | Operation::Approve
        | Operation::Reject
        | Operation::Limits
        | Operation::ResetLimits => Who::Admin,
        // What the service asks for; its own door looks once more.
        Operation::Call(call) => of_service(&call.service()).unwrap_or(Who::Gateway),
        // The description of the API and the way to the console hold nothing of anybody.
        Operation::OpenApi | Operation::Console | Operation::DevPortal | Operation::Carbon => {
            Who::Anyone
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn every_operation_and_who_may_do_it() {
        let mut table = String::new();
        for (service, methods, who) in SERVICES {
            for method in *methods {
                writeln!(table, "{who:?} {service}/{method}").unwrap();
            }
        }
        for (method, path, operation) in super::super::rest::routes() {
            writeln!(table, "{:?} {method} {path}", of_operation(operation)).unwrap();
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn the_table_names_the_methods_that_exist_and_no_other() {
        let ours = ["turnpike.admin.v1", "turnpike.config.v1"];
        let mut exist: Vec<String> = Vec::new();
        for service in turnpike_proto::POOL.services() {
            if ours.contains(&service.package_name()) {
                let path = |method: prost_reflect::MethodDescriptor| method.full_name().to_owned();
                exist.extend(service.methods().map(path));
            }
        }
        let mut named: Vec<String> = SERVICES
            .iter()
            .flat_map(|(service, methods, _)| methods.iter().map(move |m| format!("{service}.{m}")))
            .collect();
        exist.sort();
        named.sort();
        assert_eq!(named, exist);
    }

    #[test]
    fn what_is_not_in_the_table_is_nobodys() {
        assert_eq!(of_service("turnpike.admin.v1.Backdoor"), None);
    }
}
