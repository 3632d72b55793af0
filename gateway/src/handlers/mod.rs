//! What every call has to pass, in this order: who are you, what may you, how often.

mod authenticate;
mod authorize;
mod choose;
mod cors;
mod throttle;

pub use authenticate::{Caller, Evidence, authenticate};
pub use authorize::{Permit, authorize};
pub use choose::choose;
pub use cors::{Shared, Sharing, check_socket, share};
pub use throttle::{Admission, Fields, admit};
