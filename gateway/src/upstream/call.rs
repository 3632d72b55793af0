//! Which backend answers a call that may be made, and what comes of it?
//!
//! `call` wants a `Permit` and an `Admission`: what was not authorised and throttled does not
//! compile. Nobody outside the handlers can make either of them.
//!
//! ```
//! use gateway::handlers::{Admission, Permit};
//! use gateway::upstream::{Outbound, Reply, call};
//! # async fn with_proofs(permit: &Permit<'_>, admission: Admission, outbound: Outbound<'_>) {
//! let _ = call(permit, admission, outbound).await;
//! # }
//! ```
//!
//! Without a permit:
//!
//! ```compile_fail,E0061
//! use gateway::handlers::{Admission, Permit};
//! use gateway::upstream::{Outbound, Reply, call};
//! # async fn with_proofs(permit: &Permit<'_>, admission: Admission, outbound: Outbound<'_>) {
//! let _ = call(admission, outbound).await;
//! # }
//! ```
//!
//! Without an admission:
//!
//! ```compile_fail,E0061
//! use gateway::handlers::{Admission, Permit};
//! use gateway::upstream::{Outbound, Reply, call};
//! # async fn with_proofs(permit: &Permit<'_>, admission: Admission, outbound: Outbound<'_>) {
//! let _ = call(permit, outbound).await;
//! # }
//! ```
//!
//! With one admission for two calls:
//!
//! ```compile_fail,E0382
//! use gateway::handlers::{Admission, Permit};
//! use gateway::upstream::{Outbound, Reply, call};
//! # async fn with_proofs(permit: &Permit<'_>, admission: Admission, one: Outbound<'_>, two: Outbound<'_>) {
//! let _ = call(permit, admission, one).await;
//! let _ = call(permit, admission, two).await;
//! # }
//! ```
//!
//! With an admission of one's own making:
//!
//! ```compile_fail,E0451
//! let admission = gateway::handlers::Admission {
//!     subscription: None, credential: None, application: None,
//! };
//! ```

use std::pin::pin;
use std::rc::Rc;

use http::Response;

use super::ask::ask;
use super::assertion::told;
use super::books::Books;
use super::entrance::enter;
use super::mirror::mirrored;
use super::offer::Offer;
use super::request::{Ground, Request};
use super::security::prepare;
use super::{sticky, websocket};
use crate::account::Account;
use crate::body::Body;
use crate::fault::Fault;
use crate::generation::Generation;
use crate::handlers::{Admission, Permit};
use crate::received::Received;
use crate::worker::Worker;

/// A request on its way out.
#[derive(Debug)]
pub struct Outbound<'a> {
    /// Whose connections are used.
    pub worker: &'a Rc<Worker>,
    /// The configuration in force.
    pub generation: &'a Generation,
    /// The head of the request.
    pub received: &'a Received,
    /// Its body.
    pub body: Body,
    /// The record of the call.
    pub account: &'a mut Account,
}

/// What a backend answered.
#[derive(Debug)]
pub struct Reply(Response<Body>);

impl Reply {
    /// The answer itself.
    pub fn into_response(self) -> Response<Body> {
        self.0
    }
}

/// Asks the backend, and lets a mirror have a copy of the request where the operation has one.
pub async fn call(
    permit: &Permit<'_>,
    admission: Admission,
    outbound: Outbound<'_>,
) -> Result<Reply, Fault> {
    let Outbound { worker, generation, received, mut body, account } = outbound;
    let ground = Ground::of(generation);
    let mut request = Request::new(worker, ground, received, permit, account, &body);
    request.handshake = websocket::handshake(permit, received, &body)?;
    request.told = told(&request)?;
    if request.endpoint.credential.is_some() {
        // What is rare is boxed, so that the future of every call stays small.
        request.shown = Box::pin(prepare(&request, &mut body)).await?;
    }
    let pass = enter(&request, account)?;
    if request.is_mediated() {
        account.request_mediated();
    }
    let mut books = Books::new(admission, account);
    if permit.matched().operation().mirror.is_some() {
        body = mirrored(&request, &books, body);
    }
    let mut offer = Offer::new(body, &request.endpoint.retries, request.keeps_body());
    let outcome = pin!(ask(&mut request, &mut offer, &mut books)).await?;
    if let Some(pass) = pass {
        pass.ended(&request, &outcome);
    }
    let response = request.sifted_answer(outcome.map_err(|missed| missed.fault)?);
    let account = books.account;
    account.answered(response.status());
    if request.endpoint.sticky.is_some() {
        account.cookie = sticky::given(&request, books.server);
    }
    if let Some(handshake) = &request.handshake {
        websocket::agreed(handshake, received, &response)?;
    }
    if !matches!(response.body(), Body::Stream(_) | Body::Tunnel(_)) {
        account.backend_done();
    }
    Ok(Reply(response))
}
