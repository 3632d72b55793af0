//! What does a plugin of Kong mean here?

use plan::Resource;
use serde_json::Value;
use turnpike_proto::config::v1::credential_scheme::Kind as Scheme;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{
    ApiKeyPlaces, ApiSpec, Cache, Cors, DenyPolicy, DenyPolicySpec, Metadata, RequestLimits,
    Security,
};

use super::deck::Plugin;
use super::limits::tier;
use super::transformer::transformer;
use crate::reading::{number, text, texts, truth};
use crate::report::Report;

/// An Api in the making.
pub(super) struct Making<'m> {
    pub(super) spec: &'m mut ApiSpec,
    pub(super) name: &'m str,
    pub(super) version: &'m str,
    /// Resources beside it.
    pub(super) others: &'m mut Vec<Resource>,
    /// Whether something asked for credentials.
    pub(super) asks: bool,
}

/// Puts into the Api what a plugin does.
pub(super) fn plugin(one: &Plugin<'_>, route: &str, making: &mut Making<'_>, report: &mut Report) {
    let name = text(one.stated, "name");
    let place = format!("{route}.plugins.{name} ({})", one.level);
    if truth(one.stated, "enabled") == Some(false) {
        report.left(place, "plugin", "it is not enabled");
        return;
    }
    let config = one.stated.get("config").unwrap_or(&Value::Null);
    match name {
        "key-auth" | "key-auth-enc" => key_auth(config, &place, making, report),
        "basic-auth" => {
            ask(making, Scheme::Basic);
            let how = "names and passwords are those of people at the key manager";
            report.changed(place, "plugin", how);
        }
        "jwt" | "oauth2" | "openid-connect" | "oauth2-introspection" => {
            ask(making, Scheme::Oauth2);
            let how = "access tokens of the resident key manager; make a KeyManager for others";
            report.changed(place, "plugin", how);
        }
        "cors" => cors(config, &place, making, report),
        "rate-limiting" | "rate-limiting-advanced" => {
            let tier_name = format!("{}-limit", making.name);
            if let Some(made) = tier(config, &tier_name, true, &place, report) {
                making.others.push(made);
                making.spec.throttle.get_or_insert_default().tier = tier_name;
            }
        }
        "request-size-limiting" => request_size(config, &place, making, report),
        "request-transformer" | "request-transformer-advanced" => {
            let rules = transformer(config, &place, report);
            making.spec.policies.get_or_insert_default().request.extend(rules);
        }
        "response-transformer" | "response-transformer-advanced" => {
            let rules = transformer(config, &place, report);
            making.spec.policies.get_or_insert_default().response.extend(rules);
        }
        "ip-restriction" => addresses(config, &place, making, report),
        "proxy-cache" | "proxy-cache-advanced" => {
            let seconds = number(config, "cache_ttl").unwrap_or(300).clamp(1, 365 * 86_400);
            let seconds = i64::try_from(seconds).unwrap_or(300);
            let ttl = Some(prost_types::Duration { seconds, nanos: 0 });
            making.spec.cache = Some(Cache { ttl, ..Cache::default() });
            report.changed(
                place,
                "plugin",
                "answers of each application are kept apart (RFC 9111)",
            );
        }
        "correlation-id" | "request-id" => {
            report.changed(place, "plugin", "every call has the field x-request-id");
        }
        "prometheus" | "opentelemetry" | "zipkin" | "statsd" | "datadog" => {
            report.changed(place, "plugin", "every gateway has metrics and traces of its own");
        }
        "acl" => report.left(place, "plugin", "subscriptions say which application may call what"),
        "request-termination" => {
            report.left(place, "plugin", "the life-cycle state BLOCKED ends calls");
        }
        _ => report.left(place, "plugin", "nothing here stands for it"),
    }
}

/// Without a plugin that asks for credentials a route is open, and so it stays. Where one is not
/// understood, credentials are asked for.
pub(super) fn open_where_nothing_asks(making: &mut Making<'_>, place: &str, report: &mut Report) {
    let guards = ["ldap-auth", "hmac-auth", "mtls-auth", "session", "jwt-signer", "acl", "saml"];
    let guarded = report.items.iter().any(|item| {
        item.place.starts_with(place)
            && guards.iter().any(|name| item.place.contains(&format!(".plugins.{name} ")))
    });
    if making.asks || guarded {
        return;
    }
    making.spec.security.get_or_insert_default().schemes = vec![Scheme::None.into()];
    report.changed(place, "no credentials", "it is open, as it was");
}

fn ask(making: &mut Making<'_>, scheme: Scheme) {
    making.asks = true;
    let security: &mut Security = making.spec.security.get_or_insert_default();
    if !security.schemes.contains(&scheme.into()) {
        security.schemes.push(scheme.into());
    }
}

fn key_auth(config: &Value, place: &str, making: &mut Making<'_>, report: &mut Report) {
    ask(making, Scheme::ApiKey);
    let names = texts(config, "key_names");
    let first = names.first().cloned().unwrap_or_else(|| "apikey".to_owned());
    for other in names.iter().skip(1) {
        report.left(place, format!("key name {other}"), "keys are shown in one field");
    }
    let query = truth(config, "key_in_query").unwrap_or(true);
    let places = ApiKeyPlaces {
        header: first.to_ascii_lowercase(),
        query: if query { first } else { String::new() },
    };
    making.spec.security.get_or_insert_default().api_key = Some(places);
    if truth(config, "key_in_body") == Some(true) {
        report.left(place, "keys in bodies", "bodies are not looked into");
    }
    if truth(config, "hide_credentials") == Some(true) {
        report.taken(place, "plugin");
    } else {
        report.changed(place, "plugin", "keys never reach backends");
    }
}

fn cors(config: &Value, place: &str, making: &mut Making<'_>, report: &mut Report) {
    let mut cors = Cors {
        allow_methods: texts(config, "methods"),
        allow_headers: texts(config, "headers"),
        expose_headers: texts(config, "exposed_headers"),
        allow_credentials: truth(config, "credentials") == Some(true),
        ..Cors::default()
    };
    for origin in texts(config, "origins") {
        // What is more than a name is a regular expression there.
        if origin == "*" || plain_origin(&origin) {
            cors.allow_origins.push(origin);
        } else {
            report.left(place, origin, "origins are names, not regular expressions");
        }
    }
    if cors.allow_origins.is_empty() && !texts(config, "origins").is_empty() {
        report.left(place, "plugin", "no origin of it can be written here");
        return;
    }
    let everybody = cors.allow_origins.is_empty() || cors.allow_origins.iter().any(|it| it == "*");
    if cors.allow_credentials && everybody {
        cors.allow_credentials = false;
        report.changed(
            place,
            "plugin",
            "without credentials, which browsers refuse for every origin",
        );
    } else {
        report.taken(place, "plugin");
    }
    if let Some(age) = number(config, "max_age") {
        let seconds = i64::try_from(age.min(86_400)).unwrap_or(86_400);
        cors.max_age = Some(prost_types::Duration { seconds, nanos: 0 });
    }
    making.spec.cors = Some(cors);
}

fn plain_origin(origin: &str) -> bool {
    let rest = origin.split_once("://").map_or("", |(_, rest)| rest);
    !rest.is_empty()
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
}

fn request_size(config: &Value, place: &str, making: &mut Making<'_>, report: &mut Report) {
    let unit = match text(config, "size_unit") {
        "kilobytes" => 1_024,
        "bytes" => 1,
        _ => 1_024 * 1_024,
    };
    let bytes = number(config, "allowed_payload_size").unwrap_or(128).saturating_mul(unit);
    making.spec.limits =
        Some(RequestLimits { max_request_bytes: Some(bytes), ..RequestLimits::default() });
    report.taken(place, format!("bodies of at most {bytes} bytes"));
}

fn addresses(config: &Value, place: &str, making: &mut Making<'_>, report: &mut Report) {
    let either = |new: &str, old: &str| {
        let found = texts(config, new);
        if found.is_empty() { texts(config, old) } else { found }
    };
    let (deny, allow) = (either("deny", "blacklist"), either("allow", "whitelist"));
    for (suffix, addresses, not_addresses) in
        [("denied", deny, Vec::new()), ("allowed", Vec::new(), allow)]
    {
        if addresses.is_empty() && not_addresses.is_empty() {
            continue;
        }
        let name = format!("{}-{suffix}-addresses", making.name);
        report.changed(place, "plugin", format!("DenyPolicy/{name}"));
        making.others.push(Resource {
            resource: Some(Any::DenyPolicy(DenyPolicy {
                metadata: Some(Metadata { name, ..Metadata::default() }),
                spec: Some(DenyPolicySpec {
                    apis: vec![format!("{}:{}", making.name, making.version)],
                    addresses,
                    not_addresses,
                    ..DenyPolicySpec::default()
                }),
                ..DenyPolicy::default()
            })),
        });
    }
}
