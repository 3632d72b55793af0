//! What do the `x-wso2-…` members of an `OpenAPI` document say?

use serde_json::Value;
use turnpike_proto::config::v1::credential_scheme::Kind as Scheme;
use turnpike_proto::config::v1::endpoint::Balance;
use turnpike_proto::config::v1::operation::Auth;
use turnpike_proto::config::v1::tier_spec::Level;
use turnpike_proto::config::v1::{Api, ApiScope, ApiSpec, Cache, Endpoint, Operation, Security};

use super::words::{auth, cors, security, shown_in, throttle, tier};
use crate::reading::{list, members, number, text, texts, truth};
use crate::report::Report;

const INTERCEPTOR: &str = "programs between a call and its backend are not carried over; a decision \
                           point outside is spec.externalAuthorization";
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Puts what the document's extensions say into the Api that was made of it.
pub(crate) fn apply(document: &Value, api: &mut Api, report: &mut Report) {
    let Some(spec) = api.spec.as_mut() else { return };
    for (name, value) in own(document) {
        if name == "x-wso2-owner" {
            if let (Some(owner), Some(metadata)) = (value.as_str(), api.metadata.as_mut()) {
                owner.clone_into(&mut metadata.owner);
                report.taken(name, "owner");
            }
        } else {
            of_api(name, value, document, spec, report);
        }
    }
    for (path, item) in members(document, "paths") {
        let served = plan::openapi::served_path(path);
        for (method, stated) in
            METHODS.iter().filter_map(|method| Some((method, item.get(method)?)))
        {
            let upper = method.to_ascii_uppercase();
            let same = |one: &&mut Operation| one.method == upper && one.path == served;
            if let Some(operation) = spec.operations.iter_mut().find(same) {
                let place = format!("paths.{path}.{method}");
                for (name, value) in own(stated) {
                    of_operation(name, value, operation, &format!("{place}.{name}"), report);
                }
            }
        }
    }
}

/// The members that are WSO2's.
fn own(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let known = |name: &str| {
        name.starts_with("x-wso2-")
            || matches!(
                name,
                "x-auth-type" | "x-throttling-tier" | "x-scope" | "x-mediation-script"
            )
    };
    let map = value.as_object().into_iter().flatten();
    map.map(|(name, value)| (name.as_str(), value)).filter(move |(name, _)| known(name))
}

fn of_api(name: &str, value: &Value, document: &Value, spec: &mut ApiSpec, report: &mut Report) {
    match name {
        "x-wso2-basePath" => report.taken(name, format!("context {}", spec.context)),
        "x-wso2-production-endpoints" => {
            let ends = spec.endpoints.as_mut().and_then(|ends| ends.production.as_mut());
            balance(ends, value, name, report);
        }
        "x-wso2-sandbox-endpoints" => {
            let ends = spec.endpoints.as_mut().and_then(|ends| ends.sandbox.as_mut());
            balance(ends, value, name, report);
        }
        "x-wso2-auth-header" => {
            shown_in(&mut spec.security, value.as_str().unwrap_or_default(), "", name, report);
        }
        "x-wso2-disable-security" if value == &Value::Bool(true) => {
            spec.security =
                Some(Security { schemes: vec![Scheme::None.into()], ..Security::default() });
            report.taken(name, "open: no credentials are asked for");
        }
        "x-wso2-disable-security" => report.taken(name, "credentials are asked for"),
        "x-wso2-application-security" => application_security(value, document, spec, report),
        "x-wso2-mutual-ssl" => {
            security(&["mutualssl".to_owned()], name, report);
        }
        "x-wso2-cors" => spec.cors = cors(value, name, report),
        "x-wso2-throttling-tier" | "x-throttling-tier" => {
            spec.throttle = throttle(value.as_str().unwrap_or_default(), name, report);
        }
        "x-wso2-response-cache" => response_cache(value, spec, name, report),
        "x-wso2-security" => scopes(value, spec, name, report),
        "x-wso2-transports" => {
            report.left(name, "transports", "every listener of a gateway serves every API");
        }
        "x-wso2-request-interceptor" | "x-wso2-response-interceptor" => {
            report.left(name, "interceptor", INTERCEPTOR);
        }
        _ => report.left(name, "extension", "it has no meaning here"),
    }
}

fn of_operation(
    name: &str,
    value: &Value,
    operation: &mut Operation,
    place: &str,
    report: &mut Report,
) {
    let word = value.as_str().unwrap_or_default();
    match name {
        "x-auth-type" => match auth(word) {
            Some(auth) => {
                operation.set_auth(auth);
                report.taken(place, word);
            }
            None => {
                report.left(place, word, "this word is not known, so credentials are asked for");
            }
        },
        "x-wso2-disable-security" if value == &Value::Bool(true) => {
            operation.set_auth(Auth::None);
            report.taken(place, "open: no credentials are asked for");
        }
        "x-wso2-disable-security" => report.taken(place, "credentials are asked for"),
        "x-throttling-tier" | "x-wso2-throttling-tier" => {
            operation.tier = tier(word, Level::Advanced, place, report).unwrap_or_default();
        }
        "x-scope" => {
            let scopes = word.split([' ', ',']).filter(|scope| !scope.is_empty());
            operation.scopes.extend(scopes.map(str::to_owned));
            report.taken(place, format!("scope {word}"));
        }
        "x-wso2-request-interceptor" | "x-wso2-response-interceptor" | "x-mediation-script" => {
            report.left(place, "interceptor", INTERCEPTOR);
        }
        "x-wso2-production-endpoints" | "x-wso2-sandbox-endpoints" => {
            let why = "backends are those of the API; an Api of its own serves other ones";
            report.left(place, "backend of an operation", why);
        }
        _ => report.left(place, "extension", "it has no meaning here"),
    }
}

fn balance(endpoint: Option<&mut Endpoint>, value: &Value, name: &str, report: &mut Report) {
    let Some(endpoint) = endpoint else { return };
    match text(value, "type") {
        "failover" => endpoint.set_balance(Balance::Failover),
        "load_balance" | "loadbalance" => endpoint.set_balance(Balance::RoundRobin),
        _ => {}
    }
    report.taken(name, format!("{} backends", endpoint.urls.len()));
    for (member, _) in
        members(value, "securityConfig").chain(members(value, "advanceEndpointConfig"))
    {
        let why = "credentials and times for backends are written in spec.endpoints";
        report.left(format!("{name}.{member}"), "configuration of the backend", why);
    }
}

fn application_security(value: &Value, document: &Value, spec: &mut ApiSpec, report: &mut Report) {
    let name = "x-wso2-application-security";
    // What is open stays open, wherever in the document the two stand.
    if document.get("x-wso2-disable-security") == Some(&Value::Bool(true)) {
        report.left(name, "credentials", "x-wso2-disable-security says that none are asked for");
        return;
    }
    if let Some(found) = security(&texts(value, "security-types"), name, report) {
        spec.security.get_or_insert_default().schemes = found.schemes;
    }
    if truth(value, "optional") == Some(true) {
        let why = "credentials stay required: a certificate alone is spec.security.expression";
        report.left(name, "optional", why);
    }
}

fn response_cache(value: &Value, spec: &mut ApiSpec, name: &str, report: &mut Report) {
    if truth(value, "enabled") != Some(true) {
        return;
    }
    let seconds = number(value, "cacheTimeoutInSeconds").unwrap_or(300).clamp(1, 365 * 86_400);
    spec.cache = Some(caching(seconds));
    report.changed(name, "response cache", "answers of each application are kept apart (RFC 9111)");
}

/// A cache whose answers are fresh for so many seconds.
pub(super) fn caching(seconds: u64) -> Cache {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Cache { ttl: Some(prost_types::Duration { seconds, nanos: 0 }), ..Cache::default() }
}

fn scopes(value: &Value, spec: &mut ApiSpec, name: &str, report: &mut Report) {
    let stated = value.get("apim").unwrap_or(value);
    for scope in list(stated, "x-wso2-scopes") {
        let key = [text(scope, "key"), text(scope, "name")].into_iter().find(|it| !it.is_empty());
        let Some(key) = key else { continue };
        let roles = text(scope, "roles").split(',').map(str::trim).filter(|role| !role.is_empty());
        spec.scopes.push(ApiScope {
            name: key.to_owned(),
            roles: roles.map(str::to_owned).collect(),
            description: text(scope, "description").to_owned(),
        });
        report.taken(name, format!("scope {key}"));
    }
}
