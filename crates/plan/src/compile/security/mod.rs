//! Which credentials does an interface ask for, and what must they be?

mod callers;
mod compile;
mod schemes;

pub use callers::{CallerRightsPlan, CallersPlan};
pub use compile::{ApiKeyPlaces, ScopeRoles, SecurityPlan};
pub use schemes::SchemeSet;

pub(crate) use compile::{compile_scopes, compile_security, security_of};
