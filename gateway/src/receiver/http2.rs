//! How does an HTTP/2 stream become a call, and its answer a response?
//!
//! Frames are the library's; here, and only here, its bodies are turned into ours and back.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::http2_upgraded as upgraded;
use super::pulse::{Attending, Pulse};
use super::visit::Visit;
use crate::account::Account;
use crate::body::{Body, BodyError};
use crate::pipeline::{self, Answer};

/// Answers one request.
pub(super) async fn call(
    visit: Rc<Visit>,
    mut request: Request<Incoming>,
) -> Result<Response<Outgoing>, Infallible> {
    let attending = visit.pulse.attend();
    let upgrade = upgraded::asked(&mut request);
    let (parts, incoming) = request.into_parts();
    let mut body_bytes = None;
    let body = if incoming.is_end_stream() {
        Body::Empty
    } else {
        let counted = Rc::clone(body_bytes.get_or_insert_default());
        let pulse = Rc::clone(&visit.pulse);
        Body::stream(ClientBody { incoming, counted, pulse, waits: false })
    };
    let incoming = pipeline::Incoming { parts, body, body_bytes, peer: visit.peer.clone() };
    let answer = pipeline::answer(&visit.worker, incoming).await;
    let Answer { mut response, account } = answer;
    let body = match (std::mem::take(response.body_mut()), upgrade) {
        (Body::Tunnel(far), Some(upgrade)) => {
            upgraded::agree(&mut response);
            let work = upgraded::tunnel(Rc::clone(&visit), upgrade, far, account, attending);
            // It ends with its stream, or when the worker stops.
            drop(visit.tasks.spawn_local("tunnel", work));
            Outgoing { body: Body::Empty, call: None }
        }
        (body, _) => Outgoing { body, call: Some((account, attending)) },
    };
    Ok(response.map(|_| body))
}

/// The body of a request, counted.
struct ClientBody {
    incoming: Incoming,
    counted: Rc<Cell<u64>>,
    pulse: Rc<Pulse>,
    waits: bool,
}

impl ClientBody {
    fn waits(&mut self, waits: bool) {
        if self.waits != waits {
            self.waits = waits;
            self.pulse.awaits_body(waits);
        }
    }
}

impl http_body::Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.incoming).poll_frame(cx);
        this.waits(frame.is_pending());
        let frame = ready!(frame);
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            this.counted.set(this.counted.get() + data.len() as u64);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError::Client(Box::new(error)))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        self.waits(false);
    }
}

/// The body of an answer, counted. When it is dropped, ended or not, the call is over.
pub(super) struct Outgoing {
    body: Body,
    /// Absent: the call goes on elsewhere.
    call: Option<(Account, Attending)>,
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match (&frame, &mut this.call) {
            (Some(Ok(frame)), Some((account, _))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                account.response_bytes += bytes as u64;
            }
            (Some(Err(error)), Some((account, _))) => account.broke_off(error),
            _ => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
