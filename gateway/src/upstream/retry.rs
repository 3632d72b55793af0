//! Is a try that failed made again?
//!
//! What never reached a server, always, with another one. What reached one only where doing it twice
//! is as good as doing it once (RFC 9110 §9.2.2), the endpoint says so, or the server says that it
//! has not looked at it; a few times, after a pause, and under a budget: a backend in trouble gets
//! at most that many calls more.

use std::time::Duration;

use http::Response;
use http::header::RETRY_AFTER;

use super::attempt::{Missed, Reached};
use super::request::Request;
use crate::body::Body;
use crate::fault::Fault;

/// The longest pause between two tries that no server asked for.
const MOST_PAUSE: Duration = Duration::from_secs(10);

/// What came of a try.
pub(super) type Outcome = Result<Response<Body>, Missed>;

/// What follows a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: the client is told what came of it.
    GiveUp,
    /// A new connection to the same server, at once.
    Fresh,
    /// Another server, at once.
    Elsewhere,
    /// Another server, or the same if there is no other, after a pause.
    After(Duration),
}

/// The further tries of one call.
pub(super) struct Retries {
    left: u32,
    made: u32,
}

impl Retries {
    /// Whether it is worth asking what follows `outcome`.
    pub(super) fn concern(request: &Request<'_>, outcome: &Outcome) -> bool {
        match outcome {
            Err(_) => true,
            Ok(response) => {
                let statuses = &request.endpoint.retries.statuses;
                !statuses.is_empty() && statuses.contains(&response.status().as_u16())
            }
        }
    }

    pub(super) fn of(request: &Request<'_>) -> Self {
        Self { left: request.endpoint.retries.attempts, made: 0 }
    }

    /// What follows `outcome`; `repeatable`: the body can be sent once more.
    pub(super) fn next(
        &mut self,
        request: &Request<'_>,
        outcome: &Outcome,
        repeatable: bool,
    ) -> Next {
        let plan = &request.endpoint.retries;
        let late = request.deadline.is_some_and(|deadline| request.now().instant >= deadline);
        if !Self::concern(request, outcome) || !repeatable || late || plan.attempts == 0 {
            return Next::GiveUp;
        }
        let cells = &request.worker.cells;
        let refused = matches!(outcome, Err(Missed { reached: Reached::Refused, .. }));
        let again = refused || plan.any_method || request.received.method.is_idempotent();
        match outcome {
            Err(Missed { reached: Reached::Nobody, .. }) => return Next::Elsewhere,
            Err(Missed { fault: Fault::IncompleteBody(_), .. }) => return Next::GiveUp,
            Err(Missed { reached: Reached::Stale, .. }) if again => {
                cells.retried.add(1);
                return Next::Fresh;
            }
            _ if !again || self.left == 0 => return Next::GiveUp,
            _ => {}
        }
        // A server that is about to end refuses what another connection takes, so nobody waits the
        // first time.
        let at_once = refused && self.made == 0;
        let pause = if at_once { Some(Duration::ZERO) } else { self.pause(request, outcome) };
        let in_time = |pause: &Duration| {
            request.deadline.is_none_or(|deadline| request.now().instant + *pause < deadline)
        };
        let Some(pause) = pause.filter(in_time) else { return Next::GiveUp };
        if !request.view.spend() {
            cells.budgets_empty.add(1);
            return Next::GiveUp;
        }
        cells.tried_again.add(1);
        self.left -= 1;
        self.made += 1;
        Next::After(pause)
    }

    /// How long to wait before the next try; `None`: longer than is waited.
    fn pause(&self, request: &Request<'_>, outcome: &Outcome) -> Option<Duration> {
        let plan = &request.endpoint.retries;
        let longest = plan.backoff.saturating_mul(1 << self.made.min(16)).min(MOST_PAUSE);
        let half_us = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX) / 2;
        let pause = longest.saturating_sub(Duration::from_micros(
            request.view.random() % half_us.saturating_add(1),
        ));
        let Ok(response) = outcome else { return Some(pause) };
        let Some(asked) = response.headers().get(RETRY_AFTER) else { return Some(pause) };
        // A date is never as near as what is waited here.
        let seconds = asked.to_str().ok().and_then(|text| text.trim().parse().ok())?;
        let asked = Duration::from_secs(seconds);
        (asked <= plan.max_retry_after).then(|| asked.max(pause))
    }
}
