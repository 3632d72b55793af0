//! Is every acknowledged change there, and does no call fail, whatever breaks between the programs?
//!
//! Three members of etcd, two control planes and three gateways, each in a network namespace of its own;
//! one writer, steady callers at every gateway, and one incident after the other. `fleet` is what runs,
//! `writer` changes it and remembers, `callers` judge every answer, `incidents` is what happens, and
//! `story` the whole. `added` and `updated` are two incidents of other gateways that take no more than one
//! gateway and much haste.

mod added;
mod callers;
mod fleet;
mod incidents;
mod story;
mod updated;
mod writer;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Stories are told one after the other: each wants the machine for itself.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
