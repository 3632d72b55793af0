//! How do APIs and products come into being, serve, age and go?
//!
//! `transition` is the table of steps, `living` what has a life. `step` takes a step with what belongs
//! to it, `carry` takes subscriptions along, `version` makes a new version, `status` says where something is, and `written`
//! holds what files say about a life against the table.

mod carry;
mod living;
mod status;
mod step;
mod transition;
mod version;
mod written;

pub(crate) use living::life_of;
pub use status::{Status, status};
pub use step::{Step, Taken, found, prepared, take};
pub use transition::{Action, steps};
pub use version::{NewVersion, new_version};
pub(crate) use written::check_written;
