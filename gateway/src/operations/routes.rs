//! Which paths of the operations port are the gateway's own?
//!
//! `/config_dump` tells what is served; `/cache/purge` throws out what the cache keeps; `/loglevel`
//! changes what is logged; the keys of backend JWTs are found here too.

use std::sync::Arc;

use cache::Store;
use chassis::Clock;
use chassis::operations::{Reply, Route};
use http::{Method, StatusCode};
use tokio::sync::watch;

use super::dump::dump;
use crate::assertions::{JWKS, Signers};
use crate::caching;
use crate::generation::Current;
use crate::loglevel;
use crate::servers::Registry;
use crate::snapshot::{Certificates, State};
use crate::watched::Watched;

/// Where what an operator asks for is found.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The gateway's name.
    pub node: Arc<str>,
    /// The time.
    pub clock: Clock,
    /// The APIs that an operator looks at.
    pub watched: Arc<Watched>,
    /// Answers that are kept.
    pub store: Arc<Store>,
    /// The objects that are held.
    pub states: watch::Receiver<Arc<State>>,
    /// The configuration in force.
    pub current: Arc<Current>,
    /// What is known about backends.
    pub servers: Arc<Registry>,
    /// What clients are shown.
    pub certificates: Arc<Certificates>,
    /// Who signs what backends are told.
    pub signers: Arc<Signers>,
}

/// The routes of the operations port that are the gateway's own.
pub fn routes(sources: &Sources) -> Vec<Route> {
    let (store, served) = (Arc::clone(&sources.store), Arc::clone(&sources.current));
    let purge = Route::on(Method::POST, "/cache/purge", move |ask| {
        let (store, served) = (Arc::clone(&store), Arc::clone(&served));
        async move { caching::purge(&store, &served.load().plan, &ask.body) }
    });
    let asked = sources.clone();
    let dump = Route::get("/config_dump", move |ask| {
        let sources = asked.clone();
        async move { dump(&sources, &ask) }
    });
    let [show, set] = loglevel::routes(&sources.watched, &sources.clock);
    let signers = Arc::clone(&sources.signers);
    let keys = Route::get(JWKS, move |_| {
        let body = signers.published().jwks.clone();
        async move { Reply { status: StatusCode::OK, content_type: "application/jwk-set+json", body } }
    });
    vec![dump, purge, show, set, keys]
}
