//! Why is something not HTTP/1.1?

/// What is wrong with the framing of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// A chunk is not as it should be.
    #[error("the chunked body is malformed")]
    Chunk,
    /// A trailer is not as it should be.
    #[error("a trailer is malformed")]
    Trailer,
    /// The trailers are larger than any honest ones.
    #[error("the trailers are too large")]
    TooLarge,
}
