//! What can an operator throw out of the cache?

use cache::{Store, Under};
use chassis::operations::Reply;
use http::StatusCode;
use plan::Plan;
use serde::Deserialize;
use serde_json::json;

const USAGE: &str = "the body is a JSON object with one of `api` (name:version), `path` (as clients \
                     call it, with `host` where it matters), `tag` (with `api` where it is one \
                     API's) and `all` (true)\n";

/// What is to be thrown out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    api: Option<String>,
    path: Option<String>,
    host: Option<String>,
    tag: Option<String>,
    all: bool,
}

/// Throws out what `body` names. It is gone when this returns, and what is on its way from a
/// backend by then will not be kept.
pub fn purge(store: &Store, plan: &Plan, body: &[u8]) -> Reply {
    let Ok(wanted) = serde_json::from_slice::<Wanted>(body) else {
        return Reply::text(StatusCode::BAD_REQUEST, USAGE);
    };
    match (&wanted.api, &wanted.path, &wanted.tag, wanted.all) {
        (None, None, None, true) => store.invalidate(Under::All),
        (Some(api), None, None, false) => {
            if plan.api(api).is_none() {
                return Reply::text(StatusCode::NOT_FOUND, format!("there is no API `{api}`\n"));
            }
            store.invalidate(Under::Api(api));
        }
        (api, None, Some(tag), false) => match api {
            Some(api) => store.invalidate(Under::Tag(api, tag.as_bytes())),
            None => store.invalidate(Under::AnyTag(tag.as_bytes())),
        },
        (None, Some(path), None, false) => {
            let host = wanted.host.as_deref().unwrap_or_default();
            let path = path.split('?').next().unwrap_or_default();
            let Some(hit) = plan.find(host, path) else {
                return Reply::text(StatusCode::NOT_FOUND, "no API is served under this path\n");
            };
            store.invalidate(Under::Path(&hit.api.id, hit.rest));
        }
        _ => return Reply::text(StatusCode::BAD_REQUEST, USAGE),
    }
    let freed = store.sweep();
    tracing::info!(?wanted, freed, "purged");
    Reply::json(format!("{}\n", json!({ "freedTargets": freed, "bytes": store.bytes() })))
}
