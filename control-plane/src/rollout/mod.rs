//! How does a change come into force in waves of gateways, and who takes it back when it harms?
//!
//! The change is a record beside the resources (`catalog::Rollout`); gateways of the wave are sent
//! the state with it, all others the state without. `plan` says what was asked for, `wave` which
//! gateways a step has, `calls` how their calls are, `guard` whether that is bad, and `judge` what
//! follows from all that is seen. `rollouts` begins, shows and ends them, and `drive` moves them on,
//! on every control plane alike: each looks for itself, and whoever writes first has decided.

mod calls;
mod drive;
mod error;
mod guard;
mod judge;
mod plan;
mod rollouts;
mod view;
mod watched;
mod wave;

pub use drive::Driver;
pub use error::RolloutError;
pub use rollouts::{Begin, Begun, Rollouts};
