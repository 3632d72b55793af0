//! Where does the future of a call lie?
//!
//! It is large: made for one call, it would first be moved to its place, and the place be given back
//! behind it. So a worker keeps a few places, and in each a future that runs call after call, for
//! whichever connection has one. A connection that waits holds none.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Runners that wait for a call; more are freed.
const MOST_WAITING: usize = 64;

/// What a call is made of, on its way to the future that runs it, and what came of it.
pub(super) struct Errand<T, R> {
    todo: Cell<Option<T>>,
    done: Cell<Option<R>>,
}

/// A future that runs one call after the other.
pub(in crate::receiver) struct Runner<T, R> {
    errand: Rc<Errand<T, R>>,
    life: Pin<Box<dyn Future<Output = ()>>>,
}

/// The runners of one worker that wait for a call.
pub(in crate::receiver) struct Runners<T, R>(RefCell<Vec<Runner<T, R>>>);

impl<T, R> Errand<T, R> {
    /// The next call.
    pub(super) async fn next(&self) -> T {
        poll_fn(|_| self.todo.take().map_or(Poll::Pending, Poll::Ready)).await
    }

    /// The call is over, and everything that it held is dropped.
    pub(super) fn done(&self, came: R) {
        self.done.set(Some(came));
    }
}

impl<T, R> Runner<T, R> {
    /// A runner; `life` takes one call after the other, and has no end.
    pub(super) fn new<F>(life: impl FnOnce(Rc<Errand<T, R>>) -> F) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let errand = Rc::new(Errand { todo: Cell::default(), done: Cell::default() });
        Self { life: Box::pin(life(Rc::clone(&errand))), errand }
    }

    /// Gives it a call.
    pub(super) fn begin(&self, call: T) {
        self.errand.todo.set(Some(call));
    }

    /// What came of the call. Dropping the runner ends it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<R> {
        let _ = self.life.as_mut().poll(cx);
        self.errand.done.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T, R> Runners<T, R> {
    /// One that waits.
    pub(super) fn take(&self) -> Option<Runner<T, R>> {
        self.0.borrow_mut().pop()
    }

    /// Takes one back whose call is over.
    pub(super) fn keep(&self, runner: Runner<T, R>) {
        let mut waiting = self.0.borrow_mut();
        if waiting.len() < MOST_WAITING {
            waiting.push(runner);
        }
    }
}

impl<T, R> Default for Runners<T, R> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T, R> fmt::Debug for Runners<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Runners").field(&self.0.borrow().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Doubles numbers, and looks once before it does.
    fn doubling() -> Runner<u32, u32> {
        Runner::new(|errand| async move {
            loop {
                let number = errand.next().await;
                let mut looked = false;
                let look = |_: &mut Context<'_>| {
                    if std::mem::replace(&mut looked, true) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                };
                poll_fn(look).await;
                errand.done(number * 2);
            }
        })
    }

    #[track_caller]
    fn check(runner: &mut Runner<u32, u32>, call: u32, expected: u32) {
        let cx = &mut Context::from_waker(Waker::noop());
        runner.begin(call);
        assert_eq!(runner.poll(cx), Poll::Pending);
        assert_eq!(runner.poll(cx), Poll::Ready(expected));
        assert_eq!(runner.poll(cx), Poll::Pending, "said twice");
    }

    #[test]
    fn a_runner_runs_call_after_call() {
        let mut runner = doubling();
        check(&mut runner, 2, 4);
        check(&mut runner, 5, 10);
    }

    #[test]
    fn no_more_than_a_few_wait() {
        let runners = Runners::default();
        for _ in 0..=MOST_WAITING {
            runners.keep(doubling());
        }
        let waiting = std::iter::from_fn(|| runners.take()).count();
        assert_eq!(waiting, MOST_WAITING);
    }

    #[test]
    fn what_a_dropped_call_holds_is_dropped() {
        let held = Rc::new(());
        let mut runner = Runner::<_, ()>::new(|errand| async move {
            let _call = errand.next().await;
            std::future::pending::<()>().await;
        });
        runner.begin(Rc::clone(&held));
        assert!(runner.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(Rc::strong_count(&held), 2);
        drop(runner);
        assert_eq!(Rc::strong_count(&held), 1);
    }
}
