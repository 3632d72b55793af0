//! Which backends does an API of WSO2 have, and what do gateways show them?

use serde_json::Value;
use turnpike_proto::config::v1::endpoint::Balance;
use turnpike_proto::config::v1::endpoint_security::Scheme;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{
    BasicCredential, Endpoint, EndpointSecurity, Endpoints, Metadata, OAuth2Credential, Resource,
    Secret, SecretSpec,
};

use super::parameters::Parameters;
use crate::reading::{has, list, number, text, truth};
use crate::report::Report;

/// The backends of an API, and the secrets that they need.
#[derive(Debug, Default)]
pub(super) struct Backends {
    pub(super) endpoints: Option<Endpoints>,
    pub(super) secrets: Vec<Resource>,
}

/// The backends of `endpointConfig`, as the parameters of the environment have them.
pub(super) fn backends(
    data: &Value,
    parameters: &Parameters,
    id: &str,
    report: &mut Report,
) -> Backends {
    let config = data.get("endpointConfig").unwrap_or(&Value::Null);
    let kind = text(config, "endpoint_type");
    if !matches!(kind, "" | "http" | "address" | "load_balance" | "failover" | "ws") {
        let why = format!("backends of type {kind} are not called by this gateway");
        report.left("endpointConfig", "backends", why);
        return Backends::default();
    }
    let mut made = Backends::default();
    let mut side = |name: &str| {
        let mut endpoint = of_parameters(parameters, name, report)
            .or_else(|| of_config(config, kind, name, report))?;
        let own = parameters.values.get("security").and_then(|it| it.get(name));
        let stated = config.get("endpoint_security").and_then(|it| it.get(name));
        if let Some(stated) = own.or(stated) {
            let place = format!("endpoint_security.{name}");
            let secret = format!("{id}-{name}-backend");
            endpoint.security = credential(stated, &place, &secret, &mut made.secrets, report);
        }
        Some(endpoint)
    };
    let (production, sandbox) = (side("production"), side("sandbox"));
    if production.is_some() || sandbox.is_some() {
        made.endpoints = Some(Endpoints { production, sandbox });
    }
    made
}

fn of_parameters(parameters: &Parameters, name: &str, report: &mut Report) -> Option<Endpoint> {
    let stated = parameters.values.get("endpoints")?.get(name)?;
    let url = text(stated, "url");
    let place = format!("{}.endpoints.{name}", parameters.place);
    if url.contains('$') {
        report.left(place, url, "what the environment of apictl would say is not known");
        return None;
    }
    if url.is_empty() {
        return None;
    }
    report.taken(place, url);
    Some(Endpoint { urls: vec![url.to_owned()], ..Endpoint::default() })
}

fn of_config(config: &Value, kind: &str, name: &str, report: &mut Report) -> Option<Endpoint> {
    let place = format!("endpointConfig.{name}_endpoints");
    let stated = config.get(format!("{name}_endpoints"))?;
    let mut all: Vec<&Value> = match stated {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    if kind == "failover" {
        all.extend(list(config, &format!("{name}_failovers")));
    }
    let urls: Vec<String> = all
        .iter()
        .map(|one| text(one, "url"))
        .filter(|url| !url.is_empty())
        .map(str::to_owned)
        .collect();
    if urls.is_empty() {
        return None;
    }
    let mut endpoint = Endpoint { urls, ..Endpoint::default() };
    if kind == "failover" {
        endpoint.set_balance(Balance::Failover);
    }
    if let Some(settings) = all.iter().filter_map(|one| one.get("config")).find(|it| !it.is_null())
    {
        advanced(settings, &mut endpoint, &place, report);
    }
    report.taken(place, endpoint.urls.join(", "));
    Some(endpoint)
}

/// Times of a backend; the rest of Synapse's settings has no like here.
fn advanced(settings: &Value, endpoint: &mut Endpoint, place: &str, report: &mut Report) {
    if let Some(ms @ 1..=600_000) = number(settings, "actionDuration") {
        endpoint.timeout = Some(milliseconds(ms));
        report.taken(format!("{place}.config.actionDuration"), format!("at most {ms} ms"));
    }
    let others = settings.as_object().into_iter().flatten();
    for (name, _) in others.filter(|(name, _)| *name != "actionDuration") {
        let why = "further tries and ejection are written in spec.endpoints";
        report.left(format!("{place}.config.{name}"), "setting of the backend", why);
    }
}

/// A span of so many milliseconds.
pub(crate) fn milliseconds(ms: u64) -> prost_types::Duration {
    let nanos = i32::try_from((ms % 1_000) * 1_000_000).unwrap_or(0);
    prost_types::Duration { seconds: i64::try_from(ms / 1_000).unwrap_or(i64::MAX), nanos }
}

fn credential(
    stated: &Value,
    place: &str,
    secret: &str,
    secrets: &mut Vec<Resource>,
    report: &mut Report,
) -> Option<EndpointSecurity> {
    if truth(stated, "enabled") != Some(true) {
        return None;
    }
    let kind = text(stated, "type").to_ascii_uppercase();
    let (value, scheme) = match kind.as_str() {
        "BASIC" => (
            text(stated, "password"),
            Scheme::Basic(BasicCredential {
                username: text(stated, "username").to_owned(),
                secret: secret.to_owned(),
            }),
        ),
        "OAUTH" if text(stated, "grantType").eq_ignore_ascii_case("client_credentials") => (
            text(stated, "clientSecret"),
            Scheme::Oauth2(OAuth2Credential {
                token_url: text(stated, "tokenUrl").to_owned(),
                client_id: text(stated, "clientId").to_owned(),
                secret: secret.to_owned(),
                ..OAuth2Credential::default()
            }),
        ),
        _ => {
            let why = "write it as spec.endpoints.….security, with a Secret";
            report.left(place, format!("credential of type {kind}"), why);
            return None;
        }
    };
    if value.is_empty() || has(stated, "passwordEncrypted") {
        let why = "the project does not hold its secret: make a Secret and write \
                   spec.endpoints.….security";
        report.left(place, format!("credential of type {kind}"), why);
        return None;
    }
    let how = format!(
        "with Secret/{secret}, whose value is stored with --apply and never printed: write it into the \
         file as spec.value otherwise"
    );
    secrets.push(Resource {
        resource: Some(Any::Secret(Secret {
            metadata: Some(Metadata { name: secret.to_owned(), ..Metadata::default() }),
            spec: Some(SecretSpec { value: value.to_owned(), sha256: String::new() }),
            ..Secret::default()
        })),
    });
    report.changed(place, format!("credential of type {kind}"), how);
    Some(EndpointSecurity { scheme: Some(scheme) })
}
