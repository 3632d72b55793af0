//! How do gateways get what is in force, and how is it known that they serve it?
//!
//! `slices` keeps, for each set of labels, what its gateways should hold; `slice` turns what one
//! holds into what it should hold, `outgoing` in messages; `repair` does so where nobody knows what a
//! gateway holds; `sign` vouches for it; `session` is the conversation with one gateway, `service` its
//! front door; `export` does the same for a file. `gateways` knows how far each is, also those of other
//! control planes, which `presence` brings; `barrier` waits for them, and `status` says what they mean
//! for a resource. `providers` tells key managers whom to ask, `alerting`
//! collectors what is an alert; `secrets` are the values that go with it.

mod alerting;
mod barrier;
mod export;
mod gateways;
mod meters;
mod outgoing;
mod presence;
mod providers;
mod repair;
mod secrets;
mod service;
mod session;
mod sign;
mod slice;
mod slices;
mod status;

pub use alerting::Alerting;
pub use barrier::{Waited, Whom, wait};
pub use export::Export;
pub use gateways::{GatewayRow, Gateways};
pub use meters::Meters;
pub use presence::Presence;
pub use providers::Providers;
pub use service::Sync;
pub use sign::Signer;
pub use slices::{Slices, keep};
pub use status::Fleet;
