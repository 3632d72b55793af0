//! From where did somebody come who asked a gateway?

use std::net::IpAddr;

use tonic::Status;

/// What a gateway says of it; empty: it does not know.
pub(super) fn address(text: &str) -> Result<Option<IpAddr>, Status> {
    let wrong = |_| Status::invalid_argument("client_address: not an address");
    Some(text).filter(|text| !text.is_empty()).map(|text| text.parse().map_err(wrong)).transpose()
}
