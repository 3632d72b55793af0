//! What is signed, with which key, and who can tell that it was us?

mod access_token;
mod claims;
mod error;
mod id_token;
mod keeper;
mod recognise;
mod ring;
mod rotation;

pub use access_token::{AccessToken, Order, Source, TokenRules, issue};
pub use claims::cnf;
pub use error::IssueError;
pub use id_token::{Identity, identify};
pub use keeper::{Keeper, KeyRules};
pub use recognise::{Hint, hint, recognise};
pub use ring::Ring;
pub use rotation::Wish;
