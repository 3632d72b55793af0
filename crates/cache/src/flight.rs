//! How many requests for the same thing are on their way at once?
//!
//! One of each worker: who comes second waits for the first. A leader lands with an answer that is
//! kept, or with none, and is told apart by its followers: with none each of them goes its own way,
//! so that what cannot be shared is not queued for.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ahash::RandomState;

use crate::answer::Kept;
use crate::key::Key;

/// Flights that are in the air at once, and followers of one; beyond, everybody flies alone.
const MOST: usize = 4096;

/// The flights of one worker.
#[derive(Clone, Debug, Default)]
pub struct Flights(Rc<RefCell<HashMap<Key, Rc<Flight>, RandomState>>>);

#[derive(Debug, Default)]
struct Flight {
    landed: Cell<bool>,
    brought: RefCell<Option<Arc<Kept>>>,
    wakers: RefCell<Vec<Waker>>,
    followers: Cell<usize>,
}

/// A place in a flight.
#[derive(Debug)]
pub enum Seat {
    /// Nobody has asked before.
    Leads(Leader),
    /// Somebody has.
    Follows(Follower),
    /// There is no more room.
    Alone,
}

/// Asks the server for all who follow. Dropped before it lands, it lands with nothing.
#[derive(Debug)]
pub struct Leader {
    flights: Flights,
    key: Key,
    flight: Rc<Flight>,
}

/// Waits for what the leader brings.
#[derive(Debug)]
pub struct Follower(Rc<Flight>);

impl Flights {
    /// A seat in the flight for `key`.
    pub fn board(&self, key: &Key) -> Seat {
        let mut all = self.0.borrow_mut();
        if let Some(flight) = all.get(key) {
            if flight.followers.get() >= MOST {
                return Seat::Alone;
            }
            flight.followers.set(flight.followers.get() + 1);
            return Seat::Follows(Follower(Rc::clone(flight)));
        }
        if all.len() >= MOST {
            return Seat::Alone;
        }
        let flight = Rc::<Flight>::default();
        all.insert(key.clone(), Rc::clone(&flight));
        Seat::Leads(Leader { flights: self.clone(), key: key.clone(), flight })
    }
}

impl Leader {
    /// Hands the answer to all who follow.
    pub fn land(self, kept: Arc<Kept>) {
        *self.flight.brought.borrow_mut() = Some(kept);
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.flights.0.borrow_mut().remove(&self.key);
        self.flight.landed.set(true);
        self.flight.wakers.take().into_iter().for_each(Waker::wake);
    }
}

impl Future for Follower {
    type Output = Option<Arc<Kept>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let flight = &self.0;
        if flight.landed.get() {
            return Poll::Ready(flight.brought.borrow().clone());
        }
        let mut wakers = flight.wakers.borrow_mut();
        if !wakers.iter().any(|known| known.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.followers.set(self.0.followers.get().saturating_sub(1));
    }
}
