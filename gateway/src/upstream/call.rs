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
//! let admission = gateway::handlers::Admission { subscription: None, application: None };
//! ```

use http::Response;

use plan::BackendUrl;

use super::attempt::{Missed, attempt};
use super::books::Books;
use super::choose::{Tried, choose};
use super::request::Request;
use super::retry::{Next, next};
use super::websocket;
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
    pub worker: &'a Worker,
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

/// Asks the backend: chooses a server, tries it, and tries again where that is safe.
pub async fn call(
    permit: &Permit<'_>,
    admission: Admission,
    outbound: Outbound<'_>,
) -> Result<Reply, Fault> {
    let Outbound { worker, generation, received, body, account } = outbound;
    let mut request = Request::new(worker, generation, received, permit, account, &body);
    request.handshake = websocket::handshake(permit, received, &body)?;
    let mut books = Books::new(admission, account);
    let server = choose(&request, &Tried::default()).ok_or(Fault::ApiNotReady)?;
    let response = match attempt(&request, server, body, &mut books).await {
        Ok(response) => response,
        // What is rare is boxed, so that the future of every call stays small.
        Err(missed) => Box::pin(again(&request, server, missed, &mut books)).await?,
    };
    let account = books.account;
    account.answered(response.status());
    if let Some(handshake) = &request.handshake {
        websocket::agreed(handshake, received, &response)?;
    }
    if !matches!(response.body(), Body::Stream(_) | Body::Tunnel(_)) {
        account.backend_done();
    }
    Ok(Reply(response))
}

/// Tries once more, and once more, as long as it is safe.
async fn again<'a>(
    request: &Request<'a>,
    mut server: &'a BackendUrl,
    mut missed: Missed,
    books: &mut Books<'_>,
) -> Result<Response<Body>, Fault> {
    let mut tried = Tried::default();
    loop {
        server = match next(request, &missed) {
            Next::GiveUp => return Err(missed.fault),
            Next::Same => server,
            Next::Other => {
                tried.note(server);
                let Some(other) = choose(request, &tried) else { return Err(missed.fault) };
                other
            }
        };
        match attempt(request, server, Body::Empty, books).await {
            Ok(response) => return Ok(response),
            Err(worse) => missed = worse,
        }
    }
}
