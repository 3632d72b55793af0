//! Whom does the command line ask over HTTP, and whom does it believe?
//!
//! For token endpoints and readiness pages: the operator named them, so they may be anywhere. TLS
//! servers are believed when the installation's authority signed them, or one of the operating
//! system's.

use std::time::Duration;

use chassis::Clock;
use chassis::outbound::{Client, Error, Reach, Rules};

const LARGEST_ANSWER: usize = 1 << 20;

/// `authority` is PEM and may be empty.
pub(crate) fn client(clock: &Clock, limit: Duration, authority: &[u8]) -> Result<Client, Error> {
    let rules = Rules { reach: Reach::Anywhere, limit, largest: LARGEST_ANSWER, at_once: 16 };
    Client::new(clock.clone(), rules, authority)
}
