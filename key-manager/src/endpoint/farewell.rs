//! Who hears that a login has ended? (OpenID Connect Back-Channel Logout 1.0, KM-020)
//!
//! Every client that got something from it and has an address for it. They are told beside the answer,
//! a few at a time, and again when they do not answer; what they say changes nothing here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chassis::outbound::Client as Outbound;
use chassis::{Clock, Tasks};
use http::{HeaderMap, HeaderValue, Method, Request, header};
use serde_json::json;
use tokio::sync::Semaphore;
use url::{Url, form_urlencoded};

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

    /// Posts `body` to an address of `client`, beside whatever else happens.
    pub(super) fn post(&self, client: &Client, url: &Url, headers: &HeaderMap, body: Bytes) {
        let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() else {
            tracing::warn!(client = %client.id, "not told: too many are told at once");
            return;
        };
        let (outbound, clock, id) = (self.outbound.clone(), self.clock.clone(), client.id.clone());
        let (url, headers) = (url.clone(), headers.clone());
        self.tasks.spawn("tell a client", async move {
            let _turn = turn;
            for pause in PAUSES.into_iter().map(Some).chain([None]) {
                let mut request = Request::builder().method(Method::POST);
                if let Some(mine) = request.headers_mut() {
                    mine.clone_from(&headers);
                }
                let said = outbound.send(&url, request, body.clone()).await;
                let status = match &said {
                    Ok(answer) => answer.status().as_u16(),
                    Err(error) => {
                        tracing::debug!(client = %id, %error, "not told yet");
                        0
                    }
                };
                // It has heard: 400 says that it will not like it better later.
                if matches!(status, 200..=299 | 400) {
                    return;
                }
                if let Some(pause) = pause {
                    clock.sleep(pause).await;
                } else {
                    tracing::warn!(client = %id, status, "not told");
                }
            }
        });
    }
}

/// Ends a login with everything that came from it, and tells the clients that were part of it. The
/// answer is what a browser loads so that others of them hear of it; `None`: there is no such login.
pub(super) async fn end_session(
    authority: &Authority,
    event: Event,
    user: &str,
    session: &str,
) -> Result<Option<Vec<String>>, Refusal> {
    let clients = authority.store.clients_of_session(session).await?;
    if !authority.noting(event).end_session(user, session).await? {
        return Ok(None);
    }
    let mut frames = Vec::new();
    for id in clients {
        let Some(stored) = authority.store.client(&id).await? else { continue };
        frames.extend(stored.client.terms.logout_frame.as_deref().map(|uri| {
            let mark = if uri.contains('?') { '&' } else { '?' };
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("iss", authority.issuer.as_str()).append_pair("sid", session);
            format!("{uri}{mark}{}", query.finish())
        }));
        let Some(uri) = &stored.client.logout_notice else { continue };
        let token = logout_token(authority, &stored.client, user, session).await?;
        let Ok(url) = Url::parse(uri) else { continue };
        let mut headers = HeaderMap::new();
        let media = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, media);
        let body = Bytes::from(format!("logout_token={token}"));
        authority.farewells.post(&stored.client, &url, &headers, body);
    }
    Ok(Some(frames))
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
