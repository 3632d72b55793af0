//! What can be done with resources?
//!
//! Reading: `read` finds and `view` shows what is in force. Writing: `change` admits and commits,
//! for every kind alike; nobody else writes to the store. `application_keys`, `api_keys`,
//! `test_keys` and `limits` are the use cases that are more than a change of one resource.

mod api_keys;
mod application_keys;
mod change;
mod error;
mod limits;
mod prepare;
mod read;
mod test_keys;
mod view;

pub use api_keys::{MadeApiKey, NewApiKey, generate_api_key, revoke_api_key};
pub use application_keys::{
    ClientKey, Clients, ClientsError, NewClient, NewKey, NewTestKey, Restrictions, TestKey,
    generate,
};
pub use change::{Changed, Manager, Removal, Wanted};
pub use error::ManageError;
pub use limits::limited;
pub use read::{Page, PageRequest, get, list};
pub use test_keys::generate_test_key;
pub use view::{listed, shown};
