//! What can an operator ask of a running gateway besides health and metrics?
//!
//! `/config_dump` tells what is served, with its name and hash, and never a secret; at most a
//! thousand objects, which `?kind=Api&name=orders` or `?api=orders:1.0.0` choose. `/cache/purge`
//! throws out what the cache keeps.

use std::sync::Arc;

use cache::Store;
use chassis::Clock;
use chassis::operations::{Ask, Reply, Route};
use http::{Method, StatusCode};
use plan::{Object, ResourceKey};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::caching;
use crate::generation::Current;
use crate::loglevel;
use crate::snapshot::State;
use crate::watched::Watched;

/// Objects in one answer.
const MOST_SHOWN: usize = 1000;

/// The routes of the operations port that are the gateway's own.
pub fn routes(
    node: &str,
    watched: &Arc<Watched>,
    clock: &Clock,
    store: &Arc<Store>,
    states: watch::Receiver<Arc<State>>,
    current: Arc<Current>,
) -> Vec<Route> {
    let node: Arc<str> = Arc::from(node);
    let (store, served) = (Arc::clone(store), Arc::clone(&current));
    let purge = Route::on(Method::POST, "/cache/purge", move |ask| {
        let (store, served) = (Arc::clone(&store), Arc::clone(&served));
        async move { caching::purge(&store, &served.load().plan, &ask.body) }
    });
    let dump = Route::get("/config_dump", move |ask| {
        let (node, current) = (Arc::clone(&node), Arc::clone(&current));
        let state = Arc::clone(&states.borrow());
        async move { dump(&node, &state, &current, &ask) }
    });
    let [show, set] = loglevel::routes(watched, clock);
    vec![dump, purge, show, set]
}

fn dump(node: &str, state: &State, current: &Current, ask: &Ask) -> Reply {
    let Some(wanted) = Wanted::parse(&ask.query) else {
        let reason =
            "the question is ?kind=KIND&name=NAME, each of them optional, or ?api=NAME:VERSION\n";
        return Reply::text(StatusCode::BAD_REQUEST, reason);
    };
    let generation = current.load();
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
    let dump = json!({
        "node": node,
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

    fn fits(&self, key: &ResourceKey) -> bool {
        let kind = key.as_str().split('/').next();
        self.kind.as_deref().is_none_or(|wanted| Some(wanted) == kind)
            && self.name.as_deref().is_none_or(|wanted| wanted == key.name() || wanted == key.id())
    }
}
