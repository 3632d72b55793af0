//! What is a client told whose call ends because it would not be let in any more, or has used up a limit?
//!
//! Its answer has begun, so no fault can be answered: a WebSocket has room for a few words, and gRPC
//! for a status behind the messages. Anything else is broken off without a word.

use std::borrow::Cow;

use http::HeaderMap;

use super::grpc;
use super::reason::{Fault, TokenRefused};

/// The words in the close frame of a WebSocket.
pub fn farewell(fault: &Fault) -> Cow<'static, str> {
    Cow::Borrowed(match fault {
        Fault::Throttled { retry_after_us, .. } => {
            let (code, seconds) = (fault.row().code, retry_after_us.div_ceil(1_000_000));
            return Cow::Owned(format!("{code}: the limit is used up for {seconds} s"));
        }
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
    })
}

/// The trailers of a gRPC answer.
pub fn trailers(fault: &Fault) -> HeaderMap {
    let fields = grpc::fields(fault, fault.row());
    fields.into_iter().map(|(name, value)| (http::HeaderName::from_static(name), value)).collect()
}
