//! What do the fields after a chunked body say?

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::FramingError;
use super::places::Places;
use crate::trailers::is_welcome;

/// Trailers of one message.
const MAX_TRAILERS: usize = 64;

/// Takes trailers and the empty line after them off the front of `buffer`; `None` while they are
/// not there whole.
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<HeaderMap>, FramingError> {
    let mut slots = [httparse::EMPTY_HEADER; MAX_TRAILERS];
    let parsed = httparse::parse_headers(buffer, &mut slots).map_err(|_| FramingError::Trailer)?;
    let httparse::Status::Complete((length, fields)) = parsed else { return Ok(None) };
    let mut places = Places::default();
    places.note(buffer, fields);
    if !places.lines_end_well(buffer.get(..length).unwrap_or_default()) {
        return Err(FramingError::Trailer);
    }
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_bytes(field.value);
        let (Ok(name), Ok(value)) = (name, value) else { return Err(FramingError::Trailer) };
        if is_welcome(name.as_str()) {
            trailers.append(name, value);
        }
    }
    let _ = buffer.split_to(length);
    Ok(Some(trailers))
}
