//! What every call has to pass, in this order: who are you, what may you, how often.

mod authenticate;
mod authorize;
mod caller;
mod choose;
mod cors;
mod demand;
mod deny;
mod draw;
mod events;
mod fields;
mod heard;
mod metadata;
mod mirror;
mod standing;
mod throttle;
mod trial;

pub use authenticate::{Asks, Means, Seen, ask, authenticate};
pub use authorize::{CopyPermit, Permit, Whence, authorize};
pub use caller::{Caller, said};
pub use choose::choose;
pub use cors::{Shared, Sharing, check_socket, share};
pub use demand::{Customs, Demands, Known as KnownOfCall};
pub use deny::{deny_caller, deny_place};
pub use events::{EventLimits, Gate};
pub use fields::{Fields, Policies};
pub use metadata::{asked_about, describe, place};
pub use mirror::mirror;
pub use standing::{Standing, ask_again};
pub use throttle::{Admission, Owing, Room};
pub use trial::{Trial, is_test_key, trial};
