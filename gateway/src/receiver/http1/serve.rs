//! How do the calls of one HTTP/1.1 connection follow each other?

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Method, Response, Version};
use tokio::io::AsyncWriteExt as _;

use super::head::Head;
use super::reader::Reader;
use super::runner::{Errand, Runner};
use super::upgraded::Upgraded;
use super::wire::{MOST_UNWANTED, Next, Wire};
use super::writer::{Asked, write};
use crate::account::Account;
use crate::body::{Body, BodyError, Intake, Tunnel};
use crate::fault::{Fault, Format, render};
use crate::http1::{Flow, Frames, Outgoing, Part};
use crate::pipeline::{self, Incoming};
use crate::receiver::socket::Socket;
use crate::receiver::tunnel::{Ends, relay};
use crate::receiver::visit::Visit;
use crate::sender::SendError;

/// How long a client that is not listened to any more may take to notice.
const LINGER: Duration = Duration::from_secs(2);
/// How much it may still send meanwhile.
const MOST_DISCARDED: usize = 1024 * 1024;

/// A call whose head is here.
pub(in crate::receiver) struct Begun {
    visit: Rc<Visit>,
    wire: Rc<RefCell<Wire>>,
    head: Head,
}

/// What came of a call: whether its connection may stay.
pub(in crate::receiver) type Ended = io::Result<bool>;

/// Serves calls until the client or the worker wants no more.
pub(in crate::receiver) async fn serve(
    visit: &Rc<Visit>,
    socket: Socket,
    most_head_bytes: usize,
) -> io::Result<()> {
    let wire = Rc::new(RefCell::new(Wire::new(socket, &visit.worker)));
    loop {
        let next = poll_fn(|cx| poll_next(visit, &wire, most_head_bytes, cx)).await?;
        match next {
            None => return Ok(()),
            Some(Ok(head)) => {
                // Lent for the call: most connections wait for one.
                let mut runner = visit.callers.take().unwrap_or_else(|| Runner::new(run));
                runner.begin(Begun { visit: Rc::clone(visit), wire: Rc::clone(&wire), head });
                let keeps = poll_fn(|cx| runner.poll(cx)).await;
                visit.callers.keep(runner);
                if !keeps? {
                    return end(visit, &wire, true).await;
                }
            }
            Some(Err(fault)) => {
                let _attending = visit.pulse.attend();
                refuse(visit, &wire, &fault).await?;
                return end(visit, &wire, false).await;
            }
        }
    }
}

/// The next head. At the end of a drain the worker waits for none that has not begun.
fn poll_next(
    visit: &Visit,
    wire: &RefCell<Wire>,
    most_bytes: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Next>> {
    let mut wire = wire.borrow_mut();
    let next = wire.poll_next(most_bytes, cx);
    if next.is_ready() {
        return next;
    }
    if wire.is_between() {
        if visit.worker.waits_no_more.get() {
            return Poll::Ready(Ok(None));
        }
    } else if visit.pulse.poll_lost(cx).is_ready() {
        return Poll::Ready(Ok(Some(Err(Fault::RequestTimeout))));
    }
    Poll::Pending
}

/// Answers call after call.
async fn run(errand: Rc<Errand<Begun, Ended>>) {
    loop {
        let Begun { visit, wire, head } = errand.next().await;
        let ended = pin!(call(&visit, &wire, head)).await;
        drop((visit, wire));
        errand.done(ended);
    }
}

/// Answers one call; false: the connection has to end.
///
/// No `async fn`: that would hold the head, and what becomes of it, for as long as the call lasts.
fn call(visit: &Rc<Visit>, wire: &Rc<RefCell<Wire>>, head: Head) -> impl Future<Output = Ended> {
    let attending = visit.pulse.attend();
    let Head { parts, framing, keeps, asks, trailers } = head;
    let (version, with_head) = (parts.version, parts.method == Method::HEAD);
    wire.borrow_mut().begin(framing, asks);
    let mut incoming = incoming(visit, wire, parts);
    let intake = incoming.intake.clone();
    let mut account = pipeline::open(&visit.worker, &mut incoming);
    async move {
        let _attending = attending;
        let response = {
            let answering = pin!(pipeline::answer(&visit.worker, incoming, &mut account));
            answered(wire, intake.as_deref(), answering).await
        };
        let response = response.ok_or(io::ErrorKind::ConnectionAborted)?;
        if wire.borrow().has_to_say() {
            // What was begun has to be said to its end, and what came with the answer goes before it.
            Box::pin(poll_fn(|cx| wire.borrow_mut().poll_say(cx))).await?;
        }
        let (parts, body) = response.into_parts();
        // A body that nobody will read leaves its client in the middle of a request.
        let stuck = {
            let wire = wire.borrow();
            !matches!(body, Body::Stream(_)) && !wire.is_read() && !wire.is_nearly_read()
        };
        let keeps = keeps && !stuck && !visit.worker.draining.get() && visit.worker.gate.keeps();
        let mut output = visit.worker.spares.output();
        let asked = Asked { name: &account.text, version, with_head, keeps };
        let frames = write(&mut output, &parts, &body, asked, &visit.worker.date.borrow());
        visit.worker.spares.keep_fields(parts.headers);
        let (body, far) = match body {
            Body::Tunnel(far) => (Body::Empty, Some(far)),
            body => (body, None),
        };
        let outgoing = Outgoing::new(output, body, frames, Flow::Going, trailers);
        if let Some(far) = far {
            Box::pin(tunnel(visit, wire, outgoing, far, account)).await?;
            return Ok(false);
        }
        let Some(output) = send(visit, wire, outgoing, &mut account).await? else {
            return Ok(false);
        };
        drop(account);
        visit.worker.spares.keep_output(output);
        Ok(keeps && frames != Frames::UntilClose && read_off(visit, wire).await)
    }
}

/// Reads what is left of a body that nobody wants; false: it is too much.
async fn read_off(visit: &Visit, wire: &RefCell<Wire>) -> bool {
    if wire.borrow().is_read() {
        return true;
    }
    visit.pulse.awaits_body(true);
    let mut read = 0;
    let whole = poll_fn(|cx| {
        let mut wire = wire.borrow_mut();
        loop {
            match wire.part() {
                Ok(Part::Data(data)) => read += data.len() as u64,
                Ok(Part::Trailers(_)) => {}
                Ok(Part::End) => return Poll::Ready(true),
                Ok(Part::Missing) if matches!(ready!(wire.poll_read(cx)), Ok(1..)) => {}
                Ok(Part::Missing) | Err(_) => return Poll::Ready(false),
            }
            if read > MOST_UNWANTED {
                return Poll::Ready(false);
            }
        }
    })
    .await;
    visit.pulse.awaits_body(false);
    whole
}

/// A call whose head is here.
fn incoming(visit: &Visit, wire: &Rc<RefCell<Wire>>, parts: http::request::Parts) -> Incoming {
    let mut intake = None;
    let body = if wire.borrow().is_read() {
        Body::Empty
    } else {
        let shared = Rc::new(Intake::new(wire.borrow().waits_for_word()));
        let shared = Rc::clone(intake.insert(shared));
        Body::stream(Reader::new(Rc::clone(wire), shared, Rc::clone(&visit.pulse)))
    };
    // Nobody of HTTP/1.0 understands an answer before the answer (RFC 9110 §15.2).
    let interim = (parts.version == Version::HTTP_11).then(|| Rc::clone(&wire.borrow().interim));
    Incoming { parts, body, intake, peer: visit.peer.clone(), interim }
}

/// Lets the call run, and watches whether its client is still there; `None`: it has left.
async fn answered(
    wire: &RefCell<Wire>,
    intake: Option<&Intake>,
    mut answering: Pin<&mut impl Future<Output = Response<Body>>>,
) -> Option<Response<Body>> {
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(answer) = answering.as_mut().poll(cx) {
                return Poll::Ready(Some(answer));
            }
            let mut wire = wire.borrow_mut();
            if matches!(wire.poll_say(cx), Poll::Ready(Err(_))) || wire.poll_gone(cx).is_ready() {
                return Poll::Ready(None);
            }
            // A client that sends its body unasked is not to be waited for by anybody.
            match intake.filter(|intake| intake.asks() && !wire.waits_for_word()) {
                Some(intake) => intake.goes_on(),
                None => return Poll::Pending,
            }
        }
    })
    .await
}

/// Sends an answer to its last byte and gives the buffer back; `None`: another one was sent instead,
/// and the connection has to end.
async fn send(
    visit: &Visit,
    wire: &RefCell<Wire>,
    mut outgoing: Outgoing,
    account: &mut Account,
) -> io::Result<Option<Vec<u8>>> {
    let sent = poll_fn(|cx| {
        let sent = poll_send(wire, &mut outgoing, account, cx);
        if sent.is_pending() && account.poll_ended(cx).is_ready() {
            // Broken off, so that nobody takes it for whole.
            return Poll::Ready(Err(io::ErrorKind::PermissionDenied.into()));
        }
        sent
    })
    .await;
    account.response_bytes = outgoing.body_bytes();
    let Some(error) = sent? else { return Ok(Some(outgoing.into_output())) };
    // Nothing of it was said yet, so what went wrong can be.
    let fault = answer_broke(error);
    account.refused(&fault);
    Box::pin(tell(visit, wire, &fault, account)).await?;
    Ok(None)
}

/// What the client is told of an answer that broke off before its first byte was sent.
fn answer_broke(error: BodyError) -> Fault {
    match error {
        BodyError::TooLarge => Fault::BodyTooLarge,
        BodyError::TooSlow => Fault::RequestTimeout,
        BodyError::Client(cause) => Fault::IncompleteBody(cause),
        // Only HTTP/2 says so, of an answer that has begun.
        ended @ BodyError::Ended => Fault::IncompleteBody(Box::new(ended)),
        BodyError::Backend(cause) => match cause.downcast_ref::<SendError>() {
            Some(SendError::Timeout) => Fault::BackendTimeout,
            _ => Fault::BackendProtocol(cause),
        },
    }
}

/// Tells the client that HTTP ends here, and lets bytes pass until the connection ends.
async fn tunnel(
    visit: &Visit,
    wire: &Rc<RefCell<Wire>>,
    outgoing: Outgoing,
    far: Tunnel,
    mut account: Account,
) -> io::Result<()> {
    drop(send(visit, wire, outgoing, &mut account).await?);
    let ends = Ends { near: Upgraded(Rc::clone(wire)), far };
    relay(&visit.worker, ends, &mut account, visit.websockets).await;
    Ok(())
}

fn poll_send(
    wire: &RefCell<Wire>,
    outgoing: &mut Outgoing,
    account: &mut Account,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Option<BodyError>>> {
    loop {
        // The wire is not held here: the answer's body may have to read the request's.
        if let Err(error) = outgoing.poll_stage(cx) {
            if !outgoing.has_begun() {
                return Poll::Ready(Ok(Some(error)));
            }
            account.broke_off(&error);
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut wire = wire.borrow_mut();
        if outgoing.has_output() {
            ready!(outgoing.poll_write(&mut wire.socket, cx))?;
        } else if outgoing.is_over() {
            return Poll::Ready(Ok(None));
        } else {
            ready!(wire.poll_gone(cx));
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
    }
}

/// Answers what is no request; nothing that follows on the connection can be trusted. It is reported
/// like any call.
async fn refuse(visit: &Visit, wire: &RefCell<Wire>, fault: &Fault) -> io::Result<()> {
    let mut account = Account::of_no_request(&visit.worker, &visit.peer, http::Version::HTTP_11);
    account.refused(fault);
    tell(visit, wire, fault, &mut account).await
}

/// Sends a fault, behind which the connection ends.
async fn tell(
    visit: &Visit,
    wire: &RefCell<Wire>,
    fault: &Fault,
    account: &mut Account,
) -> io::Result<()> {
    let now = visit.worker.unix_us(visit.worker.clock.instant()).div_euclid(1_000_000);
    let response: Response<Body> = render(fault, Format::Json, now);
    let (parts, body) = response.into_parts();
    account.told(parts.status);
    account.response_bytes = body.length().unwrap_or_default();
    let version = Version::HTTP_11;
    let asked = Asked { name: &account.text, version, with_head: false, keeps: false };
    let mut output = Vec::new();
    let frames = write(&mut output, &parts, &body, asked, &visit.worker.date.borrow());
    let mut outgoing = Outgoing::new(output, body, frames, Flow::Going, true);
    poll_fn(|cx| {
        while !outgoing.is_over() {
            // What the gateway says itself is there whole.
            let _ = outgoing.poll_stage(cx);
            ready!(outgoing.poll_write(&mut wire.borrow_mut().socket, cx))?;
        }
        Poll::Ready(Ok(()))
    })
    .await
}

/// Ends the connection. Where the client may still be sending, because its last request was not read
/// to its end or not `understood`, what it sends is taken for a while.
async fn end(visit: &Visit, wire: &RefCell<Wire>, understood: bool) -> io::Result<()> {
    poll_fn(|cx| {
        let mut wire = wire.borrow_mut();
        let mut shutdown = pin!(wire.socket.shutdown());
        Pin::as_mut(&mut shutdown).poll(cx)
    })
    .await?;
    let heard_all = wire.borrow().is_read() && wire.borrow().is_between();
    if !(understood && heard_all) {
        linger(visit, wire).await;
    }
    Ok(())
}

/// Closing while the client still sends would make its kernel throw away what was said to it (RFC
/// 9112 §9.6).
async fn linger(visit: &Visit, wire: &RefCell<Wire>) {
    let mut discarded = 0;
    let discard = poll_fn(|cx| {
        loop {
            match ready!(wire.borrow_mut().poll_discard(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(read) => discarded += read,
            }
            if discarded > MOST_DISCARDED {
                return Poll::Ready(());
            }
        }
    });
    // Who has not noticed by then is left alone.
    let _ = visit.worker.clock.timeout(LINGER, discard).await;
}
