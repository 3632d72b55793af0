//! What ties a line to the one before it?
//!
//! HMAC-SHA-256 under a key that comes from the master key: whoever can write to the database, but
//! does not have the master key, cannot make a chain that fits.

use crate::store::{Chain, Note};
use crate::vault::Pepper;

#[derive(Debug)]
pub(super) struct Keyed(pub(super) Pepper);

impl Chain for Keyed {
    fn link(&self, sequence: u64, former: &str, note: &Note) -> String {
        self.0.digest(&format!("audit line {sequence}"), &audit_chain::text(former, note))
    }
}
