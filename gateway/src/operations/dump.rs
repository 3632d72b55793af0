//! What is served, and how are the servers behind it?
//!
//! With name and hash, and never a secret; of each list at most a thousand, which
//! `?kind=Api&name=orders` or `?api=orders:1.0.0` choose.

use std::sync::Arc;

use chassis::operations::{Ask, Reply};
use http::StatusCode;
use plan::{Object, ResourceKey};
use serde_json::{Value, json};

use super::backends::Backends;
use super::certificates;
use super::routes::Sources;

/// Objects, addresses of servers and certificates in one answer.
const MOST_SHOWN: usize = 1000;

/// What `/config_dump` answers.
pub(super) fn dump(sources: &Sources, ask: &Ask) -> Reply {
    let Some(wanted) = Wanted::parse(&ask.query) else {
        let reason =
            "the question is ?kind=KIND&name=NAME, each of them optional, or ?api=NAME:VERSION\n";
        return Reply::text(StatusCode::BAD_REQUEST, reason);
    };
    let state = Arc::clone(&sources.states.borrow());
    let generation = sources.current.load();
    let keys = generation.resident_keys.as_ref();
    let mut more = 0_usize;
    let fitting = state.plan.objects().iter().filter(|object| wanted.fits(object.key()));
    let mut objects = Vec::new();
    for object in fitting {
        if objects.len() < MOST_SHOWN {
            objects.push(shown(object.as_ref()));
        } else {
            more += 1;
        }
    }
    let rejected = state.plan.rejected().into_iter().map(|object| {
        json!({ "key": object.key, "field": object.field, "reason": object.reason,
            "serving": object.serving().as_str_name() })
    });
    let now_ms = sources.servers.millis(sources.clock.instant());
    let mut backends = Backends::default();
    for api in generation.plan.apis().filter(|api| wanted.fits(&api.key)) {
        backends.add(api, &sources.servers, now_ms, MOST_SHOWN);
    }
    let fits = |name: &str| wanted.fits_named("Certificate", name);
    let in_force = certificates::of_resources(&sources.certificates, fits);
    let certificates_not_shown = in_force.len().saturating_sub(MOST_SHOWN);
    let shown = in_force.into_iter().take(MOST_SHOWN);
    let mut certificates: Vec<certificates::Certificate> = shown.map(Into::into).collect();
    if wanted.is_all() {
        certificates.extend(certificates::own(&sources.certificates));
    }
    let signing = sources.signers.published();
    let dump = json!({
        "node": &*sources.node,
        "version": env!("CARGO_PKG_VERSION"),
        "epoch": state.epoch,
        "revision": state.revision,
        "stateHash": state.plan.objects().hash().to_string(),
        "generation": generation.number,
        "residentIssuer": keys.map(|keys| keys.issuer.as_str()),
        "residentKeys": keys.map_or(0, |keys| keys.keys.keys().len()),
        "objectCount": state.plan.objects().len(),
        "rejected": rejected.collect::<Vec<Value>>(),
        "objects": objects,
        "objectsNotShown": more,
        "backends": backends.shown,
        "backendsNotShown": backends.not_shown,
        "certificates": certificates,
        "certificatesNotShown": certificates_not_shown,
        "backendJwt": {
            "issuer": &*sources.signers.issuer,
            "keys": signing.own,
            "keysOfAllGateways": signing.fleet,
        },
    });
    Reply::json(format!("{dump:#}\n"))
}

/// An object as JSON; secret values are left out.
fn shown(object: &Object) -> Value {
    let unreadable = || json!({ "key": object.key().as_str(), "unreadable": true });
    object.resource().map_or_else(unreadable, |resource| plan::to_json(&resource))
}

/// Which objects are asked for.
#[derive(Debug, Default)]
struct Wanted {
    kind: Option<String>,
    name: Option<String>,
}

impl Wanted {
    fn parse(query: &str) -> Option<Self> {
        let mut wanted = Self::default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=')? {
                ("kind", kind) => wanted.kind = Some(kind.to_owned()),
                ("name", name) => wanted.name = Some(name.to_owned()),
                ("api", api) => {
                    wanted.kind = Some("Api".to_owned());
                    wanted.name = Some(api.to_owned());
                }
                _ => return None,
            }
        }
        Some(wanted)
    }

    /// Whether nothing is chosen.
    fn is_all(&self) -> bool {
        self.kind.is_none() && self.name.is_none()
    }

    fn fits_named(&self, kind: &str, name: &str) -> bool {
        self.kind.as_deref().is_none_or(|wanted| wanted == kind)
            && self.name.as_deref().is_none_or(|wanted| wanted == name)
    }

    fn fits(&self, key: &ResourceKey) -> bool {
        let kind = key.as_str().split('/').next();
        self.kind.as_deref().is_none_or(|wanted| Some(wanted) == kind)
            && self.name.as_deref().is_none_or(|wanted| wanted == key.name() || wanted == key.id())
    }
}
