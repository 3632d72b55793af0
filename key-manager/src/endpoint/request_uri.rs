//! What stands at an address that a client names for its request? (RFC 9101 section 6.2, KM-010)
//!
//! Only addresses that the client was registered with are asked, each time anew: what stands there
//! changes with every request. It counts only once the client's signature holds.

use std::sync::Arc;

use bytes::Bytes;
use chassis::outbound::Client as Outbound;
use http::{Request, header};
use tokio::sync::Semaphore;
use url::Url;

use super::Refusal;
use super::authorize::Denial;
use super::request_object::Opening;

/// So many are asked at a time; whoever comes when there are more is told to come again.
const MOST: usize = 32;

/// Reads request objects; cheap to clone.
#[derive(Clone, Debug)]
pub struct RemoteObjects {
    outbound: Outbound,
    turns: Arc<Semaphore>,
}

#[derive(Debug, thiserror::Error)]
#[error("too many request objects are read at the moment")]
struct Busy;

impl RemoteObjects {
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, turns: Arc::new(Semaphore::new(MOST)) }
    }

    /// The object at `uri`, unread.
    pub(super) async fn read(&self, uri: &str) -> Result<String, Opening> {
        let nothing = || {
            let why = "there is no request object at the address";
            Opening::Denied(Denial("invalid_request_uri", why))
        };
        let busy = |_| Opening::Failed(Refusal::Unavailable(Box::new(Busy)));
        let _turn = self.turns.try_acquire().map_err(busy)?;
        let url = Url::parse(uri).map_err(|_| nothing())?;
        let wanted = "application/oauth-authz-req+jwt, application/jwt";
        let request = Request::builder().header(header::ACCEPT, wanted);
        let answer = match self.outbound.send(&url, request, Bytes::new()).await {
            Ok(answer) if answer.status() == 200 => answer,
            Ok(answer) => {
                tracing::debug!(uri, status = %answer.status(), "request object not read");
                return Err(nothing());
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(uri, error, "request object not read");
                return Err(nothing());
            }
        };
        let text = std::str::from_utf8(answer.body()).map_err(|_| nothing())?;
        Ok(text.trim().to_owned())
    }
}
