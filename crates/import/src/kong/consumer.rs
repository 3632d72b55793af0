//! Which Application does a consumer of Kong become?

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use plan::Resource;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{ApiKey, Application, ApplicationSpec, Metadata};

use super::deck::of_consumer;
use super::limits::tier;
use crate::naming::name_of;
use crate::reading::{list, text, texts, truth};
use crate::report::Report;

/// Credentials that do not come along.
const OTHERS: [(&str, &str); 6] = [
    ("basicauth_credentials", "make a person at the key manager (`turnpike user add`)"),
    ("jwt_secrets", "make a key for the application (`turnpike keys generate`)"),
    ("oauth2_credentials", "make a key for the application (`turnpike keys generate`)"),
    ("hmacauth_credentials", "signed requests are not understood"),
    ("mtls_auth_credentials", "make a Certificate of use caller and name it in the Api"),
    ("acls", "subscriptions say which application may call what"),
];

/// The Applications of all consumers, and the tiers that they need.
pub(super) fn consumers(document: &Value, report: &mut Report) -> (Vec<Resource>, Vec<Resource>) {
    let (mut applications, mut tiers) = (Vec::new(), Vec::new());
    for consumer in list(document, "consumers") {
        let stated = [text(consumer, "username"), text(consumer, "custom_id")];
        let Some(name) = stated.into_iter().find_map(name_of) else {
            report.left("consumers", "consumer", "it has no name");
            continue;
        };
        let place = format!("consumers.{name}");
        let mut spec = ApplicationSpec {
            api_keys: keys(document, consumer, &place, report),
            ..ApplicationSpec::default()
        };
        for plugin in of_consumer(document, consumer, "plugins") {
            let plugin_name = text(plugin, "name");
            let at = format!("{place}.plugins.{plugin_name}");
            if plugin_name != "rate-limiting" || truth(plugin, "enabled") == Some(false) {
                report.left(at, "plugin", "nothing here stands for it at an application");
                continue;
            }
            let config = plugin.get("config").unwrap_or(&Value::Null);
            let tier_name = format!("{name}-limit");
            if let Some(made) = tier(config, &tier_name, false, &at, report) {
                tiers.push(made);
                spec.tier = tier_name;
            }
        }
        for (section, why) in OTHERS {
            for _ in of_consumer(document, consumer, section) {
                report.left(format!("{place}.{section}"), "credential", why);
            }
        }
        let mut metadata = Metadata { name: name.clone(), ..Metadata::default() };
        for tag in texts(consumer, "tags").into_iter().take(64) {
            metadata.labels.insert(format!("tag/{tag}"), "true".to_owned());
        }
        report.changed(place, "consumer", format!("Application/{name}"));
        applications.push(Resource {
            resource: Some(Any::Application(Application {
                metadata: Some(metadata),
                spec: Some(spec),
                ..Application::default()
            })),
        });
    }
    (applications, tiers)
}

/// Its keys, as the digests that are kept of keys here: they go on working.
fn keys(document: &Value, consumer: &Value, place: &str, report: &mut Report) -> Vec<ApiKey> {
    let mut keys = Vec::new();
    for stated in of_consumer(document, consumer, "keyauth_credentials") {
        let at = format!("{place}.keyauth_credentials");
        let key = text(stated, "key");
        if key.is_empty() || key.contains("${{") {
            report.left(at, "API key", "the document does not hold it");
            continue;
        }
        let id = format!("kong-{}", keys.len() + 1);
        report.changed(at, "API key", format!("kept as its digest, by the name {id}"));
        let sha256 = URL_SAFE_NO_PAD.encode(Sha256::digest(key));
        keys.push(ApiKey { id, sha256, ..ApiKey::default() });
    }
    keys
}
