//! The revocation log, for those who watch it and those who write to it.

use std::pin::Pin;
use std::sync::Arc;

use chassis::Shutdown;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1::revocations_server::Revocations;
use turnpike_proto::identity::v1::revoke_request::What;
use turnpike_proto::identity::v1::{
    RevokeRequest, RevokeResponse, WatchRevocationsRequest, WatchRevocationsResponse,
};

use super::{caller, status, to_proto};
use crate::audit::Event;
use crate::domain::ClientId;
use crate::endpoint::Authority;
use crate::meter::Watching;
use crate::revocation::{Cursor, Reader};
use crate::store::StoreError;

#[derive(Debug)]
pub(super) struct Revoked {
    authority: Authority,
    shutdown: Shutdown,
    room: Arc<Semaphore>,
}

impl Revoked {
    pub(super) const fn new(
        authority: Authority,
        shutdown: Shutdown,
        room: Arc<Semaphore>,
    ) -> Self {
        Self { authority, shutdown, room }
    }
}

/// One open stream.
struct Watcher {
    /// `None`: it has failed and said so.
    reader: Option<Reader>,
    _counted: Watching,
    _room: OwnedSemaphorePermit,
}

#[tonic::async_trait]
impl Revocations for Revoked {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchRevocationsResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let full = || Status::resource_exhausted("no more watchers: revocations.watchers");
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| full())?;
        let WatchRevocationsRequest { epoch, after } = request.into_inner();
        let reader = Reader::new(
            self.authority.store.clone(),
            self.authority.log.follower().clone(),
            self.authority.clock.clone(),
            Cursor { epoch, sequence: after },
        );
        let counted = self.authority.meter.watching();
        let watcher = Watcher { reader: Some(reader), _counted: counted, _room: room };
        // Read only when the transport asks for more: a slow watcher is behind, not a queue.
        let messages = stream::unfold(watcher, |mut watcher| async move {
            let message = match watcher.reader.as_mut()?.next().await {
                Ok(batch) => Ok(to_proto::batch(batch)),
                Err(error) => {
                    watcher.reader = None;
                    Err(status::of_reading(&error))
                }
            };
            Some((message, watcher))
        });
        Ok(Response::new(self.shutdown.ends(messages).boxed()))
    }

    async fn revoke(
        &self,
        request: Request<RevokeRequest>,
    ) -> Result<Response<RevokeResponse>, Status> {
        let by = caller(&request);
        let what = request.into_inner().what;
        let what = what.ok_or_else(|| Status::invalid_argument("what: required"))?;
        let (kind, ended) = match what {
            What::Token(token) => ("token", self.end_token(&by, &token).await),
            What::ClientId(id) => ("client", self.end_client(&by, &id).await),
            What::Subject(subject) => {
                let event = Event::of("subject.revoked").by(&by).with("subject", &subject);
                ("subject", self.authority.noting(event).end_subject(&subject).await)
            }
        };
        let sequence = ended.map_err(|error| status::of_store(&error))?;
        if let Some(sequence) = sequence {
            self.authority.meter.revoked(kind);
            tracing::info!(by, kind, sequence, "revoked");
        }
        Ok(Response::new(RevokeResponse { sequence: sequence.unwrap_or(0) }))
    }
}

impl Revoked {
    async fn end_token(&self, by: &str, token: &str) -> Result<Option<u64>, StoreError> {
        let known = self.authority.recognise(token);
        match known.or_else(|| self.authority.recognise_test_key(token)) {
            Some(token) => {
                let event = Event::of("token.revoked").by(by).client(&token.client_id);
                let event = event.with("jti", &token.jti).with("subject", &token.subject);
                self.authority.noting(event).end_token(&token).await
            }
            None => Ok(None),
        }
    }

    async fn end_client(&self, by: &str, id: &str) -> Result<Option<u64>, StoreError> {
        match ClientId::parse(id) {
            Ok(id) => {
                let event = Event::of("client.revoked").by(by).client(id.as_str());
                self.authority.noting(event).end_client(&id).await
            }
            Err(_) => Ok(None),
        }
    }
}
