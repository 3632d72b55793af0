//! Which answers before the answer are on their way to a client?
//!
//! RFC 9110 §15.2: what a backend says with a status of 1xx, like early hints (RFC 8297), goes on to
//! a client that understands it. A connection has one list, for one call after the other. A client
//! that does not take what waits for it gets no more than `MOST_WAITING` of them at a time: further
//! ones are left out, since the answer itself says everything.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use plan::PoliciesPlan;

use crate::without::without;

/// Interim answers that wait for their client to read.
const MOST_WAITING: usize = 8;

/// The interim answers of the call that a connection is busy with.
#[derive(Debug, Default)]
pub struct Interim {
    waiting: RefCell<VecDeque<(StatusCode, HeaderMap)>>,
}

impl Interim {
    /// Whether any waits to be told.
    pub fn waits(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// The next one that is to be told.
    pub fn next(&self) -> Option<(StatusCode, HeaderMap)> {
        self.waiting.borrow_mut().pop_front()
    }

    /// Forgets what an earlier call has left.
    pub fn begin(&self) {
        self.waiting.borrow_mut().clear();
    }
}

/// Hands on what a backend says before its answer, with what of it the client may see.
#[derive(Clone, Debug)]
pub struct Teller {
    interim: Rc<Interim>,
    policies: Option<Arc<PoliciesPlan>>,
    shares: bool,
}

impl Teller {
    /// To the client of `interim`. `policies` leave out fields, as they do of the answer; where the
    /// gateway `shares` by CORS, the backend's word about that is left out.
    pub const fn new(
        interim: Rc<Interim>,
        policies: Option<Arc<PoliciesPlan>>,
        shares: bool,
    ) -> Self {
        Self { interim, policies, shares }
    }

    /// Hands on one interim answer, whose fields about the connection are gone already.
    pub fn tell(&self, status: StatusCode, headers: HeaderMap) {
        let mut waiting = self.interim.waiting.borrow_mut();
        if waiting.len() >= MOST_WAITING {
            return;
        }
        let is_out = |name: &str| {
            let dropped = self.policies.as_ref().is_some_and(|it| it.response.drops(name));
            dropped || (self.shares && name.starts_with("access-control-"))
        };
        waiting.push_back((status, without(headers, is_out)));
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_client_that_does_not_read_is_told_the_first_few() {
        let interim = Rc::new(Interim::default());
        let teller = Teller::new(Rc::clone(&interim), None, false);
        for number in 0..MOST_WAITING * 2 {
            let mut headers = HeaderMap::new();
            headers.insert("link", HeaderValue::from(number));
            teller.tell(StatusCode::EARLY_HINTS, headers);
        }
        let told: Vec<_> = std::iter::from_fn(|| interim.next()).collect();
        let last = told.last().map(|(_, headers)| headers["link"].clone());
        assert_eq!((told.len(), last), (MOST_WAITING, Some(HeaderValue::from(MOST_WAITING - 1))));
        assert!(!interim.waits());
    }
}
