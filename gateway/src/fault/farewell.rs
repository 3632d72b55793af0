//! What is a client told whose call ends because it would not be let in any more?
//!
//! Its answer has begun, so no fault can be answered: a WebSocket has room for a few words, and gRPC
//! for a status behind the messages. Anything else is broken off without a word.

use http::HeaderMap;

use super::grpc;
use super::reason::{Fault, TokenRefused};

/// The words in the close frame of a WebSocket.
pub const fn farewell(fault: &Fault) -> &'static str {
    match fault {
        Fault::InvalidToken(TokenRefused::Revoked) => "the token was revoked",
        Fault::InvalidToken(TokenRefused::Refused(jose::Refusal::Expired)) => {
            "the token has expired"
        }
        Fault::NotSubscribed => "the subscription is gone",
        Fault::SubscriptionBlocked | Fault::SubscriptionInactive => "the subscription is blocked",
        Fault::NoApi | Fault::NoOperation | Fault::ApiBlocked | Fault::ApiNotReady => {
            "the API is not served any more"
        }
        Fault::Denied { .. } => "blocked",
        _ => "not authorized any more",
    }
}

/// The trailers of a gRPC answer.
pub fn trailers(fault: &Fault) -> HeaderMap {
    let fields = grpc::fields(fault.row(), &fault.to_string());
    fields.into_iter().map(|(name, value)| (http::HeaderName::from_static(name), value)).collect()
}
