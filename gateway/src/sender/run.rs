//! What comes of a request that is sent over a connection?

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode};

use super::answer::{Framing, Head};
use super::answer_body::AnswerBody;
use super::exchange::{Exchange, Order, SendError};
use super::pool::{Connection, Pool};
use super::tunnel::Tunnel;
use crate::alarm::Alarms;
use crate::body::Body;

/// The exchange failed before the backend's answer began.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: SendError,
    /// Whether the backend had said anything.
    pub heard: bool,
}

/// An answer that has begun.
pub type Answered = Response<Body>;

/// Sends the head that stands in the connection's output, and `order`'s body. The future is ready
/// once the answer's head is there.
pub fn run(
    pool: &Rc<Pool>,
    alarms: &Rc<Alarms>,
    connection: Box<Connection>,
    order: Order,
) -> Running {
    Running(Some(Exchange::new(pool, alarms, connection, order)))
}

/// An exchange whose answer has not begun yet. Written by hand, because it lies in the future of
/// every call, and an `async fn` would hold what it is given twice.
#[derive(Debug)]
pub struct Running(Option<Exchange>);

impl Future for Running {
    type Output = Result<Answered, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A future that is polled after its end stays pending for ever.
        let Some(exchange) = &mut self.0 else { return Poll::Pending };
        let head = ready!(exchange.poll_head(cx));
        let Some(exchange) = self.0.take() else { return Poll::Pending };
        Poll::Ready(match head {
            Ok(head) => Ok(delivered(exchange, head)),
            Err(error) => Err(Failure { error, heard: exchange.has_heard() }),
        })
    }
}

fn delivered(mut exchange: Exchange, head: Head) -> Answered {
    let mut answer = Response::new(Body::Empty);
    *answer.status_mut() = head.status;
    *answer.headers_mut() = head.headers;
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        *answer.body_mut() = Body::Tunnel(Box::pin(Tunnel(exchange.connection)));
        return answer;
    }
    let here = exchange.connection.input.len() as u64;
    *answer.body_mut() = match head.framing {
        Framing::Nothing => {
            exchange.finish(head.keeps);
            Body::Empty
        }
        Framing::Length(length) if length <= here => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let body = exchange.connection.input.split_to(length).freeze();
            exchange.finish(head.keeps);
            Body::Full(body)
        }
        framing => {
            exchange.begun(answer.headers());
            Body::stream(AnswerBody::new(exchange, framing, head.keeps))
        }
    };
    answer
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
