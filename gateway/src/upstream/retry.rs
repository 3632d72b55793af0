//! Is a try that brought no answer made again?
//!
//! Only where doing it twice is as good as doing it once (RFC 9110 §9.2.2), or nothing was sent.

use super::attempt::{Missed, Reached};
use super::request::Request;

/// What follows a try that brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: the client is told.
    GiveUp,
    /// Another connection to the same server.
    Same,
    /// Another server.
    Other,
}

/// What follows `missed`.
pub(super) fn next(request: &Request<'_>, missed: &Missed) -> Next {
    match missed.reached {
        Reached::Nobody => Next::Other,
        Reached::Stale if request.received.method.is_idempotent() && !request.has_body() => {
            request.worker.cells.retried.add(1);
            Next::Same
        }
        Reached::Stale | Reached::Sent | Reached::Heard => Next::GiveUp,
    }
}
