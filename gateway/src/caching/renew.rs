//! How is a stale answer renewed after it was given?
//!
//! By a call of the gateway's own, behind the client's back (RFC 5861 §3). It asks with the rights
//! and the admission of the call that was answered with the stale one, so that a call counts once,
//! and it is in no usage event: no client waits for it.

use std::rc::Rc;
use std::sync::Arc;

use cache::{Forwarded, Found, Key, Leader, Rules, Seat};
use http::Method;
use http::header::{CACHE_CONTROL, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};
use http_body_util::BodyExt as _;

use super::ask::fetch;
use super::serve::{Call, key, question};
use crate::account::Account;
use crate::body::Body;
use crate::fault::Fault;
use crate::handlers::{self, Admission, Seen, Whence};
use crate::received::Received;
use crate::router;
use crate::upstream::Outbound;
use crate::worker::{Held, Worker};

/// Starts to renew, unless somebody does already.
pub(super) fn renew(call: &Call<'_>, admission: Admission, account: &mut Account) {
    let Seat::Leads(leader) = call.worker.flights.board(&call.key) else {
        account.owing = admission.settle();
        return;
    };
    let mut received = call.received.clone();
    received.method = Method::GET;
    // What this client wants to know in particular is not asked for.
    for name in [CACHE_CONTROL, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_RANGE, RANGE] {
        received.headers.remove(name);
    }
    let renewal = Renewal {
        worker: Rc::clone(call.worker),
        generation: Rc::clone(call.generation),
        rules: Arc::clone(call.rules),
        received,
        key: call.key.clone(),
        name: call.name,
        now: call.now,
    };
    drop(call.worker.tasks.spawn_local("cache-renewal", async move {
        if let Err(fault) = Box::pin(renewal.run(leader, admission)).await {
            tracing::debug!(%fault, "a stale answer could not be renewed");
        }
    }));
}

struct Renewal {
    worker: Rc<Worker>,
    generation: Held,
    rules: Arc<Rules>,
    received: Received,
    /// What is renewed, and the name of the call that it was given to.
    key: Key,
    name: [u8; 16],
    now: i64,
}

impl Renewal {
    async fn run(self, leader: Leader, admission: Admission) -> Result<(), Fault> {
        let Self { worker, generation, rules, received, name, now, .. } = &self;
        let hit = router::find_api(&generation.plan, received)?;
        let router::Found::Operation(matched) = router::find(hit, received)? else {
            return Ok(());
        };
        let means = worker.means(generation, now.div_euclid(1000));
        let seen = handlers::authenticate(&matched, received, means)?;
        // Where an issuer would have to be asked, the next call renews.
        let Seen::Caller(caller) = seen else { return Ok(()) };
        let whence = Whence { client: received.peer.client, headers: &received.headers };
        let permit = handlers::authorize(&generation.plan, matched, caller, whence)?;
        // The same name draws the same variant. A condition on a field that is not sent here may
        // lead to another one, whose answers are not what others wait for.
        let permit = handlers::choose(permit, received, *name);
        let key = key(&permit, received, rules).filter(|key| *key == self.key);
        let Some(key) = key else { return Ok(()) };
        let question = question(&permit, received);
        let permit = &permit;
        let (name, now) = (*name, *now);
        let call = Call { worker, generation, received, permit, rules, question, key, name, now };
        let Found::Kept(kept) = worker.store.find(&call.key, &call.question) else { return Ok(()) };
        let mut account = Account::unreported(worker, &received.peer);
        let outbound =
            Outbound { worker, generation, received, body: Body::Empty, account: &mut account };
        let response =
            fetch(&call, Some(kept), Forwarded::Stale, Some(leader), admission, outbound).await?;
        let mut body = response.into_body();
        // It is kept part by part while it is read; where it breaks off, it is not.
        while let Some(Ok(_)) = body.frame().await {}
        Ok(())
    }
}
