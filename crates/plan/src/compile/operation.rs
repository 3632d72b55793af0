//! What is an operation to a gateway?

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use cache::Rules;
use turnpike_proto::config::v1::Operation;
use turnpike_proto::config::v1::operation::Auth;

use super::access::AccessPlan;
use super::analytics::AnalyticsPlan;
use super::api::{ApiPlan, unknown};
use super::caching::compile_cache;
use super::counters::LimitsPlan;
use super::decision_point::DecisionPoints;
use super::matching::compile_match;
use super::mirror::Mirrors;
use super::policies::{Kept, PoliciesPlan};
use super::usual::usual;
use crate::problem::{At, Problems, shown};
use crate::router::{Conditions, Constraints, Growing, Parameters, Template, Trie};

/// The most operations of one API.
pub(crate) const MAX_OPERATIONS: usize = 10_000;
const MAX_SCOPES: usize = 100;

/// An operation, ready to serve. In this order: what every call looks at lies side by side.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct OperationPlan {
    /// Whom it asks for.
    pub wants: Wants,
    /// The caller has one of these; empty: none is asked for.
    pub scopes: Vec<Arc<str>>,
    /// What is done to calls and answers, those of the API included; `None`: nothing.
    pub policies: Option<Arc<PoliciesPlan>>,
    /// Which of its answers are kept; `None`: none are.
    pub cache: Option<Arc<Rules>>,
    /// The place of its mirror among those of the API whose backends serve it; `None`: its calls
    /// are not copied.
    pub mirror: Option<usize>,
    /// The place of its decision point among those of the API whose backends serve it; `None`: none
    /// is asked.
    pub decision_point: Option<usize>,
    /// In a product: the API that it comes from, whose backends serve it.
    pub member: Option<Arc<ApiPlan>>,
    /// In a product: what is reported of its calls, as much as both the product and the API let be known;
    /// `None`: everything.
    pub analytics: Option<Arc<AnalyticsPlan>>,
    /// What a call has to fulfil besides, what the API and the product ask for included; `None`:
    /// nothing.
    pub access: Option<Arc<AccessPlan>>,
    /// The limits of its calls, whoever makes them, in place of those of the API; `None`: those hold.
    pub limits: Option<Arc<LimitsPlan>>,
    /// The method in capitals, or `*`.
    pub method: Arc<str>,
    /// The path template.
    pub path: Arc<str>,
    /// The operationId of the definition; empty: none.
    pub id: Arc<str>,
    /// What a call has to carry besides.
    pub(crate) asks: Option<Arc<Conditions>>,
    /// Those of its path that `access` names.
    pub(super) parameters: Parameters,
}

impl OperationPlan {
    /// What its path's parameter called `name` is in a call for `path`, which is below the context;
    /// decoded. `None`: nobody has asked for it when the operation was published, or it is no text.
    pub fn parameter<'p>(&self, name: &str, path: &'p str) -> Option<Cow<'p, str>> {
        self.parameters.find(name, path)
    }
}

/// Whom an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// Anybody who shows what the API asks for.
    Any,
    /// Nobody in particular: it is open.
    Nobody,
    /// An application for itself.
    Application,
    /// A person.
    User,
}

impl From<Auth> for Wants {
    fn from(auth: Auth) -> Self {
        match auth {
            Auth::Any => Self::Any,
            Auth::None => Self::Nobody,
            Auth::Application => Self::Application,
            Auth::ApplicationUser => Self::User,
        }
    }
}

/// What the API says about caching.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Caching<'a> {
    /// The rules for operations that have none of their own.
    pub(crate) rules: Option<&'a Arc<Rules>>,
    /// The revision of the API.
    pub(crate) revision: u64,
}

/// What operations share with their API, or have for themselves.
pub(crate) struct Own<'n> {
    pub(crate) mirrors: Mirrors<'n>,
    pub(crate) decision_points: DecisionPoints<'n>,
}

/// The operations in their order, and the trie that finds them.
pub(crate) fn compile_operations(
    operations: &[Operation],
    of_api: &Kept<'_>,
    caching: Caching<'_>,
    own: &mut Own<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> (Vec<Arc<OperationPlan>>, Trie) {
    let mut growing = Growing::default();
    if operations.len() > MAX_OPERATIONS {
        let reason = format!("there are {}, at most {MAX_OPERATIONS}", operations.len());
        problems.add(at, reason, "split the API");
        return (Vec::new(), Trie::default());
    }
    let everything = [Operation { method: "*".into(), path: "/*".into(), ..Operation::default() }];
    let operations = if operations.is_empty() { &everything } else { operations };
    let mut list = Vec::with_capacity(operations.len());
    let (mut constraints, mut places) = (Constraints::default(), BTreeMap::new());
    for (index, operation) in operations.iter().enumerate() {
        let here = at.index(index);
        let mut plan = compile(operation, of_api, caching, &here, problems);
        let mirror = operation.mirror.as_ref();
        plan.mirror = own.mirrors.place(mirror, &here.name("mirror"), problems);
        let (asked, at) =
            (operation.external_authorization.as_ref(), here.name("externalAuthorization"));
        plan.decision_point = own.decision_points.place(asked, &at, problems);
        let template = match Template::parse(&operation.path, &mut constraints) {
            Ok(template) => template,
            Err((reason, suggestion)) => {
                problems.add(&here.name("path"), reason, suggestion);
                continue;
            }
        };
        let at = here.name("match");
        let asks = compile_match(operation.r#match.as_ref(), &mut constraints, &at, problems);
        plan.asks = asks.map(Arc::new);
        let asks = plan.asks.clone();
        let conditions = asks.as_ref().map_or("".into(), |asks| asks.spelling.clone());
        let place = (template.spelling.clone(), operation.method.clone(), conditions);
        if !growing.insert(&template, &operation.method, asks, list.len()) {
            let first = places.get(&place).copied().unwrap_or_default();
            let reason = format!(
                "`{} {}` is the same operation as operations[{first}]",
                shown(&operation.method),
                shown(&operation.path)
            );
            problems.add(&here, reason, "keep one of them");
        }
        places.insert(place, index);
        list.push(Arc::new(plan));
    }
    (list, Trie::packed(&growing))
}

/// An operation that anybody may call and nothing is done to.
pub(crate) fn open_operation(method: &str, path: &str) -> OperationPlan {
    let (method, path) = (method.to_owned(), path.to_owned());
    let open = Operation { method, path, auth: Auth::None.into(), ..Operation::default() };
    compile(&open, &Kept::none(), Caching::default(), &At::ROOT, &mut Problems::default())
}

fn compile(
    operation: &Operation,
    of_api: &Kept<'_>,
    caching: Caching<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> OperationPlan {
    check_method(&operation.method, &at.name("method"), problems);
    let auth = Auth::try_from(operation.auth).unwrap_or_else(|_| {
        problems.add(&at.name("auth"), unknown(operation.auth), "");
        Auth::Any
    });
    let scopes = at.name("scopes");
    check_scopes(&operation.scopes, &scopes, problems);
    if auth == Auth::None && !operation.scopes.is_empty() {
        problems.add(&scopes, "an open operation asks for no scopes", "leave them out");
    }
    if operation.id.len() > 512 {
        problems.add(&at.name("id"), "an operation id has at most 512 bytes", "");
    }
    OperationPlan {
        method: usual(&operation.method),
        path: usual(&operation.path),
        wants: auth.into(),
        scopes: operation.scopes.iter().map(|scope| scope.as_str().into()).collect(),
        id: usual(&operation.id),
        policies: of_api.with(operation.policies.as_ref(), &at.name("policies"), problems),
        cache: match &operation.cache {
            Some(own) => compile_cache(own, caching.revision, &at.name("cache"), problems),
            None => caching.rules.cloned(),
        },
        mirror: None,
        decision_point: None,
        member: None,
        analytics: None,
        access: None,
        limits: None,
        asks: None,
        parameters: Parameters::default(),
    }
}

/// RFC 9110 §9.1: a token. Capitals, because methods are compared byte for byte and nobody means
/// another one by `get`.
fn check_method(method: &str, at: &At<'_>, problems: &mut Problems) {
    let token =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if method == "*" || (!method.is_empty() && method.len() <= 32 && method.bytes().all(token)) {
        return;
    }
    let capitals = method.to_ascii_uppercase();
    let suggestion = if !capitals.is_empty() && capitals.bytes().all(token) {
        format!("write `{}`", shown(&capitals))
    } else {
        "write a method in capitals, or `*` for every method".to_owned()
    };
    let reason = if method.is_empty() {
        "a method is missing".to_owned()
    } else {
        format!("`{}` is no method", shown(method))
    };
    problems.add(at, reason, suggestion);
}

/// Whether these are scopes, and not too many.
pub(crate) fn check_scopes(scopes: &[String], at: &At<'_>, problems: &mut Problems) {
    if scopes.len() > MAX_SCOPES {
        problems.add(at, format!("there are {}, at most {MAX_SCOPES}", scopes.len()), "");
    }
    for (index, scope) in scopes.iter().enumerate().filter(|(_, scope)| !is_scope(scope)) {
        let reason = format!("`{}` is no scope (RFC 6749 section 3.3)", shown(scope));
        problems.add(&at.index(index), reason, "leave out spaces, quotes and backslashes");
    }
}

/// RFC 6749 §3.3, `scope-token`.
pub(crate) fn is_scope(scope: &str) -> bool {
    !scope.is_empty()
        && scope.len() <= 256
        && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}
