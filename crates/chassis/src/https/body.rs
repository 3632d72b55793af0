//! How is a request's body read without being held up or filled up by it?

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;

use crate::clock::Clock;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// To be answered with 413.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// To be answered with 408.
    #[error("the body did not come within {0:?}")]
    TooSlow(Duration),
    /// The client went away or broke the framing.
    #[error("the body broke off")]
    Broken(#[source] BoxError),
}

/// The whole body: at most `limit` bytes, within `span`.
pub async fn read<B>(
    body: B,
    limit: usize,
    clock: &Clock,
    span: Duration,
) -> Result<Bytes, BodyError>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    match clock.timeout(span, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge(limit)),
        Ok(Err(error)) => Err(BodyError::Broken(error)),
        Err(_) => Err(BodyError::TooSlow(span)),
    }
}
