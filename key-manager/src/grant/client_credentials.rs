//! Client credentials: a client acts for itself (RFC 6749 section 4.4, KM-032).
//!
//! There is nobody else to ask, no refresh token and nothing to store.

use super::approval::Approval;
use crate::domain::Client;

pub(super) fn approve(client: &Client) -> Approval {
    Approval::client(client.id.clone())
}
