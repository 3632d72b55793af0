//! What do the calls of one connection have in common?

use std::rc::Rc;
use std::time::Duration;

use chassis::task::Tasks;

use super::pulse::Pulse;
use crate::received::Peer;
use crate::worker::Worker;

/// A client at the door.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) worker: Rc<Worker>,
    pub(super) pulse: Rc<Pulse>,
    pub(super) peer: Peer,
    /// How long a side of a WebSocket may be silent before it is asked.
    pub(super) websocket_idle: Duration,
    /// Where what outlives a call is run.
    pub(super) tasks: Tasks,
}
