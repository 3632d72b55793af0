//! What does a resource refer to, and what does it claim for itself alone?
//!
//! References and claims are read from a resource's own fields only, so that the index of them
//! follows each change without looking at anything else.

use turnpike_proto::config::v1::endpoint_security::Scheme;
use turnpike_proto::config::v1::notification_channel_spec::Way;
use turnpike_proto::config::v1::policy_rule::Rule;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::tier_spec::Level;
use turnpike_proto::config::v1::workflow_spec::Executor;
use turnpike_proto::config::v1::{
    AlertRuleSpec, ApiProductSpec, ApiSpec, ApplicationSpec, CallerRights, CertificateSpec,
    Endpoint, ExternalAuthorization, KeyManagerSpec, Mirror, NotificationChannelSpec, Policies,
    PolicyRule, ProductApi, ProviderClient, Resource, Security, SubscriptionSpec, Throttle,
    WorkflowRequestSpec, WorkflowSpec, XacmlPolicySetSpec, alert_kind, workflow_event,
    workflow_request_spec,
};

use crate::compile::{SUBSCRIPTIONLESS, UNAUTHENTICATED, built_in_tiers};
use crate::resource::{Kind, ResourceKey, metadata};
use crate::router::served_paths;

/// A field that names another resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// What it names, whether that is there or not.
    pub to: ResourceKey,
    /// The path of the field in the JSON form.
    pub field: String,
}

impl Reference {
    /// The level that a tier has to be of which a resource of the kind `from` names so.
    pub(crate) fn level(&self, from: Option<Kind>) -> Level {
        let of_operation =
            || self.field.starts_with("spec.operations[") && self.field.ends_with("].tier");
        match from {
            Some(Kind::Application) => Level::Application,
            _ if self.field == "spec.throttle.tier" || of_operation() => Level::Advanced,
            _ => Level::Subscription,
        }
    }
}

/// A thing that one resource alone may have, in words: `the path /orders/1.0.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) thing: String,
    pub(crate) field: String,
}

/// What exists without anybody writing it.
pub fn is_built_in(key: &ResourceKey) -> bool {
    match key.kind() {
        Some(Kind::Tier) => built_in_tiers().any(|name| name == key.id()),
        _ => matches!(key.as_str(), "KeyManager/resident" | "GatewayGroup/default"),
    }
}

/// Every resource that this one names.
pub fn references(resource: &Resource) -> Vec<Reference> {
    match resource.resource.as_ref() {
        Some(Any::Api(one)) => one.spec.as_ref().map(of_api),
        Some(Any::ApiProduct(one)) => one.spec.as_ref().map(of_product),
        Some(Any::Application(one)) => one.spec.as_ref().map(of_application),
        Some(Any::Subscription(one)) => one.spec.as_ref().map(of_subscription),
        Some(Any::Certificate(one)) => one.spec.as_ref().map(of_certificate),
        Some(Any::KeyManager(one)) => one.spec.as_ref().map(of_key_manager),
        Some(Any::DenyPolicy(one)) => {
            one.spec.as_ref().map(|spec| of_policy(&spec.apis, &spec.applications))
        }
        Some(Any::CustomThrottle(one)) => one.spec.as_ref().map(|spec| of_policy(&spec.apis, &[])),
        Some(Any::Workflow(one)) => one.spec.as_ref().map(of_workflow),
        Some(Any::XacmlPolicySet(one)) => one.spec.as_ref().map(of_policy_set),
        Some(Any::NotificationChannel(one)) => one.spec.as_ref().map(of_channel),
        _ => None,
    }
    .unwrap_or_default()
}

/// `named`, or what its absence means.
pub(crate) fn or_default<'n>(named: &'n str, default: &'n str) -> &'n str {
    if named.is_empty() { default } else { named }
}

fn of_api(spec: &ApiSpec) -> Vec<Reference> {
    let endpoints = spec.endpoints.as_ref();
    let endpoint = |name: &str, endpoint: Option<&Endpoint>| {
        let at = format!("spec.{name}");
        endpoint.map(|endpoint| of_endpoint(endpoint, &at)).unwrap_or_default()
    };
    let mut all = of_lists(&spec.key_managers, &spec.tiers, &spec.gateways);
    all.extend(of_security(spec.security.as_ref()));
    all.extend(endpoint("endpoints.production", endpoints.and_then(|it| it.production.as_ref())));
    all.extend(endpoint("endpoints.sandbox", endpoints.and_then(|it| it.sandbox.as_ref())));
    let choices = spec.variants.iter().flat_map(|variants| &variants.choices);
    for (index, choice) in choices.enumerate() {
        let at = format!("variants.choices[{index}]");
        all.extend(endpoint(&format!("{at}.production"), choice.production.as_ref()));
        all.extend(endpoint(&format!("{at}.sandbox"), choice.sandbox.as_ref()));
    }
    let of_mirror = |mirror: Option<&Mirror>, at: &str| {
        endpoint(&format!("{at}mirror.endpoint"), mirror.and_then(|it| it.endpoint.as_ref()))
    };
    all.extend(of_mirror(spec.mirror.as_ref(), ""));
    all.extend(of_decision_point(spec.external_authorization.as_ref(), ""));
    if let Some(entitlement) = &spec.entitlement {
        let field = "spec.entitlement.policySet";
        all.push(reference(Kind::XacmlPolicySet, &entitlement.policy_set, field));
    }
    for (index, operation) in spec.operations.iter().enumerate() {
        let asked = operation.external_authorization.as_ref();
        // There may be thousands, and hardly any has a mirror or a decision point of its own.
        if operation.mirror.is_some() || asked.is_some() {
            let at = format!("operations[{index}].");
            all.extend(of_mirror(operation.mirror.as_ref(), &at));
            all.extend(of_decision_point(asked, &at));
        }
        if !operation.tier.is_empty() {
            let field = format!("spec.operations[{index}].tier");
            all.push(reference(Kind::Tier, &operation.tier, field));
        }
    }
    all.extend(of_throttle(spec.throttle.as_ref()));
    all.extend(of_policies(spec.policies.as_ref(), "spec.policies"));
    for (index, operation) in spec.operations.iter().enumerate() {
        if operation.policies.is_some() {
            let at = format!("spec.operations[{index}].policies");
            all.extend(of_policies(operation.policies.as_ref(), &at));
        }
    }
    all
}

/// The policies that are named by the rules at `at`.
fn of_policies(policies: Option<&Policies>, at: &str) -> Vec<Reference> {
    let Some(policies) = policies else { return Vec::new() };
    let of = |list: &[PolicyRule], direction: &str| {
        let named = list.iter().enumerate().filter_map(|(index, rule)| match &rule.rule {
            Some(Rule::Policy(name)) => {
                Some(reference(Kind::Policy, name, format!("{at}.{direction}[{index}].policy")))
            }
            _ => None,
        });
        named.collect::<Vec<_>>()
    };
    let mut all = of(&policies.request, "request");
    all.extend(of(&policies.response, "response"));
    all
}

/// The policy sets whose documents one may refer to.
fn of_policy_set(spec: &XacmlPolicySetSpec) -> Vec<Reference> {
    let included = each(&spec.includes, "includes");
    included.map(|(name, field)| reference(Kind::XacmlPolicySet, name, field)).collect()
}

/// The secret under which a program of the operator is asked.
fn of_workflow(spec: &WorkflowSpec) -> Vec<Reference> {
    match &spec.executor {
        Some(Executor::Http(http)) => {
            vec![reference(Kind::Secret, &http.secret, "spec.http.secret")]
        }
        _ => Vec::new(),
    }
}

/// The secret under which a program is told of alerts.
fn of_channel(spec: &NotificationChannelSpec) -> Vec<Reference> {
    match &spec.way {
        Some(Way::Webhook(webhook)) => {
            vec![reference(Kind::Secret, &webhook.secret, "spec.webhook.secret")]
        }
        _ => Vec::new(),
    }
}

/// The tiers that limit an API, those included that hold where none is written.
fn of_throttle(throttle: Option<&Throttle>) -> Vec<Reference> {
    let Some(throttle) = throttle else { return Vec::new() };
    let unauthenticated = or_default(&throttle.unauthenticated_tier, UNAUTHENTICATED);
    let subscriptionless = or_default(&throttle.subscriptionless_tier, SUBSCRIPTIONLESS);
    let named = [
        (throttle.tier.as_str(), "spec.throttle.tier"),
        (unauthenticated, "spec.throttle.unauthenticatedTier"),
        (subscriptionless, "spec.throttle.subscriptionlessTier"),
    ];
    let named = named.into_iter().filter(|(name, _)| !name.is_empty());
    named.map(|(name, field)| reference(Kind::Tier, name, field)).collect()
}

/// What is named by who is asked about the calls of what stands at `at` below `spec`.
fn of_decision_point(asked: Option<&ExternalAuthorization>, at: &str) -> Vec<Reference> {
    let endpoint = asked.and_then(|asked| asked.endpoint.as_ref());
    let at = format!("spec.{at}externalAuthorization.endpoint");
    endpoint.map(|endpoint| of_endpoint(endpoint, &at)).unwrap_or_default()
}

fn of_product(spec: &ApiProductSpec) -> Vec<Reference> {
    let member = |(index, api): (usize, &ProductApi)| {
        let id = format!("{}:{}", api.name, api.version);
        reference(Kind::Api, &id, format!("spec.apis[{index}]"))
    };
    let lists = of_lists(&spec.key_managers, &spec.tiers, &spec.gateways);
    let security = of_security(spec.security.as_ref());
    let asked = of_decision_point(spec.external_authorization.as_ref(), "");
    let members = spec.apis.iter().enumerate().map(member);
    let throttle = of_throttle(spec.throttle.as_ref());
    members.chain(lists).chain(security).chain(asked).chain(throttle).collect()
}

/// The certificates of callers, and the tiers that limit them.
fn of_security(security: Option<&Security>) -> Vec<Reference> {
    let Some(callers) = security.and_then(|security| security.mutual_tls.as_ref()) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    let mut add = |list: &str, index: usize, name: &str, rights: Option<&CallerRights>| {
        let at = format!("spec.security.mutualTls.{list}[{index}]");
        all.push(reference(Kind::Certificate, name, format!("{at}.certificate")));
        let tier = or_default(rights.map_or("", |rights| &rights.tier), "Unlimited");
        all.push(reference(Kind::Tier, tier, format!("{at}.rights.tier")));
    };
    for (index, one) in callers.certificates.iter().enumerate() {
        add("certificates", index, &one.certificate, one.rights.as_ref());
    }
    for (index, one) in callers.authorities.iter().enumerate() {
        add("authorities", index, &one.certificate, one.rights.as_ref());
    }
    all
}

fn of_lists(key_managers: &[String], tiers: &[String], gateways: &[String]) -> Vec<Reference> {
    let lists = [
        (Kind::KeyManager, "keyManagers", key_managers),
        (Kind::Tier, "tiers", tiers),
        (Kind::GatewayGroup, "gateways", gateways),
    ];
    let each = |(kind, field, names): (Kind, &'static str, &[String])| {
        names
            .iter()
            .enumerate()
            .map(move |(index, name)| reference(kind, name, format!("spec.{field}[{index}]")))
            .collect::<Vec<_>>()
    };
    lists.into_iter().flat_map(each).collect()
}

/// The certificates and secrets of an endpoint that stands at `at`.
fn of_endpoint(endpoint: &Endpoint, at: &str) -> Vec<Reference> {
    let mut all = Vec::new();
    let mut name = |kind, name: &str, field: &str| {
        if !name.is_empty() {
            all.push(reference(kind, name, format!("{at}.{field}")));
        }
    };
    if let Some(tls) = &endpoint.tls {
        for (index, authority) in tls.authorities.iter().enumerate() {
            name(Kind::Certificate, authority, &format!("tls.authorities[{index}]"));
        }
        name(Kind::Certificate, &tls.client_certificate, "tls.clientCertificate");
    }
    match endpoint.security.as_ref().and_then(|security| security.scheme.as_ref()) {
        Some(Scheme::Basic(basic)) => name(Kind::Secret, &basic.secret, "security.basic.secret"),
        Some(Scheme::ApiKey(key)) => name(Kind::Secret, &key.secret, "security.apiKey.secret"),
        Some(Scheme::Oauth2(oauth2)) => {
            name(Kind::Secret, &oauth2.secret, "security.oauth2.secret");
            let (password, token) = (&oauth2.password_secret, &oauth2.refresh_token_secret);
            name(Kind::Secret, password, "security.oauth2.passwordSecret");
            name(Kind::Secret, token, "security.oauth2.refreshTokenSecret");
        }
        Some(Scheme::Aws(aws)) => {
            name(Kind::Secret, &aws.secret, "security.aws.secret");
            name(Kind::Secret, &aws.session_token_secret, "security.aws.sessionTokenSecret");
        }
        None => {}
    }
    all
}

fn of_application(spec: &ApplicationSpec) -> Vec<Reference> {
    let tier = reference(Kind::Tier, or_default(&spec.tier, "Unlimited"), "spec.tier");
    let keys = spec.keys.iter().enumerate().map(|(index, key)| {
        let name = or_default(&key.key_manager, "resident");
        reference(Kind::KeyManager, name, format!("spec.keys[{index}].keyManager"))
    });
    std::iter::once(tier).chain(keys).collect()
}

fn of_subscription(spec: &SubscriptionSpec) -> Vec<Reference> {
    vec![
        reference(Kind::Application, &spec.application, "spec.application"),
        subscribed(spec),
        reference(Kind::Tier, or_default(&spec.tier, "Unlimited"), "spec.tier"),
    ]
}

/// What the subscription is to.
fn subscribed(spec: &SubscriptionSpec) -> Reference {
    match spec.api_product.as_str() {
        "" => reference(Kind::Api, &spec.api, "spec.api"),
        product => reference(Kind::ApiProduct, product, "spec.apiProduct"),
    }
}

fn of_certificate(spec: &CertificateSpec) -> Vec<Reference> {
    let named = (!spec.key_secret.is_empty())
        .then(|| reference(Kind::Secret, &spec.key_secret, "spec.keySecret"));
    named.into_iter().collect()
}

/// An entry may name an API or a product, which have no name in common: it refers to both, so that
/// neither is removed under it. Which of them is missing is asked once, with the first.
fn of_policy(apis: &[String], applications: &[String]) -> Vec<Reference> {
    let api = |(index, id): (usize, &String)| {
        let field = format!("spec.apis[{index}]");
        [Kind::Api, Kind::ApiProduct].map(|kind| reference(kind, id, field.clone()))
    };
    let application = |(index, name): (usize, &String)| {
        reference(Kind::Application, name, format!("spec.applications[{index}]"))
    };
    // `name:*` may stand there before the first version does.
    let one = |(_, id): &(usize, &String)| id.contains(':') && !id.ends_with(":*");
    let apis = apis.iter().enumerate().filter(one).flat_map(api);
    apis.chain(applications.iter().enumerate().map(application)).collect()
}

/// The secrets with which our own key manager asks a provider.
fn of_key_manager(spec: &KeyManagerSpec) -> Vec<Reference> {
    fn client(client: Option<&ProviderClient>) -> &str {
        client.map_or("", |client| &client.secret)
    }
    let introspection = spec.introspection.as_ref().and_then(|asked| asked.client.as_ref());
    let registration = spec.registration.as_ref().map_or("", |it| it.token_secret.as_str());
    let login = spec.login.as_ref().and_then(|login| login.client.as_ref());
    let named = [
        (client(introspection), "spec.introspection.client.secret"),
        (registration, "spec.registration.tokenSecret"),
        (client(login), "spec.login.client.secret"),
    ];
    let named = named.into_iter().filter(|(name, _)| !name.is_empty());
    named.map(|(name, field)| reference(Kind::Secret, name, field)).collect()
}

fn reference(kind: Kind, id: &str, field: impl Into<String>) -> Reference {
    Reference { to: ResourceKey::of_id(kind, id), field: field.into() }
}

/// What this resource wants for itself alone.
pub(crate) fn claims(resource: &Resource) -> Vec<Claim> {
    let version = metadata(resource).map_or("", |metadata| metadata.version.as_str());
    match resource.resource.as_ref() {
        Some(Any::Api(one)) => one.spec.as_ref().map(|spec| {
            let mut claims = path_claims(&spec.context, version, spec.default_version);
            claims.push(name_claim(resource));
            claims
        }),
        Some(Any::ApiProduct(one)) => one.spec.as_ref().map(|spec| {
            let mut claims = path_claims(&spec.context, version, spec.default_version);
            claims.push(name_claim(resource));
            claims
        }),
        Some(Any::Application(one)) => one.spec.as_ref().map(application_claims),
        Some(Any::Subscription(one)) => one.spec.as_ref().map(|spec| {
            let Reference { to, field } = subscribed(spec);
            let (application, id) = (&spec.application, to.id());
            let thing = format!("the subscription of application {application} to API {id}");
            vec![claim(thing, field)]
        }),
        Some(Any::KeyManager(one)) => one.spec.as_ref().map(|spec| {
            let thing = format!("the issuer {}", spec.issuer);
            vec![claim(thing, "spec.issuer")]
        }),
        Some(Any::Workflow(one)) => one.spec.as_ref().map(workflow_claims),
        Some(Any::WorkflowRequest(one)) => one.spec.as_ref().map(request_claims),
        Some(Any::AlertRule(one)) => one.spec.as_ref().map(alert_claims),
        _ => None,
    }
    .unwrap_or_default()
}

/// Served paths, so that also a context that reads like another one's version is found.
fn path_claims(context: &str, version: &str, default_version: bool) -> Vec<Claim> {
    let (versioned, bare) = served_paths(context, version, default_version);
    let mut claims = vec![claim(format!("the path {versioned}"), "spec.context")];
    claims.extend(bare.map(|bare| claim(format!("the path {bare}"), "spec.defaultVersion")));
    claims
}

/// Subscriptions and usage events tell APIs and products apart by nothing else.
fn name_claim(resource: &Resource) -> Claim {
    let (name, version) =
        metadata(resource).map_or(("", ""), |metadata| (&metadata.name, &metadata.version));
    claim(format!("the name {name}:{version}"), "metadata.name")
}

fn application_claims(spec: &ApplicationSpec) -> Vec<Claim> {
    let each = |(index, key): (usize, &turnpike_proto::config::v1::ApplicationKey)| {
        let key_manager = or_default(&key.key_manager, "resident");
        let thing = format!("the consumer key {} of key manager {key_manager}", key.consumer_key);
        claim(thing, format!("spec.keys[{index}].consumerKey"))
    };
    let api_keys = spec.api_keys.iter().enumerate().map(|(index, key)| {
        claim(format!("the API key {}", key.sha256), format!("spec.apiKeys[{index}].sha256"))
    });
    spec.keys.iter().enumerate().map(each).chain(api_keys).collect()
}

fn workflow_claims(spec: &WorkflowSpec) -> Vec<Claim> {
    let each = |(index, event): (usize, &i32)| {
        let event = workflow_event::Event::try_from(*event).ok()?;
        let thing = format!("the event {}", event.as_str_name());
        Some(claim(thing, format!("spec.events[{index}]")))
    };
    spec.events.iter().enumerate().filter_map(each).collect()
}

/// What waits is asked for once.
fn request_claims(spec: &WorkflowRequestSpec) -> Vec<Claim> {
    if spec.state() != workflow_request_spec::State::Waiting {
        return Vec::new();
    }
    let event = spec.event().as_str_name();
    vec![claim(format!("the decision {event} about {}", spec.subject), "spec.subject")]
}

/// Of a type there is one rule for each API, each application and each of both, and one for all others.
fn alert_claims(spec: &AlertRuleSpec) -> Vec<Claim> {
    let Some(kind) = spec.r#type.and_then(|kind| alert_kind::Type::try_from(kind).ok()) else {
        return Vec::new();
    };
    let kind = kind.as_str_name();
    let (apis, applications) = (spec.apis.as_slice(), spec.applications.as_slice());
    match (apis, applications) {
        ([], []) => vec![claim(format!("the rule of {kind} for all APIs"), "spec.type")],
        (apis, []) => {
            let thing = |api| format!("the rule of {kind} for the API {api}");
            each(apis, "apis").map(|(api, field)| claim(thing(api), field)).collect()
        }
        ([], applications) => {
            let thing = |name| format!("the rule of {kind} for the application {name}");
            each(applications, "applications").map(|(name, at)| claim(thing(name), at)).collect()
        }
        (apis, applications) => {
            let pairs = each(applications, "applications")
                .flat_map(|(name, field)| apis.iter().map(move |api| (name, api, field.clone())));
            let thing = |name, api| format!("the rule of {kind} for {name} at the API {api}");
            pairs.map(|(name, api, field)| claim(thing(name, api), field)).collect()
        }
    }
}

/// The names of a list, each with its place.
fn each<'n>(names: &'n [String], list: &str) -> impl Iterator<Item = (&'n String, String)> {
    names.iter().enumerate().map(move |(index, name)| (name, format!("spec.{list}[{index}]")))
}

fn claim(thing: String, field: impl Into<String>) -> Claim {
    Claim { thing, field: field.into() }
}
