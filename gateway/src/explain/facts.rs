//! What is there to say about each stage of a call?

use http::HeaderMap;
use plan::{AccessPlan, ApiPlan, DecisionPointPlan, EndpointPlan, KeyType, OperationPlan, Wants};
use turnpike_proto::config::v1::credential_scheme::Kind as Scheme;
use turnpike_proto::config::v1::lifecycle::State as Lifecycle;

use super::stage::Stage;
use super::view::View;
use crate::account::Account;
use crate::handlers::Caller;

/// The most servers that are named.
const MOST_SERVERS: usize = 8;

/// What there is to say about a stage.
pub(super) struct Facts {
    /// Names and what they stand for.
    pub(super) told: Vec<(&'static str, String)>,
    /// Whether the call needs anything of the stage.
    pub(super) asked: bool,
}

/// A fact, where there is one.
type Fact = (&'static str, Option<String>);

impl Facts {
    fn of(asked: bool, told: impl IntoIterator<Item = Fact>) -> Self {
        let told = told.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Self { told: told.filter(|(_, value)| !value.is_empty()).collect(), asked }
    }
}

/// What there is to say about `stage`; `headers` are those of the answer.
pub(super) fn facts(stage: Stage, view: &View, account: &Account, headers: &HeaderMap) -> Facts {
    let operation = account.called.as_ref().map(|(_, operation)| &**operation);
    let caller = account.caller.as_ref();
    let text = |name| headers.get(name).and_then(|value| Some(value.to_str().ok()?.to_owned()));
    match stage {
        Stage::Api => Facts::of(true, view.api.iter().flat_map(|api| of_api(api))),
        Stage::Operation => Facts::of(true, operation.into_iter().flat_map(of_operation)),
        Stage::Credential => credential(view, caller),
        Stage::Application => application(caller),
        Stage::Subscription => subscription(view, caller),
        Stage::Restriction => {
            let consumer = caller.and_then(Caller::consumer);
            let of_application = consumer.is_some_and(|it| it.application.restriction.is_some());
            let asked = of_application
                || caller.is_some_and(|it| it.restrictions().any(|one| !one.is_empty()));
            Facts::of(asked, [("client", Some(account.client().to_string()))])
        }
        Stage::Scopes => scopes(operation, caller),
        Stage::Deny => {
            let policy = view.refusal.as_ref().and_then(|refusal| refusal.policy.as_deref());
            let asked = view.generation.plan.denies();
            Facts::of(asked, [("policy", policy.map(str::to_owned))])
        }
        Stage::Conditions => conditions(operation),
        Stage::Decision => decision(view, operation),
        Stage::Limits => {
            let left = text("ratelimit");
            let refused = view.refusal.as_ref().and_then(|refusal| refusal.limit);
            let tiers = left.as_ref().map(|_| tiers(view, operation, caller));
            Facts::of(
                left.is_some(),
                [
                    ("refused", refused.map(|limit| limit.name().to_owned())),
                    ("tiers", tiers),
                    ("policy", text("ratelimit-policy")),
                    ("left", left),
                ],
            )
        }
        Stage::Cache => {
            let asked = operation.is_some_and(|operation| operation.cache.is_some());
            // Another cache may have said the same before.
            let status = if asked { text("cache-status") } else { None };
            Facts::of(asked, [("status", status)])
        }
        Stage::Backend => backend(view, account),
    }
}

fn of_api(api: &ApiPlan) -> [Fact; 4] {
    [
        ("id", Some(api.id.to_string())),
        ("kind", api.key.kind().map(|kind| kind.to_string())),
        ("context", Some(api.context.to_string())),
        ("lifecycle", Some(api.lifecycle.as_str_name().to_owned())),
    ]
}

fn of_operation(operation: &OperationPlan) -> [Fact; 4] {
    let wants = match operation.wants {
        Wants::Any => "any",
        Wants::Application => "application",
        Wants::User => "application_user",
        Wants::Nobody => "none",
    };
    [
        ("method", Some(operation.method.to_string())),
        ("path", Some(operation.path.to_string())),
        ("auth", Some(wants.to_owned())),
        ("member", operation.member.as_ref().map(|member| member.id.to_string())),
    ]
}

fn credential(view: &View, caller: Option<&Caller>) -> Facts {
    let Some(caller) = caller else {
        return Facts::of(true, [("accepted", view.api.as_deref().map(accepted))]);
    };
    let shown = [
        (caller.token().is_some(), "access_token"),
        (caller.api_key().is_some(), "api_key"),
        (caller.person().is_some(), "password"),
        (caller.certificate().is_some(), "certificate"),
        (caller.test_key().is_some(), "test_key"),
    ];
    let kinds: Vec<&str> = shown.into_iter().filter_map(|(is, kind)| is.then_some(kind)).collect();
    let key_manager = caller.token().map(|token| token.key_manager().to_owned());
    Facts::of(
        !caller.is_anybody(),
        [
            ("kind", Some(kinds.join(" "))),
            ("keyManager", key_manager),
            ("client", caller.client_id().map(str::to_owned)),
            ("user", Some(caller.user().to_owned())),
            ("keyType", caller.key_type().map(|key_type| name(key_type).to_owned())),
            ("ends", caller.ends_at().filter(|at| *at < i64::MAX).map(|at| at.to_string())),
        ],
    )
}

/// The kinds of credential that an API reads.
fn accepted(api: &ApiPlan) -> String {
    let all = [Scheme::Oauth2, Scheme::ApiKey, Scheme::Basic, Scheme::MutualTls];
    let read = all.into_iter().filter(|scheme| api.security.schemes.has(*scheme));
    read.map(|scheme| scheme.as_str_name()).collect::<Vec<_>>().join(" ")
}

/// Whether the caller stands for an application, as clients and API keys do.
fn has_application(caller: &Caller) -> bool {
    caller.token().is_some() || caller.api_key().is_some()
}

fn application(caller: Option<&Caller>) -> Facts {
    let consumer = caller.and_then(Caller::consumer);
    let application = consumer.as_ref().map(|consumer| &consumer.application);
    let asked = caller.is_some_and(has_application);
    // Gateways hear of applications that have a subscription to what they serve.
    let unknown = "no application with a subscription at this gateway has this client";
    Facts::of(
        asked,
        [
            ("unknown", (asked && application.is_none()).then(|| unknown.to_owned())),
            ("name", application.map(|application| application.name.to_string())),
            ("owner", application.map(|application| application.owner.to_string())),
            ("tier", application.map(|application| application.tier.to_string())),
        ],
    )
}

fn subscription(view: &View, caller: Option<&Caller>) -> Facts {
    let consumer = caller.and_then(Caller::consumer);
    let found = consumer.as_ref().zip(view.api.as_ref()).and_then(|(consumer, api)| {
        view.generation.plan.subscription(&consumer.application.name, &api.id)
    });
    let free = view
        .api
        .as_ref()
        .is_some_and(|api| api.subscriptionless || api.lifecycle == Lifecycle::Prototyped);
    let asked = found.is_some() || (caller.is_some_and(has_application) && !free);
    Facts::of(
        asked,
        [
            ("tier", found.map(|found| found.tier.to_string())),
            ("state", found.map(|found| found.state.as_str_name().to_owned())),
        ],
    )
}

/// Which tier limits the call on which level; `Unlimited` limits nothing.
fn tiers(view: &View, operation: Option<&OperationPlan>, caller: Option<&Caller>) -> String {
    let own = operation.and_then(|operation| operation.limits.as_ref());
    let throttle = view.api.as_ref().and_then(|api| api.throttle.as_ref());
    let of_api = throttle.and_then(|throttle| throttle.limits.as_ref());
    let consumer = caller.and_then(Caller::consumer);
    let application = consumer.as_ref().map(|consumer| &consumer.application);
    let subscription = application.zip(view.api.as_ref()).and_then(|(application, api)| {
        view.generation.plan.subscription(&application.name, &api.id)
    });
    let all = [
        ("operation", own.map(|limits| &limits.tier)),
        ("api", of_api.filter(|_| own.is_none()).map(|limits| &limits.tier)),
        ("subscription", subscription.map(|subscription| &subscription.tier)),
        ("application", application.map(|application| &application.tier)),
    ];
    let named = all.into_iter().filter_map(|(level, tier)| Some((level, tier?)));
    let limiting = named.filter(|(_, tier)| ***tier != *"Unlimited");
    limiting.map(|(level, tier)| format!("{level} {tier}")).collect::<Vec<_>>().join(", ")
}

fn scopes(operation: Option<&OperationPlan>, caller: Option<&Caller>) -> Facts {
    let wanted = operation.map(|operation| operation.scopes.join(" "));
    let asked = wanted.as_ref().is_some_and(|wanted| !wanted.is_empty())
        && caller.is_none_or(|caller| caller.test_key().is_none());
    let had = caller.filter(|_| asked).map(|caller| caller.scopes().collect::<Vec<_>>().join(" "));
    Facts::of(asked, [("wanted", wanted), ("had", had)])
}

fn conditions(operation: Option<&OperationPlan>) -> Facts {
    let access = operation.and_then(|operation| operation.access.as_deref());
    let count = |of: fn(&AccessPlan) -> usize| {
        access.map(of).filter(|count| *count > 0).map(|count| count.to_string())
    };
    Facts::of(
        access.is_some(),
        [
            ("csrf", count(|access| access.csrf.len())),
            ("claims", count(|access| access.claims.len())),
            ("conditions", count(|access| access.conditions.len())),
        ],
    )
}

fn decision(view: &View, operation: Option<&OperationPlan>) -> Facts {
    let member = operation.and_then(|operation| operation.member.as_ref());
    let of_product = view.api.as_ref().filter(|_| member.is_some());
    let of_product = of_product.and_then(|api| api.decision_points.first());
    let home = member.or(view.api.as_ref());
    let own = operation.and_then(|operation| operation.decision_point);
    let own = home.zip(own).and_then(|(home, place)| home.decision_points.get(place));
    let asked: Vec<_> = of_product.into_iter().chain(own).collect();
    let each = |of: &dyn Fn(&DecisionPointPlan) -> String| {
        let all: Vec<_> = asked.iter().map(|point| of(point)).collect();
        Some(all.join(" "))
    };
    Facts::of(
        !asked.is_empty(),
        [
            ("protocol", each(&|point| point.protocol.as_str_name().to_owned())),
            ("servers", each(&|point| servers(&point.endpoint))),
        ],
    )
}

/// The servers of an endpoint, the first of them where there are many.
fn servers(endpoint: &EndpointPlan) -> String {
    let scheme = |tls: bool| if tls { "https" } else { "http" };
    let shown = endpoint.servers.iter().take(MOST_SERVERS).map(|server| {
        let at = &server.url;
        format!("{}://{}{}", scheme(at.tls), at.authority, at.base)
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn backend(view: &View, account: &Account) -> Facts {
    let target = view.target.as_ref();
    let servers = target.map(|target| servers(&target.endpoint));
    let asked = account.backend.as_ref().map(|asked| asked.authority().to_owned());
    let kind = |sandbox: bool| if sandbox { "sandbox" } else { "production" };
    Facts::of(
        true,
        [
            ("endpoint", target.map(|target| kind(target.sandbox).to_owned())),
            ("variant", target.map(|target| target.variant.clone())),
            ("servers", servers),
            ("asked", asked),
        ],
    )
}

const fn name(key_type: KeyType) -> &'static str {
    match key_type {
        KeyType::Production => "production",
        KeyType::Sandbox => "sandbox",
    }
}
