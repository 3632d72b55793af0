//! What do the calls of one connection have in common?

use std::rc::Rc;

use super::pulse::Pulse;
use crate::received::Peer;
use crate::worker::Worker;

/// A client at the door.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) worker: Rc<Worker>,
    pub(super) pulse: Rc<Pulse>,
    pub(super) peer: Peer,
}
