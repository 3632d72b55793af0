//! What do the OAuth endpoints answer?
//!
//! One implementation, below both the HTTPS port and `TokenEndpoint/Forward`: a request comes in as a
//! value and an answer goes out as a value, whoever carries them.

mod answer;
mod audience;
mod authority;
mod authorize;
mod bound;
mod discovery;
mod interaction;
mod introspect;
mod jwks;
mod login;
mod pages;
mod paths;
mod refusal;
mod reply;
mod request;
mod revoke;
mod scope;
mod ticket;
mod token;
mod userinfo;

pub use answer::answer;
pub use authority::Authority;
pub use introspect::introspect_for_gateway;
pub use login::LoginRules;
pub use paths::{Issuer, IssuerError};
pub use refusal::Refusal;
pub use request::{LARGEST_BODY, Peer, Reply, Request};
