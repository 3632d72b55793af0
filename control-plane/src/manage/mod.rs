//! What can be done with resources?
//!
//! Reading: `read` finds and `view` shows what is in force. Writing: `change` admits and commits,
//! for every kind alike, and `aside` commits what is no resource; nobody else writes to the store.
//! `history` tells what was before, `audit` who did what, `differing` what differs, and `rollback` puts
//! it back; `past` says how much of that is for whom.
//! `application_keys`, `api_keys`, `test_keys`, `limits` and `tokens` are the use cases that are more
//! than a change of one resource; `lifecycle` is the life of APIs and products, and `workflow` what
//! waits for a decision; `blocks` are those whom an alert turns away. Whether whoever asks may is asked of `people`, here and nowhere else.

mod api_keys;
mod application_keys;
mod aside;
mod audit;
pub mod blocks;
mod change;
mod differing;
mod error;
mod history;
pub mod lifecycle;
mod limits;
mod past;
mod prepare;
mod prune;
mod read;
mod rollback;
mod test_keys;
mod tokens;
mod view;
pub mod workflow;

pub use api_keys::{MadeApiKey, NewApiKey, generate_api_key, revoke_api_key};
pub use application_keys::{
    ClientKey, Clients, ClientsError, NewClient, NewKey, NewTestKey, Restrictions, TestKey,
    generate,
};
pub use audit::audit_lines;
pub use change::{Beside, Changed, Manager, Removal, Wanted, check_read};
pub use differing::{Differing, differing};
pub use error::ManageError;
pub use history::{HistoryPage, HistoryQuery, PastPage, all_as_of, as_of, diff, history};
pub use limits::limited;
pub use prepare::completed;
pub use prune::Prune;
pub use read::{Page, PageRequest, get, list};
pub use rollback::{Rollback, rollback};
pub use test_keys::generate_test_key;
pub use tokens::{create_token, list_tokens, note_uses, revoke_token};
pub use view::{listed, seen, shown};
