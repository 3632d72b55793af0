//! Who hears that a login has ended? (OpenID Connect Back-Channel Logout 1.0, KM-020)
//!
//! Every client that got something from it and has an address for it. They are told beside the answer,
//! a few at a time, and again when they do not answer; what they say changes nothing here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chassis::outbound::{Client as Outbound, Error};
use chassis::{Clock, Tasks};
use http::{Method, Request, header};
use serde_json::json;
use tokio::sync::Semaphore;
use url::Url;

use super::{Authority, Refusal};
use crate::audit::Event;
use crate::domain::Client;

/// The most clients that are told at a time; beyond it one is left out, and the log says so.
const MOST: usize = 64;
/// A logout token is read at once (section 2.4).
const SECONDS: i64 = 120;
/// How often a client is told that does not answer, and how long the pauses are.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20)];
/// What makes a token one of logout.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Tells clients.
#[derive(Clone, Debug)]
pub struct Farewells {
    outbound: Outbound,
    tasks: Tasks,
    clock: Clock,
    turns: Arc<Semaphore>,
}

impl Farewells {
    pub fn new(outbound: Outbound, tasks: Tasks, clock: Clock) -> Self {
        Self { outbound, tasks, clock, turns: Arc::new(Semaphore::new(MOST)) }
    }

    fn tell(&self, client: &Client, uri: &str, token: &str) {
        let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() else {
            tracing::warn!(client = %client.id, "not told of a logout: too many are told at once");
            return;
        };
        let Ok(url) = Url::parse(uri) else { return };
        let (outbound, clock, id) = (self.outbound.clone(), self.clock.clone(), client.id.clone());
        let body = Bytes::from(format!("logout_token={token}"));
        self.tasks.spawn("tell of a logout", async move {
            let _turn = turn;
            for pause in PAUSES.into_iter().map(Some).chain([None]) {
                let said = post(&outbound, &url, body.clone()).await;
                let status = match &said {
                    Ok(status) => *status,
                    Err(error) => {
                        tracing::debug!(client = %id, %error, "not told of a logout yet");
                        0
                    }
                };
                // It has heard: 400 says that it will not like the token better later.
                if matches!(status, 200..=299 | 400) {
                    return;
                }
                if let Some(pause) = pause {
                    clock.sleep(pause).await;
                } else {
                    tracing::warn!(client = %id, status, "not told of a logout");
                }
            }
        });
    }
}

async fn post(outbound: &Outbound, url: &Url, body: Bytes) -> Result<u16, Error> {
    let request = Request::builder()
        .method(Method::POST)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    Ok(outbound.send(url, request, body).await?.status().as_u16())
}

/// Ends a login with everything that came from it, and tells the clients that were part of it.
/// `false`: there is no such login.
pub(super) async fn end_session(
    authority: &Authority,
    event: Event,
    user: &str,
    session: &str,
) -> Result<bool, Refusal> {
    let clients = authority.store.clients_of_session(session).await?;
    if !authority.noting(event).end_session(user, session).await? {
        return Ok(false);
    }
    for id in clients {
        let Some(stored) = authority.store.client(&id).await? else { continue };
        let Some(uri) = &stored.client.logout_notice else { continue };
        let token = logout_token(authority, &stored.client, user, session).await?;
        authority.farewells.tell(&stored.client, uri, &token);
    }
    Ok(true)
}

/// Section 2.4: it has no nonce, and its type is of its own, so that it passes for no ID token.
async fn logout_token(
    authority: &Authority,
    client: &Client,
    user: &str,
    session: &str,
) -> Result<String, Refusal> {
    let now = authority.clock.unix_seconds();
    let claims = json!({
        "iss": authority.issuer.as_str(),
        "aud": client.id.as_str(),
        "iat": now,
        "exp": now.saturating_add(SECONDS),
        "jti": chassis::random::token(16),
        "sub": user,
        "sid": session,
        "events": { EVENT: {} },
    });
    let ring = authority.keeper.ring();
    let signer = ring.signer(client.algorithm.unwrap_or(authority.rules.algorithm))?;
    Ok(signer.sign("logout+jwt", &claims).await?)
}
