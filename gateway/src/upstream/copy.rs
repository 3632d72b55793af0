//! What does a mirror get, and what becomes of it?
//!
//! The request that the backend gets, once all of it is there. The copy runs beside the calls of its
//! worker: its answer is read and thrown away, and a mirror that fails is counted and nothing else.

use std::rc::Rc;
use std::sync::Arc;

use http::HeaderName;
use http_body_util::BodyExt as _;

use super::ask::ask;
use super::assertion::told;
use super::books::Books;
use super::entrance::enter;
use super::offer::Offer;
use super::request::{Ground, Request};
use super::security::prepare;
use crate::account::Account;
use crate::body::Body;
use crate::copies::Holding;
use crate::fault::Fault;
use crate::handlers::CopyPermit;
use crate::sender::Backends;
use crate::worker::Worker;

/// A copy of a call, without its body.
pub(super) struct Copy {
    pub(super) worker: Rc<Worker>,
    backends: Arc<Backends>,
    reserved: Arc<[HeaderName]>,
    generation: u64,
    permit: CopyPermit,
    /// That of the call.
    name: [u8; 16],
    traceparent: Option<String>,
}

impl Copy {
    /// A copy of what `request` brings to its backend; `None`: there is no mirror. The books are
    /// those of an admitted call.
    pub(super) fn of(request: &Request<'_>, books: &Books<'_>) -> Option<Self> {
        Some(Self {
            worker: Rc::clone(request.worker),
            backends: Arc::clone(request.ground.backends),
            reserved: Arc::clone(request.ground.reserved),
            generation: request.ground.generation,
            permit: request.permit.for_copy(request.received)?,
            name: books.account.name,
            traceparent: request.traceparent.clone(),
        })
    }

    /// Sends it with this body, if there is a place for one more.
    pub(super) fn send(self, body: Body, holding: Holding) {
        let Some(place) = self.worker.copies.place() else {
            self.worker.cells.copies.dropped.add(1);
            return;
        };
        let tasks = self.worker.tasks.clone();
        drop(tasks.spawn_local("mirror", async move {
            let _under_way = (place, holding);
            Box::pin(self.run(body)).await;
        }));
    }

    async fn run(self, body: Body) {
        let cells = &self.worker.cells.copies;
        match self.ask(body).await {
            Ok(()) => cells.answered.add(1),
            Err(fault) => {
                tracing::debug!(%fault, "a copy of a call was lost");
                cells.failed.add(1);
            }
        }
    }

    /// Asks the mirror, and reads its answer to the end.
    async fn ask(&self, mut body: Body) -> Result<(), Fault> {
        let Self { worker, backends, reserved, permit, name, traceparent, .. } = self;
        let ground = Ground { backends, reserved, generation: self.generation };
        let (received, permit) = (permit.received(), permit.permit());
        let mut account = Account::of_copy(worker, &received.peer, *name);
        let request = Request::new(worker, ground, received, &permit, &account, &body);
        let mut request = request.into_copy(traceparent.clone());
        request.told = told(&request)?;
        request.shown = prepare(&request, &mut body).await?;
        let pass = enter(&request, &mut account)?;
        let mut offer = Offer::new(body, &request.endpoint.retries, true);
        let mut books = Books::of_copy(&mut account);
        let outcome = ask(&mut request, &mut offer, &mut books).await?;
        if let Some(pass) = pass {
            pass.ended(&request, &outcome);
        }
        let mut answer = outcome.map_err(|missed| missed.fault)?.into_body();
        while let Some(part) = answer.frame().await {
            part.map_err(|error| Fault::BackendProtocol(Box::new(error)))?;
        }
        Ok(())
    }
}
