//! What do WSO2's words for credentials, tiers, life and pages mean here?

use plan::is_built_in_tier;
use serde_json::Value;
use turnpike_proto::config::v1::credential_scheme::Kind as Scheme;
use turnpike_proto::config::v1::lifecycle::State;
use turnpike_proto::config::v1::operation::Auth;
use turnpike_proto::config::v1::tier_spec::Level;
use turnpike_proto::config::v1::{ApiKeyPlaces, Cors, Security, Throttle};

use crate::reading::{texts, truth};
use crate::report::Report;

/// `x-auth-type` and `authType`; `None`: the word is not known.
pub(super) fn auth(word: &str) -> Option<Auth> {
    match word.trim().to_ascii_lowercase().replace(['_', ' '], "").as_str() {
        "none" => Some(Auth::None),
        "" | "any" | "application&applicationuser" | "applicationlevelanduserlevel" => {
            Some(Auth::Any)
        }
        "application" => Some(Auth::Application),
        "applicationuser" => Some(Auth::ApplicationUser),
        _ => None,
    }
}

/// `lifeCycleStatus`.
pub(super) fn state(word: &str) -> Option<State> {
    match word.trim().to_ascii_uppercase().as_str() {
        "CREATED" => Some(State::Created),
        "PROTOTYPED" | "PRE-RELEASED" => Some(State::Prototyped),
        "PUBLISHED" => Some(State::Published),
        "BLOCKED" => Some(State::Blocked),
        "DEPRECATED" => Some(State::Deprecated),
        "RETIRED" => Some(State::Retired),
        _ => None,
    }
}

/// A tier by its name, where one of this level exists always. `Unlimited` is no limit and so no name.
pub(super) fn tier(name: &str, level: Level, place: &str, report: &mut Report) -> Option<String> {
    if name.is_empty() || name == "Unlimited" {
        return None;
    }
    if is_built_in_tier(name, level) {
        report.taken(place, format!("tier {name}"));
        return Some(name.to_owned());
    }
    let why = "no tier of this name exists always: make a Tier and name it here";
    report.left(place, format!("tier {name}"), why);
    None
}

/// The limits of an API by the name of a tier.
pub(super) fn throttle(name: &str, place: &str, report: &mut Report) -> Option<Throttle> {
    let tier = tier(name, Level::Advanced, place, report)?;
    Some(Throttle { tier, ..Throttle::default() })
}

/// What `securityScheme` and `security-types` ask for.
pub(super) fn security(words: &[String], place: &str, report: &mut Report) -> Option<Security> {
    let mut security = Security::default();
    for word in words {
        let scheme = match word.trim().to_ascii_lowercase().as_str() {
            "oauth2" | "oauth2_mandatory" => Scheme::Oauth2,
            "api_key" | "apikey" => Scheme::ApiKey,
            "basic_auth" | "basic" => Scheme::Basic,
            // One of the others is asked for, which is what several schemes mean.
            "oauth_basic_auth_api_key_mandatory" => continue,
            "mutualssl" | "mutualssl_mandatory" | "mtls" => {
                let why = "the certificates of callers have to be made as Certificate resources and \
                           named in spec.security.mutualTls";
                report.left(place, word.as_str(), why);
                continue;
            }
            _ => {
                report.left(place, word.as_str(), "this kind of credential is not known");
                continue;
            }
        };
        if !security.schemes.contains(&scheme.into()) {
            security.schemes.push(scheme.into());
            report.taken(place, word.as_str());
        }
    }
    // Without a scheme that is known, tokens are asked for: nothing is opened by mistake.
    (!security.schemes.is_empty()).then_some(security)
}

/// A field that carries credentials.
pub(super) fn shown_in(
    security: &mut Option<Security>,
    field: &str,
    key_field: &str,
    place: &str,
    report: &mut Report,
) {
    if !field.is_empty() && !field.eq_ignore_ascii_case("authorization") {
        security.get_or_insert_default().header = field.to_ascii_lowercase();
        report.taken(place, format!("tokens in the field {field}"));
    }
    if !key_field.is_empty() && !key_field.eq_ignore_ascii_case("apikey") {
        let places =
            ApiKeyPlaces { header: key_field.to_ascii_lowercase(), ..ApiKeyPlaces::default() };
        security.get_or_insert_default().api_key = Some(places);
        report.taken(place, format!("API keys in the field {key_field}"));
    }
}

/// `corsConfiguration` and `x-wso2-cors`.
pub(super) fn cors(stated: &Value, place: &str, report: &mut Report) -> Option<Cors> {
    let on = ["corsConfigurationEnabled", "enabled"].iter().find_map(|name| truth(stated, name));
    if on != Some(true) {
        return None;
    }
    let mut cors = Cors {
        allow_origins: texts(stated, "accessControlAllowOrigins"),
        allow_methods: texts(stated, "accessControlAllowMethods"),
        allow_headers: texts(stated, "accessControlAllowHeaders"),
        expose_headers: texts(stated, "accessControlExposeHeaders"),
        allow_credentials: truth(stated, "accessControlAllowCredentials").unwrap_or(false),
        ..Cors::default()
    };
    let everybody = cors.allow_origins.is_empty() || cors.allow_origins.iter().any(|it| it == "*");
    if cors.allow_credentials && everybody {
        cors.allow_credentials = false;
        let how = "without credentials, which browsers refuse for every origin";
        report.changed(place, "cross-origin sharing", how);
    } else {
        report.taken(place, "cross-origin sharing");
    }
    Some(cors)
}
