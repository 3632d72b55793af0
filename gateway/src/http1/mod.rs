//! Where do the parts of an HTTP/1.1 message begin and end, and how are they written?
//!
//! What both sides of the gateway have in common; neither a client nor a backend is known here.

mod chunked;
mod error;
mod fields;
mod length;
mod names;
mod outgoing;
mod places;
mod trailers;

pub use chunked::{Decoder, Part};
pub use error::FramingError;
pub use fields::{Named, field, has_word, lists};
pub use length::one_length;
pub use names::FieldNames;
pub use outgoing::{Flow, Frames, Outgoing};
pub use places::{MAX_FIELDS, Place, Places};
