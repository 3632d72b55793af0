//! How is a program of the operator told?
//!
//! By a POST whose body is signed together with the time, so that the program knows who sent it, and that
//! nobody sends it once more later.

use bytes::Bytes;
use chassis::Secret;
use chassis::outbound::{Client, SIGNATURE, signature};
use url::Url;

use super::message::Message;

/// A program.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where it is.
    pub url: Url,
    /// What the signature is made with.
    pub secret: Secret,
    /// Sends.
    pub client: Client,
}

/// Why it was not told.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// It did not answer.
    #[error("there was no answer")]
    Away(#[from] chassis::outbound::Error),
    /// It did not take it.
    #[error("the answer was {0}")]
    Status(http::StatusCode),
    /// It cannot be written.
    #[error("the message cannot be written")]
    Body(#[from] serde_json::Error),
}

impl WebhookError {
    /// Whether the same may be taken later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Away(_) => true,
            Self::Status(status) => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
            }
            Self::Body(_) => false,
        }
    }
}

impl Webhook {
    /// Tells it; every answer with 2xx is a yes.
    pub async fn send(&self, message: &Message, now_s: i64) -> Result<(), WebhookError> {
        let body = serde_json::to_vec(message)?;
        let request = http::Request::post("/")
            .header("content-type", "application/json")
            .header(SIGNATURE, signature(&self.secret, now_s, &body));
        let answer = self.client.send(&self.url, request, Bytes::from(body)).await?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(WebhookError::Status(answer.status()))
        }
    }
}
