//! Who runs the streams of HTTP/2 connections?
//!
//! Tasks on the thread of the connection. Each knows whether its client still takes part, and ends
//! when not: the library then resets the stream, and what it held is free.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use chassis::task::Tasks;

use super::stall::Stall;

/// The streams of one worker.
#[derive(Clone, Debug)]
pub(in super::super) struct Streams {
    tasks: Tasks,
    /// The stall of the stream that is being made. The library makes a stream out of the future of
    /// its call and hands it over here before it does anything else.
    next: Rc<RefCell<Option<Rc<Stall>>>>,
}

impl Streams {
    pub(in super::super) fn new(tasks: Tasks) -> Self {
        Self { tasks, next: Rc::default() }
    }

    /// The stream that is made next is given up when `stall` says so.
    pub(in super::super) fn announce(&self, stall: &Rc<Stall>) {
        *self.next.borrow_mut() = Some(Rc::clone(stall));
    }
}

impl<F: Future + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let stall = self.next.borrow_mut().take();
        // Its end is noticed by the connection that it belongs to.
        drop(self.tasks.spawn_local("stream", async move {
            let mut stream = pin!(stream);
            let end = |cx: &mut std::task::Context<'_>| {
                if let Some(stall) = &stall
                    && stall.poll_lost(cx).is_ready()
                {
                    return Poll::Ready(());
                }
                stream.as_mut().poll(cx).map(drop)
            };
            std::future::poll_fn(end).await;
        }));
    }
}
