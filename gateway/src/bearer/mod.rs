//! With which access token does the gateway call a backend?
//!
//! One token for each way of getting one, shared by all workers and kept fresh away from them
//! (`keeper`): a call takes the token that lies in its `slot`, and waits only where there is none.

mod grant;
mod keeper;
mod slot;
mod store;

pub use slot::{NoToken, Slot, Token};
pub use store::{Bearers, Known};
