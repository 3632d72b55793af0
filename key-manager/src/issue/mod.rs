//! What is signed, with which key, and who can tell that it was us?

mod access_token;
mod claims;
mod error;
mod keeper;
mod recognise;
mod ring;
mod rotation;

pub use access_token::{AccessToken, Order, TokenRules, issue};
pub use claims::cnf;
pub use error::IssueError;
pub use keeper::{Keeper, KeyRules};
pub use recognise::recognise;
pub use ring::Ring;
pub use rotation::Wish;
