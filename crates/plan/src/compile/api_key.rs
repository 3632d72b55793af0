//! What is known of an API key, without the key?

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use turnpike_proto::config::v1::ApiKey;

use super::head::has_control;
use super::operation::check_scopes;
use super::restriction::{RestrictionPlan, compile_restriction};
use super::subscriber::{ConsumerPlan, KeyType, compile_key_type};
use crate::problem::{At, Problems, shown};
use crate::resource::is_name;

const MAX_KEYS: usize = 1_000;
const MAX_LABEL_BYTES: usize = 100;

/// An API key, ready to be recognised.
#[derive(Clone, Debug)]
pub struct ApiKeyPlan {
    /// The application, the backends that it reaches, and its identifier in place of a consumer key.
    pub consumer: Arc<ConsumerPlan>,
    /// The scopes that it has.
    pub scopes: Vec<Arc<str>>,
    /// Where it may be used.
    pub restriction: RestrictionPlan,
    /// When it ends, in seconds since the Unix epoch; `i64::MAX`: never.
    pub ends_at: i64,
    /// The SHA-256 of the key, by which it is found.
    pub digest: [u8; 32],
}

/// What an API key says by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiKeyForm {
    pub(crate) id: Arc<str>,
    pub(crate) digest: [u8; 32],
    pub(crate) key_type: KeyType,
    pub(crate) scopes: Vec<Arc<str>>,
    pub(crate) restriction: RestrictionPlan,
    pub(crate) ends_at: i64,
}

/// The digest as it is written in resources.
fn read_digest(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

pub(super) fn compile_api_keys(
    keys: &[ApiKey],
    at: &At<'_>,
    problems: &mut Problems,
) -> Vec<ApiKeyForm> {
    if keys.len() > MAX_KEYS {
        problems.add(at, format!("there are {}, at most {MAX_KEYS}", keys.len()), "");
        return Vec::new();
    }
    let (mut forms, mut ids, mut digests) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (index, key) in keys.iter().enumerate() {
        let here = at.index(index);
        let Some(form) = compile(key, &here, problems) else { continue };
        if !ids.insert(Arc::clone(&form.id)) {
            problems.add(&here.name("id"), "the identifier stands twice", "choose another one");
        }
        if !digests.insert(form.digest) {
            problems.add(&here.name("sha256"), "the key stands twice", "keep one of them");
        }
        forms.push(form);
    }
    forms
}

fn compile(key: &ApiKey, at: &At<'_>, problems: &mut Problems) -> Option<ApiKeyForm> {
    if !is_name(&key.id) {
        let reason = format!("`{}` is no identifier", shown(&key.id));
        problems.add(&at.name("id"), reason, "use letters, digits, `.`, `_` and `-`");
    }
    let digest = read_digest(&key.sha256);
    if digest.is_none() {
        let reason = "it is not the SHA-256 of a key in base64url without padding";
        problems.add(&at.name("sha256"), reason, "let `turnpike keys api-key` make a key");
    }
    let key_type = compile_key_type(key.r#type, &at.name("type"), problems);
    check_scopes(&key.scopes, &at.name("scopes"), problems);
    if key.label.len() > MAX_LABEL_BYTES || has_control(&key.label) {
        let reason = format!("a label is one line of at most {MAX_LABEL_BYTES} bytes");
        problems.add(&at.name("label"), reason, "");
    }
    Some(ApiKeyForm {
        id: key.id.as_str().into(),
        digest: digest?,
        key_type,
        scopes: key.scopes.iter().map(|scope| scope.as_str().into()).collect(),
        restriction: compile_restriction(&key.allowed_ips, &key.allowed_domains, at, problems),
        ends_at: key.expires_at.as_ref().map_or(i64::MAX, |at| at.seconds),
    })
}
