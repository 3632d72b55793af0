//! How do gateways count together?
//!
//! Each has one stream, whose front door is `service` and whose conversation `session`. `sharing` brings
//! them together and hands what they say to who decides: `authority` gives units of limits away that are
//! leased, with a `counter` for each, and `parts` divides those that are split. `claim` says what a limit is
//! while a change travels. `keeper` finds out whether it is this control plane's turn to count, and writes
//! down in the `book` what must not be forgotten.

mod authority;
mod book;
mod claim;
mod counter;
mod figures;
mod from_proto;
mod keeper;
mod members;
mod parts;
mod service;
mod session;
mod sharing;
mod usage;

pub use figures::Figures;
pub use keeper::Keeper;
pub use service::Share;
pub use sharing::Sharing;
pub use usage::{Told, usage};
