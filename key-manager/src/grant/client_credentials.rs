//! Client credentials: a client acts for itself (RFC 6749 section 4.4, KM-032).
//!
//! There is nobody else to ask, no refresh token and nothing to store.

use super::kind::{Approval, Step};
use crate::domain::Client;

pub(super) fn approve(client: &Client) -> Approval {
    Approval {
        subject: client.id.to_string(),
        grant: None,
        nonce: None,
        exchanged: None,
        step: Step::Nothing,
    }
}
