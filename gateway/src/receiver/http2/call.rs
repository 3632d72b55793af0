//! How does an HTTP/2 stream become a call, and its answer a response?
//!
//! Frames are the library's; here, and only here, its bodies are turned into ours and back.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::super::pulse::Attending;
use super::super::visit::Visit;
use super::stall::Stall;
use super::upgraded;
use crate::account::Account;
use crate::body::{Body, BodyError, Intake};
use crate::fault::{BadRequest, Fault, Format, render, trailers};
use crate::identity::REQUEST_ID;
use crate::pipeline;
use crate::trailers::welcome;

/// Shorter answers are over before anybody could end them.
const LONG: u64 = 256 * 1024;

/// Answers one request. The client is given up with `stall`.
pub(in super::super) async fn call(
    visit: Rc<Visit>,
    stall: Rc<Stall>,
    mut request: Request<Incoming>,
) -> Result<Response<Outgoing>, Infallible> {
    let attending = visit.pulse.attend();
    let upgrade = upgraded::asked(&mut request);
    let (parts, incoming) = request.into_parts();
    if !is_well_formed(&parts) {
        let fault = Fault::BadRequest(BadRequest::Head);
        let mut account = Account::of_no_request(&visit.worker, &visit.peer, parts.version);
        account.refused(&fault);
        let refused = render(&fault, Format::Json, account.opened_us().div_euclid(1_000_000));
        account.told(refused.status());
        return Ok(refused.map(|body| Outgoing::new(body, Some(account), stall, attending)));
    }
    let mut intake = None;
    let body = if incoming.is_end_stream() {
        Body::Empty
    } else {
        let intake = Rc::clone(intake.insert(Rc::new(Intake::new(false))));
        Body::stream(ClientBody { incoming, intake, stall: Rc::clone(&stall) })
    };
    // The library has no way to say anything before the answer.
    let (peer, interim) = (visit.peer.clone(), None);
    let mut incoming = pipeline::Incoming { parts, body, intake, peer, interim };
    let mut account = pipeline::open(&visit.worker, &mut incoming);
    let mut response = pipeline::answer(&visit.worker, incoming, &mut account).await;
    if let Ok(name) = HeaderValue::from_bytes(&account.text) {
        response.headers_mut().insert(REQUEST_ID, name);
    }
    Ok(match (std::mem::take(response.body_mut()), upgrade) {
        (Body::Tunnel(far), Some(upgrade)) => {
            upgraded::agree(&mut response);
            let attends = visit.pulse.attend();
            let work = upgraded::tunnel(Rc::clone(&visit), upgrade, far, account, attends);
            // It ends with its stream, or when the worker stops.
            drop(visit.tasks.spawn_local("tunnel", work));
            response.map(|_| Outgoing::new(Body::Empty, None, stall, attending))
        }
        (body, _) => {
            let mut outgoing = Outgoing::new(body, Some(account), stall, attending);
            outgoing.grpc = is_grpc(&response);
            response.map(|_| outgoing)
        }
    })
}

fn is_grpc<B>(answer: &Response<B>) -> bool {
    let media = answer.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    media.is_some_and(|media| media.starts_with(b"application/grpc"))
}

/// Whether it has none of what the library lets pass: values that begin or end with white space,
/// which RFC 9113 §8.2.1 calls malformed and HTTP/1.1 would drop, and quotes in names, which are no
/// tokens (RFC 9110 §5.1).
fn is_well_formed(parts: &Parts) -> bool {
    let white = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let tight = |value: &[u8]| !white(value.first()) && !white(value.last());
    let good = |(name, value): (&HeaderName, &HeaderValue)| {
        tight(value.as_bytes()) && !name.as_str().contains('"')
    };
    parts.headers.iter().all(good)
}

/// The body of a request, counted.
struct ClientBody {
    incoming: Incoming,
    intake: Rc<Intake>,
    stall: Rc<Stall>,
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
        match &frame {
            Poll::Pending => this.stall.awaits_body(),
            Poll::Ready(frame) => this.stall.body_came(length(frame.as_ref())),
        }
        let frame = ready!(frame);
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(error) = this.intake.take(data)
        {
            return Poll::Ready(Some(Err(error)));
        }
        let known = |frame: Frame<Bytes>| match frame.into_trailers() {
            Ok(trailers) => Frame::trailers(welcome(trailers)),
            Err(frame) => frame,
        };
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => Ok(known(frame)),
            Err(error) => Err(BodyError::Client(Box::new(error))),
        }))
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
        self.stall.body_came(0);
    }
}

/// The body of an answer, counted. When it is dropped, ended or not, the call is over.
pub(in super::super) struct Outgoing {
    body: Body,
    /// None of what has become a tunnel.
    account: Option<Account>,
    stall: Rc<Stall>,
    /// Whether its end is told in trailers.
    grpc: bool,
    _attending: Attending,
}

impl Outgoing {
    fn new(body: Body, account: Option<Account>, stall: Rc<Stall>, attending: Attending) -> Self {
        stall.answered();
        // The library asks for a part when the client has room for it.
        stall.awaits_reading((!body.is_empty()).then_some(0));
        Self { body, account, stall, grpc: false, _attending: attending }
    }
}

impl Outgoing {
    /// How the body ends, if its call may not go on. Of an answer that comes without a pause it is
    /// asked once it has become long.
    fn ended(&mut self, waits: bool, cx: &Context<'_>) -> Option<Result<Frame<Bytes>, BodyError>> {
        let account = self.account.as_mut()?;
        if !waits && account.response_bytes < LONG {
            return None;
        }
        let Poll::Ready(fault) = account.poll_ended(cx) else { return None };
        // What the backend still has to say is said to nobody.
        self.body = Body::Empty;
        Some(if self.grpc { Ok(Frame::trailers(trailers(&fault))) } else { Err(BodyError::Ended) })
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        let part = match &frame {
            Poll::Ready(frame @ Some(Ok(_))) => Some(length(frame.as_ref())),
            _ => None,
        };
        this.stall.awaits_reading(part);
        if let Some(end) = this.ended(frame.is_pending(), cx) {
            return Poll::Ready(Some(end));
        }
        let frame = ready!(frame);
        match (&frame, &mut this.account) {
            (Some(Ok(frame)), Some(account)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                account.response_bytes += bytes as u64;
            }
            (Some(Err(error)), Some(account)) => account.broke_off(error),
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

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.stall.awaits_reading(None);
    }
}

/// How much data a part of a body is.
fn length<E>(frame: Option<&Result<Frame<Bytes>, E>>) -> usize {
    let data = frame.and_then(|frame| frame.as_ref().ok()?.data_ref());
    data.map_or(0, Bytes::len)
}
