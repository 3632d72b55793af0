//! Which operation does a request mean?

use http::Method;
use plan::Kind;

use super::calls::{Call, Form, calls};
use super::fault::Fault;
use super::input::Answers;
use super::kinds::{kind_of, plurals};

/// What REST offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Operation {
    List,
    Get,
    Put,
    Delete,
    Apply,
    Gateways,
    History,
    AsOf,
    Diff,
    Rollback,
    Audit,
    GenerateKey,
    Lifecycle,
    ChangeLifecycle,
    NewVersion,
    Requests,
    Request,
    Approve,
    Reject,
    Limits,
    ResetLimits,
    WhoAmI,
    /// A method of a gRPC service.
    Call(&'static Call),
    OpenApi,
    Console,
    DevPortal,
    Carbon,
}

impl Operation {
    /// What it answers with.
    pub(super) const fn answers(self) -> Answers {
        match self {
            Self::Call(Call { form: Form::Lines, .. }) => Answers::Lines,
            Self::Call(Call { form: Form::File, .. }) => Answers::File,
            _ => Answers::Json,
        }
    }
}

/// Each operation with its method and path. `{kind}` is one of [`plurals`].
const ROUTES: &[(Method, &str, Operation)] = &[
    (Method::GET, "/api/v1/openapi.json", Operation::OpenApi),
    (Method::GET, "/api/v1/gateways", Operation::Gateways),
    (Method::GET, "/api/v1/history", Operation::History),
    (Method::GET, "/api/v1/history/as-of", Operation::AsOf),
    (Method::GET, "/api/v1/history/diff", Operation::Diff),
    (Method::POST, "/api/v1/history/rollback", Operation::Rollback),
    (Method::GET, "/api/v1/audit", Operation::Audit),
    (Method::GET, "/api/v1/whoami", Operation::WhoAmI),
    (Method::POST, "/api/v1/apply", Operation::Apply),
    (Method::POST, "/api/v1/applications/{name}/keys", Operation::GenerateKey),
    (Method::GET, "/api/v1/applications/{name}/limits", Operation::Limits),
    (Method::POST, "/api/v1/applications/{name}/limits/reset", Operation::ResetLimits),
    (Method::GET, "/api/v1/apis/{name}/lifecycle", Operation::Lifecycle),
    (Method::POST, "/api/v1/apis/{name}/lifecycle", Operation::ChangeLifecycle),
    (Method::POST, "/api/v1/apis/{name}/versions", Operation::NewVersion),
    (Method::GET, "/api/v1/api-products/{name}/lifecycle", Operation::Lifecycle),
    (Method::POST, "/api/v1/api-products/{name}/lifecycle", Operation::ChangeLifecycle),
    (Method::POST, "/api/v1/api-products/{name}/versions", Operation::NewVersion),
    (Method::GET, "/api/v1/workflow", Operation::Requests),
    (Method::GET, "/api/v1/workflow/{name}", Operation::Request),
    (Method::POST, "/api/v1/workflow/{name}/approve", Operation::Approve),
    (Method::POST, "/api/v1/workflow/{name}/reject", Operation::Reject),
    (Method::GET, "/api/v1/{kind}", Operation::List),
    (Method::GET, "/api/v1/{kind}/{name}", Operation::Get),
    (Method::PUT, "/api/v1/{kind}/{name}", Operation::Put),
    (Method::DELETE, "/api/v1/{kind}/{name}", Operation::Delete),
    (Method::GET, "/console", Operation::Console),
    (Method::GET, "/devportal", Operation::DevPortal),
    (Method::GET, "/carbon", Operation::Carbon),
];

/// Every operation with its method and path; what has a path of its own comes before what has a kind's.
pub(in crate::edge) fn routes() -> impl Iterator<Item = (&'static Method, &'static str, Operation)>
{
    let calls = calls().iter().map(|call| (&call.verb, call.path.as_str(), Operation::Call(call)));
    calls.chain(ROUTES.iter().map(|(method, path, operation)| (method, *path, *operation)))
}

/// An operation and what its path says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Routed {
    pub(super) operation: Operation,
    /// Of `{kind}`.
    pub(super) kind: Option<Kind>,
    /// Of `{name}`: `name` or `name:version`.
    pub(super) name: String,
    /// Of any other segment in braces.
    pub(super) parameters: Vec<(String, String)>,
}

/// The operation of a request. HEAD is answered as GET without its body.
pub(super) fn find(method: &Method, path: &str) -> Result<Routed, Fault> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let here = routes().filter_map(|(allowed, template, operation)| {
        Some((allowed, matched(template, path, operation)?))
    });
    let here: Vec<_> = here.collect();
    if here.is_empty() {
        return Err(Fault::NoRoute(suggestion(path)));
    }
    if let Some((_, routed)) = here.iter().find(|(one, ..)| *one == method) {
        return Ok(routed.clone());
    }
    let mut allowed: Vec<&str> = Vec::new();
    for (method, _) in here {
        allowed.push(method.as_str());
        if *method == Method::GET {
            allowed.push("HEAD");
        }
    }
    allowed.dedup();
    Err(Fault::Method(allowed.join(", ")))
}

fn matched(template: &str, path: &str, operation: Operation) -> Option<Routed> {
    let mut routed = Routed { operation, kind: None, name: String::new(), parameters: Vec::new() };
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(routed),
            (Some("{kind}"), Some(plural)) => routed.kind = Some(kind_of(plural)?),
            (Some("{name}"), Some(segment)) if !segment.is_empty() => {
                routed.name = decoded(segment)?;
            }
            (Some(literal), Some(segment)) if literal == segment => {}
            (Some(named), Some(segment)) if !segment.is_empty() => {
                let name = named.strip_prefix('{')?.strip_suffix('}')?;
                routed.parameters.push((name.to_owned(), decoded(segment)?));
            }
            _ => return None,
        }
    }
}

/// Of all that may be escaped in a path, names contain the colon alone.
fn decoded(segment: &str) -> Option<String> {
    let name = segment.replace("%3A", ":").replace("%3a", ":");
    (!name.contains('%')).then_some(name)
}

fn suggestion(path: &str) -> Option<String> {
    let wanted = path.strip_prefix("/api/v1/")?.split('/').next()?;
    let segments =
        routes().filter_map(|(_, path, _)| path.strip_prefix("/api/v1/")?.split('/').next());
    let known = plurals().iter().map(|plural| plural.name.as_str());
    let known = known.chain(segments.filter(|segment| !segment.starts_with('{')));
    let near = chassis::config::nearest(wanted, known).filter(|near| *near != wanted);
    near.map(|near| format!("/api/v1/{near}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(request: &str, expected: &str) {
        let (method, path) = request.split_once(' ').unwrap();
        let said = match find(&method.parse().unwrap(), path) {
            Ok(Routed { operation: Operation::Call(call), parameters, .. }) => {
                format!("{} {parameters:?}", call.full_name())
            }
            Ok(Routed { operation, kind, name, .. }) => format!("{operation:?} {kind:?} {name}"),
            Err(fault) => format!("{fault:?}"),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn a_resource_is_found_by_kind_name_and_version() {
        check("GET /api/v1/apis/orders:1.0.0", "Get Some(Api) orders:1.0.0");
        check("PUT /api/v1/apis/orders%3A1.0.0", "Put Some(Api) orders:1.0.0");
        check("HEAD /api/v1/key-managers", "List Some(KeyManager) ");
        check("POST /api/v1/applications/shop/keys", "GenerateKey None shop");
        check("GET /api/v1/applications/shop/limits", "Limits None shop");
        check("GET /api/v1/apis/orders:1.0.0/lifecycle", "Lifecycle None orders:1.0.0");
        check("POST /api/v1/workflow/w1/approve", "Approve None w1");
        check("POST /api/v1/applications/shop/limits/reset", "ResetLimits None shop");
    }

    #[test]
    fn a_method_of_a_service_is_found_by_its_path() {
        check("POST /api/v1/publish/wait", "turnpike.admin.v1.Publish/Wait []");
        check(
            "DELETE /api/v1/applications/shop/api-keys/k1",
            r#"turnpike.admin.v1.ApplicationKeys/RevokeApiKey [("application", "shop"), ("id", "k1")]"#,
        );
        check("DELETE /api/v1/applications/shop/api-keys/", "NoRoute(None)");
        check("POST /api/v1/analytics/logs", "turnpike.usage.v1.Analytics/Logs []");
        check("PUT /api/v1/analytics/tail", r#"Method("GET, HEAD, POST")"#);
    }

    #[test]
    fn another_method_is_told_which_are_allowed() {
        check("POST /api/v1/apis/orders:1", r#"Method("GET, HEAD, PUT, DELETE")"#);
        check("GET /api/v1/apply", r#"Method("POST")"#);
    }

    #[test]
    fn an_unknown_path_is_told_the_nearest_kind() {
        check("GET /api/v1/api/x", r#"NoRoute(Some("/api/v1/apis"))"#);
        check("GET /etc/passwd", "NoRoute(None)");
        check("GET /api/v1/apis/", "NoRoute(None)");
    }

    #[test]
    fn an_escaped_name_is_no_name() {
        check("GET /api/v1/tiers/a%2Fb", "NoRoute(None)");
    }
}
