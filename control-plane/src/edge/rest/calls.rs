//! Which methods of the gRPC services have a REST form without any code of their own?
//!
//! All of them that answer once, but for those with a form of their own. A method of a service `History`
//! named `ListRevisions` is `GET /api/v1/history/list-revisions` where it only reads and everything it
//! asks for fits into a query, and a POST with a JSON body otherwise. `PLACES` are those that deserve a
//! better path.
//!
//! The collector is only asked: each of its methods is a GET, and a POST too where not all that can be
//! asked fits into a query. Those that answer more than once give lines, or a file.

use std::sync::LazyLock;

use http::Method;
use prost_reflect::{FieldDescriptor, Kind as FieldKind, MessageDescriptor, MethodDescriptor};

use super::kinds::{kebab, of_collector, plurals, services};

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
    /// How it answers.
    pub(super) form: Form,
}

/// How a method answers over REST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Form {
    /// One message, as JSON.
    Once,
    /// Messages as they come, one JSON a line or an event each.
    Lines,
    /// A file that comes in parts.
    File,
}

impl Form {
    /// None: it has no form.
    fn of(rpc: &MethodDescriptor) -> Option<Self> {
        match (rpc.is_client_streaming(), rpc.is_server_streaming()) {
            (false, false) => Some(Self::Once),
            (false, true) if rpc.output().full_name() == "turnpike.usage.v1.ReportPart" => {
                Some(Self::File)
            }
            (false, true) if of_collector(rpc.parent_service()) => Some(Self::Lines),
            _ => None,
        }
    }
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

    /// Whether it asks the collector.
    pub(super) fn of_collector(&self) -> bool {
        of_collector(self.rpc.parent_service())
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

/// A parameter of a query.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    /// That of its field in JSON.
    pub(super) name: String,
    /// The field that it says, after those in which that lies.
    pub(super) path: Vec<FieldDescriptor>,
}

impl Parameter {
    /// The field that it says.
    pub(super) fn field(&self) -> Option<&FieldDescriptor> {
        self.path.last()
    }
}

/// Fields whose own fields are parameters.
const NESTED: [&str; 2] = ["filter", "query"];

/// Everything that a query can say of a message, and whether that is all of it.
pub(super) fn parameters(of: &MessageDescriptor) -> (Vec<Parameter>, bool) {
    let (mut found, mut all) = (Vec::new(), true);
    for field in of.fields() {
        let name = field.json_name().to_owned();
        match field.kind() {
            _ if is_simple(&field) => found.push(Parameter { name, path: vec![field] }),
            FieldKind::Message(inner) if NESTED.contains(&field.name()) && !field.is_list() => {
                let (inner, whole) = parameters(&inner);
                all &= whole;
                found.extend(inner.into_iter().map(|Parameter { name, mut path }| {
                    path.insert(0, field.clone());
                    Parameter { name, path }
                }));
            }
            _ => all = false,
        }
    }
    (found, all)
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
    ("Alerts/List", Method::GET, "/api/v1/alerts", false),
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
            .flat_map(calls_of)
            .collect()
    });
    &CALLS
}

fn calls_of(rpc: MethodDescriptor) -> Vec<Call> {
    let service = rpc.parent_service();
    let name = format!("{}/{}", service.name(), rpc.name());
    let of_kind = plurals().iter().any(|plural| plural.service == *service)
        && matches!(rpc.name(), "Get" | "List" | "Put" | "Delete");
    let form = Form::of(&rpc);
    let Some(form) = form.filter(|_| !of_kind && !OWN.contains(&name.as_str())) else {
        return Vec::new();
    };
    if let Some((_, verb, path, creates)) = PLACES.iter().find(|(known, ..)| *known == name) {
        let (verb, path) = (verb.clone(), (*path).to_owned());
        return vec![Call { verb, path, rpc, creates: *creates, form }];
    }
    let (_, whole) = parameters(&rpc.input());
    let reads = READING.iter().any(|begin| rpc.name().starts_with(begin));
    let verbs = match (of_collector(service), whole) {
        (true, false) => vec![Method::GET, Method::POST],
        (true, true) => vec![Method::GET],
        (false, true) if reads => vec![Method::GET],
        (false, _) => vec![Method::POST],
    };
    let path = format!("/api/v1/{}/{}", kebab(service.name()), kebab(rpc.name()));
    let call = |verb| Call { verb, path: path.clone(), rpc: rpc.clone(), creates: false, form };
    verbs.into_iter().map(call).collect()
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
        let found = calls().iter().filter(|call| call.full_name() == format!("turnpike.{name}"));
        let said: Vec<String> = found.map(|call| format!("{} {}", call.verb, call.path)).collect();
        assert_eq!(said.join(", "), expected);
    }

    #[test]
    fn each_method_has_one_form() {
        check("admin.v1.TestKeys/Generate", "POST /api/v1/test-keys");
        check("admin.v1.Publish/Wait", "POST /api/v1/publish/wait");
        check(
            "admin.v1.ApplicationKeys/RevokeApiKey",
            "DELETE /api/v1/applications/{application}/api-keys/{id}",
        );
        check("admin.v1.Apis/Get", "");
        check("admin.v1.Limits/Usage", "");
        check("admin.v1.States/Export", "");
        check("usage.v1.Collector/Collect", "");
        check("usage.v1.Signals/Report", "");
    }

    #[test]
    fn the_collector_is_asked_by_a_query_and_by_a_body_where_that_says_more() {
        check("usage.v1.Analytics/Usage", "GET /api/v1/analytics/usage");
        check(
            "usage.v1.Analytics/Query",
            "GET /api/v1/analytics/query, POST /api/v1/analytics/query",
        );
        check("usage.v1.Alerts/List", "GET /api/v1/alerts");
        check("usage.v1.Reports/Monthly", "GET /api/v1/reports/monthly");
        let names = |name: &str| -> String {
            let call = calls().iter().find(|call| call.path.ends_with(name)).unwrap();
            let (found, all) = parameters(&call.rpc.input());
            let names: Vec<String> = found.into_iter().map(|one| one.name).collect();
            format!("{} {all}", names.join(" "))
        };
        assert_eq!(names("/usage"), "since until api application interval true");
        assert_eq!(
            names("/compare"),
            "since until api application interval by measures order limit before false"
        );
    }

    #[test]
    fn no_parameter_has_two_meanings() {
        for call in calls() {
            let mut names: Vec<String> =
                parameters(&call.rpc.input()).0.into_iter().map(|one| one.name).collect();
            let count = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), count, "{}", call.path);
        }
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
