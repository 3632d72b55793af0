//! How does the body of a request get from the connection into the call?
//!
//! The call pulls: nothing is read before somebody wants it, and a client that asked is told to go
//! on when the first part is wanted.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::wire::{Broken, Wire};
use crate::body::{BodyError, Intake};
use crate::http1::Part;
use crate::receiver::pulse::Pulse;

/// The body of the request that is being answered.
pub(super) struct Reader {
    wire: Rc<RefCell<Wire>>,
    intake: Rc<Intake>,
    pulse: Rc<Pulse>,
    waits: bool,
    ended: bool,
}

impl Reader {
    pub(super) const fn new(wire: Rc<RefCell<Wire>>, intake: Rc<Intake>, pulse: Rc<Pulse>) -> Self {
        Self { wire, intake, pulse, waits: false, ended: false }
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Part, Broken>> {
        let mut wire = self.wire.borrow_mut();
        loop {
            let part = wire.part()?;
            if part != Part::Missing {
                return Poll::Ready(Ok(part));
            }
            wire.ask_for_body();
            ready!(wire.poll_say(cx)).map_err(Broken::Io)?;
            if ready!(wire.poll_read(cx)).map_err(Broken::Io)? == 0 {
                return Poll::Ready(Err(Broken::Ended));
            }
        }
    }

    fn waits(&mut self, waits: bool) {
        if self.waits != waits {
            self.waits = waits;
            self.pulse.awaits_body(waits);
        }
    }
}

impl http_body::Body for Reader {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let part = this.poll_part(cx);
        this.waits(part.is_pending());
        if part.is_pending() {
            // The alarm of the connection rings for a body that comes too slowly as well.
            ready!(this.pulse.poll_lost(cx));
            this.waits(false);
            this.ended = true;
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        }
        Poll::Ready(match ready!(part) {
            Ok(Part::Data(data)) => {
                this.pulse.earned(data.len());
                if let Err(error) = this.intake.take(&data) {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Ok(Frame::data(data)))
            }
            Ok(Part::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(Part::End | Part::Missing) => {
                this.ended = true;
                None
            }
            Err(broken) => {
                this.ended = true;
                Some(Err(BodyError::Client(Box::new(broken))))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.wire.borrow().is_read()
    }

    fn size_hint(&self) -> SizeHint {
        self.wire.borrow().left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.waits(false);
    }
}
