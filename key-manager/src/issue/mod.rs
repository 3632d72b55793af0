//! What is signed, with which key, and who can tell that it was us?

mod access_token;
mod claims;
mod error;
mod gateway_keys;
mod id_token;
mod keeper;
mod origin;
mod recognise;
mod ring;
mod rotation;
mod signer;
mod test_key;

pub use access_token::{AccessToken, Order, Source, TokenRules, issue};
pub use claims::cnf;
pub use error::IssueError;
pub use gateway_keys::{ROOM, Unfit, gateway_keys, kept};
pub use id_token::{Identity, identify};
pub use keeper::{Keeper, KeyRules, Scheduled};
pub use origin::Origin;
pub use recognise::{Hint, hint, identity, recognise};
pub use ring::Ring;
pub use rotation::Wish;
pub use signer::Signer;
pub use test_key::{TestKey, TestKeyOrder, issue_test_key, recognise_test_key};
