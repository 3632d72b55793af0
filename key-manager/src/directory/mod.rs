//! Who is in the directory of the house? (KM-100)
//!
//! LDAP by search and bind: an account of the service finds the entry of a name, and the person's
//! own password opens it; its groups say what the person is. The directory is asked only for names that have no account here, so one
//! that is down, slow or wrong holds up nobody else.

mod groups;
mod ldap;
mod rules;

pub use groups::{GroupRules, GroupsError};
pub use ldap::{Directory, DirectoryError, Found};
pub use rules::{DirectoryRules, RulesError};
