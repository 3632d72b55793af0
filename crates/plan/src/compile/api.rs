//! What is an API to a gateway?

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use throttle::{Limit, Measure, Meter, MeterConfig, Rate};
use turnpike_proto::config::v1::api_type::Type as ApiType;
use turnpike_proto::config::v1::lifecycle::State as Lifecycle;
use turnpike_proto::config::v1::{Api, ApiSpec, Definition};

use super::access::attach;
use super::alike::Alike;
use super::analytics::{AnalyticsPlan, analytics_of_broken, compile_analytics};
use super::backend::{EndpointPlan, compile_endpoint};
use super::backend_jwt::{BackendJwtPlan, check_field, compile_backend_jwt};
use super::caching::{CompressionPlan, compile_cache, compile_compression, revision};
use super::cors::{CorsPlan, compile_cors};
use super::decision_point::{DecisionPointPlan, refuse_entitlement};
use super::head::{check_description, required};
use super::mirror::MirrorPlan;
use super::named::Named;
use super::operation::{Caching, OperationPlan, Own, compile_operations};
use super::places::{Places, Whose};
use super::policies::Kept;
use super::request_limits::{RequestLimitsPlan, compile_request_limits};
use super::security::{ScopeRoles, SecurityPlan, compile_scopes, compile_security, security_of};
use super::throttle::{Limited, ThrottlePlan, attach_limits, compile_throttle, count_on};
use super::usual::{Names, usual, usual_groups, usual_key_managers};
use super::variant::{VariantsPlan, compile_variants};
use super::wire::wired;
use crate::problem::{At, Problems, shown};
use crate::resource::{ResourceKey, is_name};
use crate::router::{Asked, Bare, Match, Trie, check_context, served_paths};

/// The longest definition, in bytes.
pub(crate) const MAX_DEFINITION_BYTES: usize = 4 * 1024 * 1024;
/// So many calls in a second may be made with test keys: enough for somebody who looks, and not for one
/// who serves others with it.
const TESTS_PER_SECOND: u64 = 10;
/// The most names in one list of an API.
const MAX_NAMES: usize = 100;

/// An API, ready to serve. In this order: a call looks at the first of these, side by side, and at few of
/// the others.
#[repr(C)]
pub struct ApiPlan {
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    /// How its calls look on the wire.
    pub kind: ApiType,
    /// By which rights to call it are found; 0: by none.
    pub(crate) number: u32,
    /// Whether every application may call without a subscription.
    pub subscriptionless: bool,
    /// Whether it is also served without the version.
    pub default_version: bool,
    /// Why its calls answer 503; `None`: it is sound.
    pub broken: Option<Arc<str>>,
    /// Which credentials are asked for.
    pub security: Arc<SecurityPlan>,
    /// Which web pages may read its answers; `None`: its backend answers for itself.
    pub cors: Option<Arc<CorsPlan>>,
    /// Backends for production keys; `None`: production keys are refused.
    pub production: Option<Arc<EndpointPlan>>,
    /// Other backends that take a part of its calls; `None`: there are none.
    pub variants: Option<Arc<VariantsPlan>>,
    /// Its limits beside those of its callers; `None`: it has none.
    pub throttle: Option<Box<ThrottlePlan>>,
    /// What its backends are told about who calls; `None`: nothing.
    pub backend_jwt: Option<Arc<BackendJwtPlan>>,
    /// How its answers are compressed; `None`: they are not.
    pub compression: Option<Arc<CompressionPlan>>,
    /// The key managers whose tokens are accepted, by name.
    pub key_managers: Arc<[Arc<str>]>,
    pub(super) operations: Box<[Arc<OperationPlan>]>,
    pub(super) trie: Trie,
    /// `Api/name:version`.
    pub key: ResourceKey,
    /// Its name.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// `name:version`, as subscriptions name it.
    pub id: Arc<str>,
    /// Where it is served, without the version.
    pub context: Arc<str>,
    /// Who answers for it; empty: nobody is named.
    pub owner: Arc<str>,
    /// The tenant that it belongs to; empty: the operator.
    pub tenant: Arc<str>,
    /// What is reported of its calls; `None`: everything.
    pub analytics: Option<Arc<AnalyticsPlan>>,
    /// Which people have its scopes.
    pub scopes: ScopeRoles,
    /// The gateway groups that serve it, by name.
    pub gateways: Arc<[Arc<str>]>,
    /// Backends for sandbox keys; `None`: sandbox keys are refused.
    pub sandbox: Option<Arc<EndpointPlan>>,
    /// Where copies of its calls go; operations name them by their places.
    pub mirrors: Box<[MirrorPlan]>,
    /// Who is asked whether its calls may be made; operations name them by their places. Of a
    /// product: at most one, which is asked about all of its calls.
    pub decision_points: Box<[DecisionPointPlan]>,
    /// How large each of its calls may be.
    pub limits: RequestLimitsPlan,
    /// How often it was tried out; made when it is for the first time.
    pub(super) tests: OnceLock<Arc<Meter>>,
}

/// Where an API is served, when and for whom.
pub(super) struct Place<'s> {
    pub(super) context: &'s str,
    pub(super) default_version: bool,
    pub(super) owner: &'s str,
    pub(super) tenant: &'s str,
    pub(super) lifecycle: Lifecycle,
    pub(super) gateways: &'s [String],
}

/// What became of a method and a path below an API.
#[derive(Clone, Debug)]
pub enum OperationMatch<'p> {
    /// This operation.
    Found(&'p Arc<OperationPlan>),
    /// The path exists; these methods do.
    MethodNotAllowed(Vec<&'p str>),
    /// There is no such path.
    NotFound,
}

impl ApiPlan {
    /// An API at this place that serves nothing yet.
    pub(super) fn at(key: &ResourceKey, place: &Place<'_>) -> Self {
        Self {
            key: key.clone(),
            name: key.name().into(),
            version: usual(key.version().unwrap_or_default()),
            id: key.id().into(),
            context: place.context.into(),
            default_version: place.default_version,
            owner: usual(place.owner),
            tenant: usual(place.tenant),
            analytics: None,
            kind: ApiType::Http,
            lifecycle: place.lifecycle,
            security: SecurityPlan::usual(),
            subscriptionless: false,
            scopes: ScopeRoles::default(),
            key_managers: Arc::default(),
            gateways: names_or(place.gateways, usual_groups),
            production: None,
            sandbox: None,
            cors: None,
            variants: None,
            mirrors: Box::default(),
            decision_points: Box::default(),
            compression: None,
            limits: RequestLimitsPlan::default(),
            backend_jwt: None,
            throttle: None,
            broken: None,
            tests: OnceLock::new(),
            number: 0,
            operations: Box::default(),
            trie: Trie::default(),
        }
    }

    /// Whether anybody may call it.
    pub fn is_open(&self) -> bool {
        self.security.is_open()
    }

    /// The path below which it is served, with its version.
    pub fn served_at(&self) -> String {
        served_paths(&self.context, &self.version, false).0
    }

    /// Whether it is on gateways at all: CREATED is not yet and RETIRED no more.
    pub fn is_served(&self) -> bool {
        !matches!(self.lifecycle, Lifecycle::Created | Lifecycle::Retired)
    }

    /// Every endpoint that its calls, copies of them, or questions about them may go to.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Arc<EndpointPlan>> {
        let variants = self.variants.iter().flat_map(|variants| variants.endpoints());
        let mirrors = self.mirrors.iter().map(|mirror| &mirror.endpoint);
        let asked = self.decision_points.iter().map(|point| &point.endpoint);
        let own = [&self.production, &self.sandbox].into_iter().flatten();
        own.chain(variants).chain(mirrors).chain(asked)
    }

    /// Shares with `old`, an earlier form of the same API, the endpoints that did not change: what
    /// a gateway knows about their servers stays true.
    pub(crate) fn sharing(mut self, old: &Self) -> Self {
        let ends = [(&mut self.production, &old.production), (&mut self.sandbox, &old.sandbox)];
        for (new, old) in ends {
            if *new == *old {
                new.clone_from(old);
            }
        }
        if let Some(new) = self.variants.as_mut().and_then(Arc::get_mut)
            && let Some(old) = &old.variants
        {
            new.share(old);
        }
        for new in &mut self.mirrors {
            if let Some(old) = old.mirrors.iter().find(|old| old.endpoint == new.endpoint) {
                new.endpoint.clone_from(&old.endpoint);
            }
        }
        for new in &mut self.decision_points {
            let like = |old: &&DecisionPointPlan| old.endpoint == new.endpoint;
            if let Some(old) = old.decision_points.iter().find(like) {
                new.endpoint.clone_from(&old.endpoint);
            }
        }
        self.count_on(old)
    }

    /// How often it may be tried out, by all who do.
    pub fn test_meter(&self) -> &Arc<Meter> {
        self.tests.get_or_init(|| {
            let rate = Rate::new(TESTS_PER_SECOND, Duration::from_secs(1));
            let limit = rate.map(|rate| Limit::of_calls(Measure::Rate(rate)));
            let config = limit.and_then(|limit| MeterConfig::new(&[limit]));
            Arc::new(Meter::new(config.unwrap_or_else(|_| MeterConfig::unlimited())))
        })
    }

    /// Whether a tier of this name limits any of its calls, whoever makes them, or its callers who
    /// stand for no application.
    pub(crate) fn is_limited_by(&self, tier: &str) -> bool {
        let callers = self.security.callers.as_ref();
        let limited =
            |it: &Arc<OperationPlan>| it.limits.as_ref().is_some_and(|it| *it.tier == *tier);
        callers.is_some_and(|callers| callers.is_limited_by(tier))
            || self.throttle.as_ref().is_some_and(|throttle| throttle.is_limited_by(tier))
            || self.operations.iter().any(limited)
    }

    /// Its limits are in force from now on: counters that it shares with an earlier form come under them.
    pub(crate) fn put_limits_in_force(&self) {
        self.throttle.iter().for_each(|throttle| throttle.put_in_force());
        let own = self.operations.iter().filter(|operation| operation.member.is_none());
        own.filter_map(|own| own.limits.as_ref()).for_each(|limits| limits.put_in_force());
    }

    /// Goes on counting where its earlier form has.
    fn count_on(mut self, old: &Self) -> Self {
        self.tests.clone_from(&old.tests);
        if let (Some(new), Some(old)) = (&mut self.throttle, &old.throttle) {
            new.count_on(old, &self.id);
        }
        count_on(&mut self.operations, &old.operations);
        if let Some(new) = Arc::get_mut(&mut self.security)
            && let (Some(new), Some(old)) = (new.callers.as_mut(), old.security.callers.as_ref())
        {
            new.count_on(old, &self.id);
        }
        self
    }

    /// Shares its own endpoints with those of other APIs that are written alike, where that changes
    /// nothing.
    pub(crate) fn alike(mut self, alike: &Alike) -> Self {
        for endpoint in [&mut self.production, &mut self.sandbox].into_iter().flatten() {
            alike.share(endpoint);
        }
        self
    }

    /// The same, as the one whose rights are found by this number.
    pub(crate) fn numbered(self, number: u32) -> Self {
        Self { number, ..self }
    }

    /// Its operations, in the order of the resource.
    pub fn operations(&self) -> &[Arc<OperationPlan>] {
        &self.operations
    }

    /// Its operation that is called as `operation` is, which may be of an earlier form of it.
    pub fn like(&self, operation: &OperationPlan) -> Option<&Arc<OperationPlan>> {
        let asks = |one: &OperationPlan| one.asks.as_ref().map(|asks| asks.spelling.clone());
        let like = |own: &&Arc<OperationPlan>| {
            own.method == operation.method
                && own.path == operation.path
                && asks(own) == asks(operation)
        };
        self.operations.iter().find(like)
    }

    /// The methods of what follows the context, whatever else its operations ask for: sorted, with
    /// HEAD where there is GET, and `*` where every method is served.
    pub fn methods(&self, rest: &str) -> Vec<&str> {
        self.trie.methods(rest)
    }

    /// The operation for a method and what follows the context, for a call that carries nothing
    /// that an operation may ask for besides.
    pub fn operation(&self, method: &str, rest: &str) -> OperationMatch<'_> {
        self.operation_of(method, rest, &Bare)
    }

    /// The operation for a method, what follows the context, and what else the call carries.
    pub fn operation_of(&self, method: &str, rest: &str, call: &dyn Asked) -> OperationMatch<'_> {
        match self.trie.find(method, rest, call) {
            Match::Found(position) => self
                .operations
                .get(position)
                .map_or(OperationMatch::NotFound, OperationMatch::Found),
            Match::OtherMethods(methods) => OperationMatch::MethodNotAllowed(methods),
            Match::Nothing => OperationMatch::NotFound,
        }
    }
}

impl fmt::Debug for ApiPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiPlan")
            .field("key", &self.key)
            .field("context", &self.context)
            .field("lifecycle", &self.lifecycle)
            .field("operations", &self.operations.len())
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

/// Checks and compiles an API by itself.
pub(crate) fn compile_api(
    key: &ResourceKey,
    api: &Api,
    named: Named<'_>,
    problems: &mut Problems,
) -> Option<ApiPlan> {
    let spec = required(api.spec.as_ref(), problems)?;
    let root = At::ROOT;
    let at = root.name("spec");
    let kind = ApiType::try_from(spec.r#type).unwrap_or_else(|_| {
        problems.add(&at.name("type"), unknown(spec.r#type), "");
        ApiType::Http
    });
    let spec = &*wired(spec, kind, &at, problems);
    if let Err((reason, suggestion)) = check_context(&spec.context) {
        problems.add(&at.name("context"), reason, suggestion);
    }
    check_description(&spec.description, &at.name("description"), problems);
    check_definition(spec.definition.as_ref(), &at, problems);
    for (name, list) in
        [("keyManagers", &spec.key_managers), ("tiers", &spec.tiers), ("gateways", &spec.gateways)]
    {
        check_names(list, &at.name(name), problems);
    }
    let cors = compile_cors(spec.cors.as_ref(), &at.name("cors"), problems);
    let variants = compile_variants(spec.variants.as_ref(), named, &at.name("variants"), problems);
    let security = compile_security(spec.security.as_ref(), named, &at.name("security"), problems);
    let security = security_of(key.id(), security);
    let scopes = compile_scopes(&spec.scopes, &at.name("scopes"), problems);
    let limits = compile_request_limits(spec.limits.as_ref(), kind, &at.name("limits"), problems);
    let analytics = compile_analytics(spec.analytics.as_ref(), &at.name("analytics"), problems);
    let lifecycle = compile_lifecycle(spec, &at, problems);
    let (production, sandbox) = compile_endpoints(spec, lifecycle, named, &at, problems);
    let caches = spec.cache.is_some() || spec.operations.iter().any(|it| it.cache.is_some());
    let revision = if caches { revision(spec, named) } else { 0 };
    let cache = spec.cache.as_ref();
    let cache = cache.and_then(|it| compile_cache(it, revision, &at.name("cache"), problems));
    let caching = Caching { rules: cache.as_ref(), revision };
    let compression = spec.compression.as_ref();
    let compression =
        compression.map(|it| compile_compression(it, &at.name("compression"), problems));
    let policies = Kept::of(spec.policies.as_ref(), named, &at.name("policies"), problems);
    let (whose, asked) = (Whose { key, named }, spec.external_authorization.as_ref());
    let mut own = Own {
        mirrors: Places::of(spec.mirror.as_ref(), whose, &at.name("mirror"), problems),
        decision_points: Places::of(asked, whose, &at.name("externalAuthorization"), problems),
    };
    refuse_entitlement(spec.entitlement.as_ref(), &at.name("entitlement"), problems);
    let list = at.name("operations");
    let (mut operations, trie) =
        compile_operations(&spec.operations, &policies, caching, &mut own, &list, problems);
    attach(&mut operations, spec, security.is_open(), &at, problems);
    let limited = Limited { id: key.id(), has_backends: true, named };
    attach_limits(&mut operations, &spec.operations, limited, &list, problems);
    let throttle = spec.throttle.as_ref();
    let throttle = compile_throttle(throttle, limited, &at.name("throttle"), problems);
    let at = at.name("backendJwt");
    let backend_jwt = compile_backend_jwt(spec.backend_jwt.as_ref(), &at, problems);
    if let Some(backend_jwt) = &backend_jwt {
        check_field(backend_jwt, spec, &at, problems);
    }
    if !problems.is_empty() {
        return None;
    }
    Some(ApiPlan {
        key: key.clone(),
        name: key.name().into(),
        version: usual(key.version().unwrap_or_default()),
        id: key.id().into(),
        context: spec.context.as_str().into(),
        default_version: spec.default_version,
        owner: usual(api.metadata.as_ref().map_or("", |metadata| &metadata.owner)),
        tenant: usual(api.metadata.as_ref().map_or("", |metadata| &metadata.tenant)),
        analytics: analytics.map(Arc::new),
        kind,
        lifecycle,
        security,
        subscriptionless: spec.subscriptionless,
        scopes,
        key_managers: names_or(&spec.key_managers, usual_key_managers),
        gateways: names_or(&spec.gateways, usual_groups),
        production,
        sandbox,
        cors,
        variants,
        mirrors: own.mirrors.into_all().into(),
        decision_points: own.decision_points.into_all().into(),
        compression: compression.map(Arc::new),
        limits,
        backend_jwt: backend_jwt.map(Arc::new),
        throttle,
        broken: None,
        tests: OnceLock::new(),
        number: 0,
        operations: operations.into(),
        trie,
    })
}

/// What stands in for an API that does not compile: its place is kept, and calls answer 503.
/// `None` where not even its place can be read.
pub(crate) fn broken_api(key: &ResourceKey, api: &Api, reason: &str) -> Option<ApiPlan> {
    let spec = api.spec.as_ref()?;
    check_context(&spec.context).ok()?;
    key.version()?;
    let place = Place {
        context: &spec.context,
        default_version: spec.default_version,
        owner: api.metadata.as_ref().map_or("", |metadata| &metadata.owner),
        tenant: api.metadata.as_ref().map_or("", |metadata| &metadata.tenant),
        lifecycle: Lifecycle::try_from(spec.lifecycle).unwrap_or(Lifecycle::Published),
        gateways: &spec.gateways,
    };
    Some(ApiPlan {
        analytics: analytics_of_broken(spec.analytics.as_ref()).map(Arc::new),
        kind: ApiType::try_from(spec.r#type).unwrap_or_default(),
        broken: Some(reason.into()),
        ..ApiPlan::at(key, &place)
    })
}

/// The names; the usual ones where there is none, in one list for all.
pub(super) fn names_or(names: &[String], usual_ones: fn() -> Names) -> Names {
    if names.is_empty() {
        return usual_ones();
    }
    names.iter().map(|name| usual(name)).collect()
}

pub(super) fn check_names(names: &[String], at: &At<'_>, problems: &mut Problems) {
    if names.len() > MAX_NAMES {
        problems.add(at, format!("there are {}, at most {MAX_NAMES}", names.len()), "");
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        if !is_name(name) {
            problems.add(&at.index(index), format!("`{}` is no name", shown(name)), "");
        } else if !seen.insert(name) {
            problems.add(&at.index(index), format!("`{name}` stands twice"), "keep one of them");
        }
    }
}

fn check_definition(definition: Option<&Definition>, at: &At<'_>, problems: &mut Problems) {
    let Some(definition) = definition else { return };
    let at = at.name("definition");
    if !definition.file.is_empty() {
        let suggestion = "put the document into `definition.text`";
        problems.add(&at.name("file"), "a file is only named in files", suggestion);
    }
    if definition.text.len() > MAX_DEFINITION_BYTES {
        let reason =
            format!("it has {} bytes, at most {MAX_DEFINITION_BYTES}", definition.text.len());
        problems.add(&at.name("text"), reason, "leave out examples, or split the interface");
    }
}

fn compile_lifecycle(spec: &ApiSpec, at: &At<'_>, problems: &mut Problems) -> Lifecycle {
    Lifecycle::try_from(spec.lifecycle).unwrap_or_else(|_| {
        problems.add(&at.name("lifecycle"), unknown(spec.lifecycle), "");
        Lifecycle::Created
    })
}

type Backends = (Option<Arc<EndpointPlan>>, Option<Arc<EndpointPlan>>);

fn compile_endpoints(
    spec: &ApiSpec,
    lifecycle: Lifecycle,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Backends {
    let at = at.name("endpoints");
    let endpoints = spec.endpoints.clone().unwrap_or_default();
    let needed = !matches!(lifecycle, Lifecycle::Created | Lifecycle::Retired);
    if needed && endpoints.production.is_none() && endpoints.sandbox.is_none() {
        let reason = format!("an API that is {} needs a backend", lifecycle.as_str_name());
        problems.add(&at, reason, "write `endpoints: { production: { urls: [ … ] } }`");
    }
    let mut compile = |name, endpoint: Option<_>| {
        endpoint.and_then(|it| compile_endpoint(&it, named, &at.name(name), problems)).map(Arc::new)
    };
    (compile("production", endpoints.production), compile("sandbox", endpoints.sandbox))
}

/// An enumeration's number that this version has no name for.
pub(crate) fn unknown(number: i32) -> String {
    format!("the value {number} is not known to this version")
}
