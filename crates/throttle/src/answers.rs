//! Who waits for what an authority says?
//!
//! Whoever waits for an answer is woken by it; that takes a lock, which only those who wait and those who
//! answer meet at. Meters that take from one hand share it: an answer to one is there for the calls of the
//! other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The answers so far, those that were failures, and who waits for the next one.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    heard: AtomicU64,
    failures: AtomicU64,
    waiting: Mutex<VecDeque<Waker>>,
}

/// Which answer somebody waits beyond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    answers: u64,
    failures: u64,
}

impl Answers {
    /// How many there were, failures not counted.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Acquire)
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen { answers: self.heard(), failures: self.failures.load(Ordering::Acquire) }
    }

    /// There was one.
    pub(crate) fn answered(&self) {
        self.heard.fetch_add(1, Ordering::AcqRel);
        self.wake();
    }

    /// There was none to be had.
    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::AcqRel);
        self.wake();
    }

    /// Ready when there was an answer since `seen`, and whether it was one: `false` is a failure.
    pub(crate) fn poll(&self, seen: Seen, cx: &Context<'_>) -> Poll<bool> {
        let ready = || {
            let now = self.seen();
            if now.answers != seen.answers {
                Poll::Ready(true)
            } else if now.failures != seen.failures {
                Poll::Ready(false)
            } else {
                Poll::Pending
            }
        };
        if ready().is_pending() {
            let mut waiting = self.waiting();
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push_back(cx.waker().clone());
            }
        }
        // An answer may have come before the waker stood there.
        ready()
    }

    /// Each looks for itself whether there is something for it.
    fn wake(&self) {
        let woken = std::mem::take(&mut *self.waiting());
        woken.into_iter().for_each(Waker::wake);
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
