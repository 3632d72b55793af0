//! Which API and which operation are called?

mod find;

pub use find::{Found, Kept, Matched, find, find_again, find_api, find_api_for_test};
