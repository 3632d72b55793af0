//! Who asks?

mod caller;

pub use caller::Caller;
