//! How is a program of the operator told?
//!
//! By a POST whose body is signed together with the time, so that the program knows who sent it, and that
//! nobody sends it once more later.

use bytes::Bytes;
use chassis::Secret;
use chassis::outbound::Client;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
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
    /// It cannot be written or signed.
    #[error("the message cannot be written")]
    Body(#[from] serde_json::Error),
    /// No key.
    #[error("the secret is no key")]
    Key,
}

impl WebhookError {
    /// Whether the same may be taken later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Away(_) => true,
            Self::Status(status) => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
            }
            Self::Body(_) | Self::Key => false,
        }
    }
}

impl Webhook {
    /// Tells it; every answer with 2xx is a yes.
    pub async fn send(&self, message: &Message, now_s: i64) -> Result<(), WebhookError> {
        let body = serde_json::to_vec(message)?;
        let signature = signature(&self.secret, now_s, &body).ok_or(WebhookError::Key)?;
        let request = http::Request::post("/")
            .header("content-type", "application/json")
            .header("turnpike-signature", signature);
        let answer = self.client.send(&self.url, request, Bytes::from(body)).await?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(WebhookError::Status(answer.status()))
        }
    }
}

/// `t=<Unix seconds>,v1=<hexadecimal HMAC-SHA-256 of "<t>.<body>">`
pub fn signature(secret: &Secret, now_s: i64, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(format!("{now_s}.").as_bytes());
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    let hex = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex: String = hex.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    Some(format!("t={now_s},v1={hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `printf '1785500000.{"a":1}' | openssl dgst -sha256 -hmac s3cret`.
    #[test]
    fn a_signature_is_the_one_that_others_make() {
        let signed = signature(&Secret::new("s3cret"), 1_785_500_000, br#"{"a":1}"#).unwrap();
        assert_eq!(
            signed,
            "t=1785500000,v1=d8b340ae0332135bdad80fd6c2d7e2c34f75d76c846d7f72c2694d66de5a0a63"
        );
    }
}
