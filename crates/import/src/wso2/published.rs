//! What does the `api.yaml` of a project say of an API?

use std::collections::BTreeSet;

use plan::Problem;
use serde_json::Value;
use turnpike_proto::config::v1::api_type::Type as ApiType;
use turnpike_proto::config::v1::lifecycle::State;
use turnpike_proto::config::v1::policy_rule::Rule;
use turnpike_proto::config::v1::tier_spec::Level;
use turnpike_proto::config::v1::{
    Api, ApiScope, ApiSpec, HeaderField, HeaderName, MaxTps, Operation, Policies, PolicyRule,
    Resource,
};

use super::backends::backends;
use super::extensions::caching;
use super::parameters::Parameters;
use super::words::{auth, cors, security, shown_in, state, throttle, tier};
use crate::draft::{Options, Stated, api, operation};
use crate::naming::{context_from, name_of};
use crate::reading::{has, label, list, members, number, problem, text, texts, truth};
use crate::report::Report;

/// Members that say nothing to a gateway, and those that only the other product gives meaning.
const UNKNOWN: [(&str, &str); 9] = [
    ("mediationPolicies", "sequences are not carried over"),
    ("threatProtectionPolicies", "messages are not looked into"),
    ("additionalProperties", "properties of the portal are not kept"),
    ("monetization", "there is no billing"),
    ("categories", "categories of the portal are not kept"),
    ("websubSubscriptionConfiguration", "WebSub is not served"),
    ("advertiseInfo", "APIs of others are not advertised"),
    ("serviceInfo", "there is no service catalogue"),
    ("visibleRoles", "who sees an API in the portal is not kept"),
];

/// The Api that `data` describes, and the secrets that its backends need.
pub(super) fn published(
    data: &Value,
    parameters: &Parameters,
    path: &str,
    options: &Options,
    report: &mut Report,
) -> Result<(Api, Vec<Resource>), Vec<Problem>> {
    let kind = kind(data, path, report)?;
    let version = label(data, "version");
    let id = name_of(&format!("{}-{version}", text(data, "name"))).unwrap_or_default();
    let backends = backends(data, parameters, &id, report);
    let stated = Stated {
        file: path.to_owned(),
        name: text(data, "name").to_owned(),
        version,
        context: context(data),
        description: text(data, "description").to_owned(),
        operations: operations(data, kind, report),
        ..Stated::default()
    };
    let mut made = api(stated, options)?;
    if let Some(metadata) = made.metadata.as_mut() {
        text(data, "provider").clone_into(&mut metadata.owner);
        for tag in texts(data, "tags").into_iter().take(64) {
            report.changed("tags", tag.as_str(), format!("the label tag/{tag}"));
            metadata.labels.insert(format!("tag/{tag}"), "true".to_owned());
        }
    }
    let Some(spec) = made.spec.as_mut() else { return Ok((made, Vec::new())) };
    if spec.endpoints.is_none() {
        spec.endpoints = backends.endpoints;
    }
    spec.set_type(kind);
    life(data, options, spec, report);
    rights(data, parameters, spec, report);
    limits(data, spec, report);
    for (name, why) in UNKNOWN {
        let stated = data.get(name).is_some_and(is_something);
        if stated {
            report.left(name, "member", why);
        }
    }
    if truth(data, "enableSchemaValidation") == Some(true) {
        report.left("enableSchemaValidation", "validation", "messages are not looked into");
    }
    Ok((made, backends.secrets))
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => map.values().any(is_something),
        Value::Bool(on) => *on,
        Value::String(text) => !text.is_empty(),
        Value::Number(_) => true,
    }
}

/// How its calls look on the wire; what is not served is refused.
fn kind(data: &Value, path: &str, report: &mut Report) -> Result<ApiType, Vec<Problem>> {
    let word = text(data, "type").to_ascii_uppercase();
    Ok(match word.as_str() {
        "" | "HTTP" => ApiType::Http,
        "WS" => ApiType::Ws,
        "SSE" => ApiType::Sse,
        "GRPC" => ApiType::Grpc,
        "SOAP" | "GRAPHQL" => {
            report.changed("type", word.as_str(), "served as HTTP: every message comes as POST");
            ApiType::Http
        }
        _ => {
            let reason = format!("an API of type {word} is not served");
            let suggestion = "HTTP, WS, SSE, GRPC, SOAP and GRAPHQL are";
            return Err(problem(path, "data.type", reason, suggestion));
        }
    })
}

/// The context without its version, which stands in it in some exports.
fn context(data: &Value) -> Option<String> {
    let written = text(data, "context");
    let version = label(data, "version");
    let without = written.strip_suffix(&version).and_then(|it| it.strip_suffix('/'));
    let kept = without.filter(|it| !version.is_empty() && !it.is_empty()).unwrap_or(written);
    let kept = kept.strip_suffix("/{version}").unwrap_or(kept);
    (!written.is_empty()).then(|| context_from(kept))
}

fn operations(data: &Value, kind: ApiType, report: &mut Report) -> Vec<Operation> {
    let word = text(data, "type").to_ascii_uppercase();
    if matches!(word.as_str(), "SOAP" | "GRAPHQL") {
        for one in list(data, "operations") {
            let how = "served by POST /* together with all others";
            report.changed(
                "operations",
                format!("{} {}", text(one, "verb"), text(one, "target")),
                how,
            );
        }
        let get = (word == "GRAPHQL").then(|| operation("GET", "/*", ""));
        return [operation("POST", "/*", "")].into_iter().chain(get).collect();
    }
    let (mut made, mut known) = (Vec::new(), BTreeSet::new());
    for (index, one) in list(data, "operations").iter().enumerate() {
        let place = format!("operations[{index}]");
        let path = plan::openapi::served_path(text(one, "target"));
        let verb = text(one, "verb").to_ascii_uppercase();
        let method = if kind == ApiType::Ws { "GET" } else { verb.as_str() };
        if !known.insert((method.to_owned(), path.clone())) {
            report.left(place, format!("{method} {path}"), "an earlier one is the same");
            continue;
        }
        let mut operation = operation(method, &path, "");
        match auth(text(one, "authType")) {
            Some(auth) => operation.set_auth(auth),
            None => report.left(
                place.as_str(),
                text(one, "authType"),
                "this word is not known, so credentials are asked for",
            ),
        }
        operation.scopes = texts(one, "scopes");
        operation.tier = tier(text(one, "throttlingPolicy"), Level::Advanced, &place, report)
            .unwrap_or_default();
        operation.policies = policies(one, &place, report);
        report.taken(place, format!("{method} {path}"));
        made.push(operation);
    }
    made
}

/// Header policies are known here; others are told of.
fn policies(stated: &Value, place: &str, report: &mut Report) -> Option<Policies> {
    let mut made = Policies::default();
    for (flow, _) in members(stated, "operationPolicies") {
        let rules = stated.get("operationPolicies").map_or(&[][..], |it| list(it, flow));
        for policy in rules {
            let name = text(policy, "policyName");
            let given = policy.get("parameters").unwrap_or(&Value::Null);
            let header = text(given, "headerName").to_owned();
            let rule = match name {
                "addHeader" => {
                    let value = label(given, "headerValue");
                    Rule::SetHeader(HeaderField { name: header, value })
                }
                "removeHeader" => Rule::RemoveHeader(HeaderName { name: header }),
                _ => {
                    report.left(format!("{place}.{flow}"), name, "this policy is not known here");
                    continue;
                }
            };
            let rule = PolicyRule { rule: Some(rule) };
            match flow {
                "request" => made.request.push(rule),
                "response" => made.response.push(rule),
                _ => {
                    let why = "answers that a gateway gives itself are not changed";
                    report.left(format!("{place}.{flow}"), name, why);
                    continue;
                }
            }
            report.taken(format!("{place}.{flow}"), name);
        }
    }
    (made != Policies::default()).then_some(made)
}

fn life(data: &Value, options: &Options, spec: &mut ApiSpec, report: &mut Report) {
    let word = text(data, "lifeCycleStatus");
    let found = if word.is_empty() { None } else { state(word) };
    match found {
        Some(state) if options.publish => {
            spec.set_lifecycle(state);
            report.taken("lifeCycleStatus", word);
        }
        Some(_) => {
            spec.set_lifecycle(State::Created);
            report.changed("lifeCycleStatus", word, "CREATED, as was asked for");
        }
        None if !word.is_empty() => {
            spec.set_lifecycle(State::Created);
            report.left("lifeCycleStatus", word, "this state is not known, so it is CREATED");
        }
        None => {}
    }
    spec.default_version = truth(data, "isDefaultVersion") == Some(true);
    let visible = text(data, "visibility");
    if !matches!(visible, "" | "PUBLIC") {
        report.left("visibility", visible, "who sees an API in the portal is not kept");
    }
}

fn rights(data: &Value, parameters: &Parameters, spec: &mut ApiSpec, report: &mut Report) {
    spec.security = security(&texts(data, "securityScheme"), "securityScheme", report);
    let (field, key) = (text(data, "authorizationHeader"), text(data, "apiKeyHeader"));
    shown_in(&mut spec.security, field, key, "authorizationHeader", report);
    let audiences = texts(data, "audiences");
    if !audiences.is_empty() && audiences != ["all"] {
        spec.security.get_or_insert_default().audiences = audiences;
        report.taken("audiences", "audiences of tokens");
    }
    for manager in texts(data, "keyManagers") {
        if matches!(manager.as_str(), "all" | "Resident Key Manager") {
            report.taken("keyManagers", manager);
        } else {
            let why = "make a KeyManager and name it in spec.keyManagers";
            report.left("keyManagers", manager, why);
        }
    }
    let own = texts(&parameters.values, "policies");
    let names = if own.is_empty() { texts(data, "policies") } else { own };
    for name in names {
        if name == "Unlimited" {
            spec.tiers.push(name);
        } else if let Some(name) = tier(&name, Level::Subscription, "policies", report) {
            spec.tiers.push(name);
        }
    }
    for one in list(data, "scopes") {
        let scope = one.get("scope").unwrap_or(one);
        let name = text(scope, "name");
        spec.scopes.push(ApiScope {
            name: name.to_owned(),
            roles: texts(scope, "bindings"),
            description: text(scope, "description").to_owned(),
        });
        report.taken("scopes", name);
    }
    if let Some(stated) = data.get("corsConfiguration") {
        spec.cors = cors(stated, "corsConfiguration", report);
    }
}

fn limits(data: &Value, spec: &mut ApiSpec, report: &mut Report) {
    let named = text(data, "apiThrottlingPolicy");
    spec.throttle = throttle(named, "apiThrottlingPolicy", report);
    if let Some(stated) = data.get("maxTps").filter(|stated| is_something(stated)) {
        spec.throttle.get_or_insert_default().max_tps = max_tps(stated, report);
    }
    if truth(data, "responseCachingEnabled") == Some(true) {
        let seconds = number(data, "cacheTimeout").unwrap_or(300).clamp(1, 365 * 86_400);
        spec.cache = Some(caching(seconds));
        let how = "answers of each application are kept apart (RFC 9111)";
        report.changed("responseCachingEnabled", "response cache", how);
    }
}

fn max_tps(stated: &Value, report: &mut Report) -> Option<MaxTps> {
    let unit = |name: &str| match text(stated, name) {
        "MINUTE" => 60,
        "HOUR" => 3_600,
        _ => 1,
    };
    let (production, mut sandbox) = (number(stated, "production"), number(stated, "sandbox"));
    let seconds = unit(if production.is_some() { "productionTimeUnit" } else { "sandboxTimeUnit" });
    if production.is_some() && sandbox.is_some() && unit("sandboxTimeUnit") != seconds {
        sandbox = None;
        report.left("maxTps.sandbox", "limit", "both limits have one time here");
    }
    if has(stated, "tokenBasedThrottlingConfiguration") {
        report.left(
            "maxTps.tokenBasedThrottlingConfiguration",
            "limit",
            "tokens of models are not counted",
        );
    }
    if production.is_none() && sandbox.is_none() {
        return None;
    }
    report.taken("maxTps", "limits of the backends");
    let per = prost_types::Duration { seconds, nanos: 0 };
    Some(MaxTps { production, sandbox, per: Some(per), ..MaxTps::default() })
}
