//! Who asks, and what may they do?
//!
//! Reading order: a `caller` has some `role`s and belongs to a tenant; `rights` is the one table of what
//! a role may do with which kind, `sight` says the same of one resource, and `permit` of a change.
//! `recognise` makes a caller of what a request shows: the `administrator`'s token, a `token` for
//! programs, or a token of the `provider` at which people sign in (`metadata` is what it says of itself,
//! `person` what its claims mean here). `attempts` slows down who guesses.

mod administrator;
mod attempts;
mod caller;
mod config;
mod metadata;
mod permit;
mod person;
mod provider;
mod recognise;
mod rights;
mod role;
mod sight;
mod token;

pub use administrator::{AdminToken, TokenError};
pub use caller::{Caller, Limits, Pattern, Shown};
pub use config::{Config, ConfigError};
pub use permit::{Denied, may_remove, permit, permit_good, told};
pub use provider::{Documents, Provider, SignIn};
pub use recognise::{Credentials, People, Unknown};
pub use rights::{Access, may};
pub use role::{Role, Roles};
pub use sight::Sight;
pub use token::{
    MOST_TOKENS, NewToken, NotMade, Token, Use, new_token, token_key, tokens, use_key,
};
