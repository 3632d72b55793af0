//! When does a WebSocket end, and how do both of its sides get to know?
//!
//! Normally by a close frame that passes like any other. Where a side is lost, says nothing any
//! more or too much at once, or where the gateway stops, the gateway says goodbye itself, between
//! two frames.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::way::{Event, Way};
use crate::account::Account;
use crate::alarm::Alarm;
use crate::body::{BodyError, Tunnel};
use crate::fault::{Fault, farewell};
use crate::handlers::EventLimits;
use crate::websocket::CloseCode;
use crate::worker::Worker;

/// How long a side may take to say goodbye after it was told to.
const GOODBYE: Duration = Duration::from_secs(5);
const TOO_LONG: &str = "a message is too long";
const USED_UP: &str = "the client has used up its limit";

/// Both ends of a WebSocket.
#[derive(Debug)]
pub(in crate::receiver) struct Ends<N> {
    /// The client's.
    pub(in crate::receiver) near: N,
    /// The backend's.
    pub(in crate::receiver) far: Tunnel,
}

/// What sides of a WebSocket are held to.
#[derive(Clone, Copy, Debug)]
pub(in crate::receiver) struct Bounds {
    /// A side that says nothing for so long is asked with a ping, and given up after as long again;
    /// zero: never.
    pub(in crate::receiver) patience: Duration,
    /// Bytes of a message, unless the API says otherwise; zero: any number.
    pub(in crate::receiver) message: u64,
}

/// Lets bytes pass in both directions until the WebSocket has ended.
pub(in crate::receiver) async fn relay<N: AsyncRead + AsyncWrite + Unpin>(
    worker: &Worker,
    mut ends: Ends<N>,
    account: &mut Account,
    bounds: Bounds,
) {
    let Bounds { patience, message } = bounds;
    let of_api = account.called.as_ref().and_then(|(api, operation)| {
        operation.member.as_ref().unwrap_or(api).limits.max_message_bytes
    });
    let most = of_api.unwrap_or(if message == 0 { u64::MAX } else { message });
    let gate = || account.events.as_ref().map(EventLimits::gate);
    let mut relay = Relay {
        up: Way::new(worker.alarms.alarm(), patience, (most, gate()), true),
        down: Way::new(worker.alarms.alarm(), patience, (most, gate()), false),
        limit: worker.alarms.alarm(),
        limited: false,
    };
    if let Some(open) = &account.open {
        open.lasts();
    }
    poll_fn(|cx| relay.poll(worker, &mut ends, account, cx)).await;
}

struct Relay {
    up: Way,
    down: Way,
    limit: Alarm,
    limited: bool,
}

impl Relay {
    /// Ready when the WebSocket has ended.
    fn poll<N: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        worker: &Worker,
        ends: &mut Ends<N>,
        account: &mut Account,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Ends { near, far } = ends;
        if worker.draining.get() && !self.limited {
            self.close(CloseCode::GoingAway, "the gateway stops");
        }
        if !self.limited
            && let Poll::Ready(fault) = account.poll_ended(cx)
        {
            let reason = farewell(&fault);
            self.up.close(CloseCode::Policy, reason.clone());
            self.down.close(CloseCode::Policy, reason);
            self.limit();
        }
        loop {
            let up = self.up.poll(near, far, cx);
            let down = self.down.poll(far, near, cx);
            account.carried(self.up.bytes, self.down.bytes);
            if up.is_pending() && down.is_pending() {
                break;
            }
            if let Poll::Ready(Event::Refused(fault)) = &up {
                self.refuse(fault, account);
            }
            if let Poll::Ready(Event::Refused(fault)) = &down {
                self.refuse(fault, account);
            }
            if let Poll::Ready(event) = up {
                if matches!(event, Event::TooLong) {
                    worker.cells.too_long.client.add(1);
                    account.refused(&Fault::BodyTooLarge);
                }
                if self.is_client_lost(&event) {
                    return Poll::Ready(());
                }
            }
            if let Poll::Ready(event) = down {
                if matches!(event, Event::TooLong) {
                    worker.cells.too_long.backend.add(1);
                }
                if let Some(error) = self.backend_lost(event) {
                    account.broke_off(&BodyError::Backend(Box::new(error)));
                }
            }
        }
        let over = self.up.is_over() && self.down.is_over();
        if over { Poll::Ready(()) } else { self.limit.poll(cx) }
    }

    /// Something happened on the way from the client; true: nobody is there any more to be told.
    fn is_client_lost(&mut self, event: &Event) -> bool {
        match event {
            Event::Lost(Some(_)) => return true,
            // It may still hear the backend out.
            Event::Lost(None) => self.up.end(),
            Event::Over | Event::Refused(_) => {}
            Event::Deaf => {
                // Why the backend takes nothing is seen on the other way.
                self.up.give_up();
                self.limit();
            }
            Event::TooLong => {
                // To the backend it is one more client that leaves.
                self.down.close(CloseCode::TooLong, TOO_LONG);
                self.close(CloseCode::GoingAway, TOO_LONG);
            }
            Event::Quiet if self.up.asked => {
                self.close(CloseCode::GoingAway, "the client is silent");
            }
            Event::Quiet => self.up.asked = self.down.ask(),
            Event::Stalled => {
                self.up.give_up();
                self.close(CloseCode::Unexpected, "the backend does not read");
            }
        }
        self.up.rest();
        self.limit_if_closed();
        false
    }

    /// Something happened on the way from the backend; the error by which it was lost.
    fn backend_lost(&mut self, event: Event) -> Option<io::Error> {
        let mut lost = None;
        match event {
            Event::Lost(error) => {
                if self.up.has_closed() {
                    // It closes without a word what the client has closed; that is its answer.
                    self.up.give_up();
                    self.limit();
                } else if !self.down.has_closed() && !self.limited {
                    let code =
                        if error.is_some() { CloseCode::Unexpected } else { CloseCode::Restart };
                    self.up.give_up();
                    self.close(code, "the backend is gone");
                    lost = Some(error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()));
                }
                self.down.end();
            }
            Event::Over | Event::Refused(_) => {}
            Event::Deaf => {
                self.down.give_up();
                self.limit();
            }
            Event::TooLong => {
                // To the client its server has met what it cannot go on with.
                self.up.close(CloseCode::TooLong, TOO_LONG);
                self.close(CloseCode::Unexpected, TOO_LONG);
                lost = Some(io::Error::new(io::ErrorKind::InvalidData, TOO_LONG));
            }
            Event::Quiet if self.down.asked => {
                self.close(CloseCode::Unexpected, "the backend is silent");
            }
            Event::Quiet => self.down.asked = self.up.ask(),
            Event::Stalled => {
                self.down.give_up();
                self.close(CloseCode::GoingAway, "the client does not read");
            }
        }
        self.down.rest();
        self.limit_if_closed();
        lost
    }

    /// A limit has no room for another frame: what has passed has passed.
    fn refuse(&mut self, fault: &Fault, account: &mut Account) {
        account.refused(fault);
        self.down.close(CloseCode::TryLater, farewell(fault));
        self.up.close(CloseCode::GoingAway, USED_UP);
        self.limit();
    }

    /// Says goodbye to both sides and does not wait for long.
    fn close(&mut self, code: CloseCode, reason: &'static str) {
        self.up.close(code, reason);
        self.down.close(code, reason);
        self.limit();
    }

    /// Once both have said goodbye there is nothing to wait for but the end of the connections.
    fn limit_if_closed(&mut self) {
        if self.up.has_closed() && self.down.has_closed() {
            self.limit();
        }
    }

    fn limit(&mut self) {
        if !self.limited {
            self.limited = true;
            self.limit.set(GOODBYE);
        }
    }
}
