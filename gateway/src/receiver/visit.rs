//! What do the calls of one connection have in common?

use std::rc::Rc;

use chassis::task::Tasks;

use super::http1::Callers;
use super::pulse::Pulse;
use super::tunnel::Bounds;
use crate::received::Peer;
use crate::worker::Worker;

/// A client at the door.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) worker: Rc<Worker>,
    pub(super) pulse: Rc<Pulse>,
    pub(super) peer: Peer,
    /// What sides of a WebSocket are held to.
    pub(super) websockets: Bounds,
    /// Where what outlives a call is run.
    pub(super) tasks: Tasks,
    /// What calls of HTTP/1.1 run in.
    pub(super) callers: Rc<Callers>,
}
