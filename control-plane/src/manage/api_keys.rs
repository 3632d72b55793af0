//! How does an application get an API key, and how does it end?
//!
//! The key is random and shown once; what is stored and sent to gateways is its SHA-256. An application
//! may not be left without keys by a list that is empty, so the last one is ended by its date.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use plan::{Kind, Problem, ResourceKey};
use prost_types::Timestamp;
use turnpike_proto::config::v1::ApiKey;
use turnpike_proto::config::v1::ApplicationSpec;
use turnpike_proto::config::v1::key_type::Type as KeyType;

use super::application_keys::edit_application;
use super::change::Manager;
use super::error::ManageError;
use crate::people::Caller;

/// Unguessable bytes of a key.
const KEY_BYTES: usize = 32;
/// Those of its identifier, which need not be unguessable.
const ID_BYTES: usize = 9;

/// For whom, and for what.
#[derive(Clone, Debug, Default)]
pub struct NewApiKey {
    /// Name of the application.
    pub application: String,
    /// Whether it reaches the sandbox backends.
    pub sandbox: bool,
    /// The scopes that it has.
    pub scopes: Vec<String>,
    /// Networks from which it may be used.
    pub allowed_ips: Vec<String>,
    /// Pages on which it may be used.
    pub allowed_domains: Vec<String>,
    /// When it ends; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it is made.
    pub created_at: Timestamp,
    /// A name for people.
    pub label: String,
}

/// A key that was made; nobody else has it.
#[derive(Debug)]
pub struct MadeApiKey {
    /// By which it is ended.
    pub id: String,
    /// The key.
    pub key: chassis::Secret,
}

/// Makes a key and adds it to the application.
pub async fn generate_api_key(
    by: &Caller,
    manager: &Manager,
    wanted: NewApiKey,
) -> Result<MadeApiKey, ManageError> {
    let kind = if wanted.sandbox { "sandbox" } else { "production" };
    let key = format!("kmak_{kind}_{}", chassis::random::token(KEY_BYTES));
    // An identifier starts with a letter or a digit.
    let id = format!("k{}", chassis::random::token(ID_BYTES));
    let r#type = if wanted.sandbox { KeyType::Sandbox } else { KeyType::Production };
    let known = ApiKey {
        id: id.clone(),
        sha256: URL_SAFE_NO_PAD.encode(digest(&SHA256, key.as_bytes())),
        r#type: r#type.into(),
        scopes: wanted.scopes,
        allowed_ips: wanted.allowed_ips,
        allowed_domains: wanted.allowed_domains,
        expires_at: wanted.expires_at,
        created_at: Some(wanted.created_at),
        label: wanted.label,
    };
    let application = ResourceKey::new(Kind::Application, &wanted.application, None);
    let edit = |spec: &mut ApplicationSpec| {
        spec.api_keys.push(known.clone());
        Ok(())
    };
    edit_application(by, manager, &application, &[], edit).await?;
    Ok(MadeApiKey { id, key: chassis::Secret::new(key) })
}

/// Ends a key at `now`. What is left of it names it in reports, and is no key any more.
pub async fn revoke_api_key(
    by: &Caller,
    manager: &Manager,
    application: &str,
    id: &str,
    now: Timestamp,
) -> Result<u64, ManageError> {
    let key = ResourceKey::new(Kind::Application, application, None);
    let edit = |spec: &mut ApplicationSpec| {
        let known = spec.api_keys.iter_mut().find(|known| known.id == id);
        let Some(known) = known else {
            return Err(ManageError::Refused(vec![Problem {
                resource: key.to_string(),
                field: "spec.apiKeys".to_owned(),
                reason: format!("there is no API key `{id}`"),
                suggestion: "see `turnpike get application`".to_owned(),
                ..Problem::default()
            }]));
        };
        if known.expires_at.is_none_or(|at| at.seconds > now.seconds) {
            known.expires_at = Some(now);
        }
        Ok(())
    };
    edit_application(by, manager, &key, &[], edit).await
}
