//! What are the things that the key manager speaks of?
//!
//! Plain values without I/O: every floor above may use them, and they know nobody.

mod authentication;
mod client;
mod confirmation;
mod key;
mod revocation;
mod scope;
mod token;

pub use authentication::{AuthMethod, Authentication, CertificateName, UnknownMethod};
pub use client::{Client, ClientId, ClientIdError};
pub use confirmation::Confirmation;
pub use key::{KeyState, TokenAlgorithm, UnknownAlgorithm};
pub use revocation::{Ended, Entry, FORGET_MARGIN_SECONDS, Revocation};
pub use scope::{ScopeError, Scopes};
pub use token::LiveToken;
