//! Which methods of the gRPC services have a REST form without any code of their own?
//!
//! All of them that answer once, but for those with a form of their own. A method of a service `History`
//! named `ListRevisions` is `GET /api/v1/history/list-revisions` where it only reads and everything it
//! asks for fits into a query, and a POST with a JSON body otherwise. `PLACES` are those that deserve a
//! better path.

use std::sync::LazyLock;

use http::Method;
use prost_reflect::{FieldDescriptor, Kind as FieldKind, MethodDescriptor};

use super::kinds::{kebab, plurals, services};

/// A method of a gRPC service as a REST operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::edge) struct Call {
    /// The HTTP method.
    pub(in crate::edge) verb: Method,
    /// Its path; a segment in braces is the field of the request of that name.
    pub(in crate::edge) path: String,
    /// What it calls.
    pub(in crate::edge) rpc: MethodDescriptor,
    /// Whether it makes something: 201 instead of 200.
    pub(super) creates: bool,
}

impl Call {
    /// The name of its service, with its package.
    pub(in crate::edge) fn service(&self) -> String {
        self.rpc.parent_service().full_name().to_owned()
    }

    /// The name of its method.
    pub(in crate::edge) fn method(&self) -> String {
        self.rpc.name().to_owned()
    }

    /// As gRPC names it: `package.Service/Method`.
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.rpc.parent_service().full_name(), self.rpc.name())
    }

    /// The fields that its path says.
    pub(super) fn in_path(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter_map(|it| it.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Whether what it asks for comes in the query.
    pub(super) fn by_query(&self) -> bool {
        self.verb == Method::GET || self.verb == Method::DELETE
    }
}

/// Those that have code of their own: `Service/Method`.
const OWN: [&str; 18] = [
    "People/WhoAmI",
    "Apply/Apply",
    "Gateways/List",
    "ApplicationKeys/Generate",
    "Limits/Usage",
    "Limits/Reset",
    "History/List",
    "History/Get",
    "History/Diff",
    "History/Rollback",
    "Audit/List",
    "Lifecycle/Get",
    "Lifecycle/Change",
    "Lifecycle/NewVersion",
    "WorkflowRequests/List",
    "WorkflowRequests/Get",
    "WorkflowRequests/Approve",
    "WorkflowRequests/Reject",
];

/// Better paths than those that names make: `Service/Method`, HTTP method, path, whether it makes something.
const PLACES: &[(&str, Method, &str, bool)] = &[
    (
        "ApplicationKeys/GenerateApiKey",
        Method::POST,
        "/api/v1/applications/{application}/api-keys",
        true,
    ),
    (
        "ApplicationKeys/RevokeApiKey",
        Method::DELETE,
        "/api/v1/applications/{application}/api-keys/{id}",
        false,
    ),
    ("TestKeys/Generate", Method::POST, "/api/v1/test-keys", true),
    ("Rollouts/List", Method::GET, "/api/v1/rollouts", false),
    ("Rollouts/Get", Method::GET, "/api/v1/rollouts/{name}", false),
    ("Rollouts/Abort", Method::POST, "/api/v1/rollouts/{name}/abort", false),
    ("Rollouts/Continue", Method::POST, "/api/v1/rollouts/{name}/continue", false),
];

/// Methods that only read begin so.
const READING: [&str; 10] =
    ["Get", "List", "Show", "Find", "Read", "Search", "Diff", "Export", "Verify", "Status"];

/// All of them, in the order of the services.
pub(super) fn calls() -> &'static [Call] {
    static CALLS: LazyLock<Vec<Call>> = LazyLock::new(|| {
        services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .filter_map(call)
            .collect()
    });
    &CALLS
}

fn call(rpc: MethodDescriptor) -> Option<Call> {
    let service = rpc.parent_service();
    let name = format!("{}/{}", service.name(), rpc.name());
    let of_kind = plurals().iter().any(|plural| plural.service == *service)
        && matches!(rpc.name(), "Get" | "List" | "Put" | "Delete");
    let streams = rpc.is_client_streaming() || rpc.is_server_streaming();
    if of_kind || streams || OWN.contains(&name.as_str()) {
        return None;
    }
    if let Some((_, verb, path, creates)) = PLACES.iter().find(|(known, ..)| *known == name) {
        let (verb, path) = (verb.clone(), (*path).to_owned());
        return Some(Call { verb, path, rpc, creates: *creates });
    }
    let reads = READING.iter().any(|begin| rpc.name().starts_with(begin))
        && rpc.input().fields().all(|field| is_simple(&field));
    let verb = if reads { Method::GET } else { Method::POST };
    let path = format!("/api/v1/{}/{}", kebab(service.name()), kebab(rpc.name()));
    Some(Call { verb, path, rpc, creates: false })
}

/// Whether a field can be a parameter of a query.
pub(super) fn is_simple(field: &FieldDescriptor) -> bool {
    match field.kind() {
        FieldKind::Message(of) => {
            let known = ["google.protobuf.Duration", "google.protobuf.Timestamp"];
            !field.is_map() && known.contains(&of.full_name())
        }
        FieldKind::Bytes => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        let found =
            calls().iter().find(|call| call.full_name() == format!("turnpike.admin.v1.{name}"));
        let said = found.map_or_else(String::new, |call| format!("{} {}", call.verb, call.path));
        assert_eq!(said, expected);
    }

    #[test]
    fn each_method_has_one_form() {
        check("TestKeys/Generate", "POST /api/v1/test-keys");
        check("Publish/Wait", "POST /api/v1/publish/wait");
        check(
            "ApplicationKeys/RevokeApiKey",
            "DELETE /api/v1/applications/{application}/api-keys/{id}",
        );
        check("Apis/Get", "");
        check("Limits/Usage", "");
    }

    #[test]
    fn no_two_have_the_same_place() {
        let mut places: Vec<String> =
            calls().iter().map(|call| format!("{} {}", call.verb, call.path)).collect();
        let count = places.len();
        places.sort();
        places.dedup();
        assert_eq!(places.len(), count);
    }

    #[test]
    fn what_a_path_or_a_query_says_is_a_field_of_the_request() {
        for call in calls() {
            for name in call.in_path() {
                assert!(call.rpc.input().get_field_by_json_name(name).is_some(), "{}", call.path);
            }
        }
    }
}
