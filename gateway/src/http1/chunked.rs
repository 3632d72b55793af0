//! Where does a chunked body end?
//!
//! RFC 9112 §7.1, read strictly: lines end in CRLF, sizes are hexadecimal and fit 64 bits, and
//! extensions and trailers have bounds.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::error::FramingError;
use super::trailers;

/// A size line with its extensions.
const MAX_LINE: usize = 4096;
/// All trailers together.
const MAX_TRAILERS: usize = 16 * 1024;

/// Takes a chunked body apart.
#[derive(Debug, Default)]
pub struct Decoder(State);

#[derive(Debug, Default)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    End,
}

/// What the decoder found.
#[derive(Debug, PartialEq)]
pub enum Part {
    /// Bytes of the body.
    Data(Bytes),
    /// What stands behind the body.
    Trailers(HeaderMap),
    /// The body has ended.
    End,
    /// The buffer does not hold enough to say more.
    Missing,
}

impl Decoder {
    /// Takes the next part off the front of `buffer`.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Part, FramingError> {
        loop {
            match &mut self.0 {
                State::Size => {
                    let Some(size) = take_size(buffer)? else { return Ok(Part::Missing) };
                    self.0 = if size == 0 { State::Trailers } else { State::Data(size) };
                }
                State::Data(left) => {
                    if buffer.is_empty() {
                        return Ok(Part::Missing);
                    }
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                    *left -= here as u64;
                    if *left == 0 {
                        self.0 = State::DataEnd;
                    }
                    return Ok(Part::Data(buffer.split_to(here).freeze()));
                }
                State::DataEnd => {
                    if buffer.len() < 2 && b"\r\n".starts_with(buffer) {
                        return Ok(Part::Missing);
                    }
                    if !buffer.starts_with(b"\r\n") {
                        return Err(FramingError::Chunk);
                    }
                    let _ = buffer.split_to(2);
                    self.0 = State::Size;
                }
                State::Trailers => {
                    // Without trailers, which is nearly always, the body ends with an empty line.
                    if buffer.starts_with(b"\r\n") {
                        let _ = buffer.split_to(2);
                        self.0 = State::End;
                        continue;
                    }
                    if buffer.len() > MAX_TRAILERS {
                        return Err(FramingError::TooLarge);
                    }
                    let Some(trailers) = trailers::take(buffer)? else { return Ok(Part::Missing) };
                    self.0 = State::End;
                    return Ok(Part::Trailers(trailers));
                }
                State::End => return Ok(Part::End),
            }
        }
    }
}

/// Takes a size line off the front, where it is there whole.
fn take_size(buffer: &mut BytesMut) -> Result<Option<u64>, FramingError> {
    let Some(end) = buffer.iter().take(MAX_LINE).position(|byte| *byte == b'\n') else {
        if buffer.len() >= MAX_LINE {
            return Err(FramingError::Chunk);
        }
        // What cannot become a size line is not waited for.
        let begun = buffer.strip_suffix(b"\r").unwrap_or(buffer);
        return if buffer.is_empty() { Ok(None) } else { size(begun).map(|_| None) };
    };
    let line = buffer.split_to(end + 1);
    size(line.strip_suffix(b"\r\n").ok_or(FramingError::Chunk)?).map(Some)
}

/// The size in a line without its end.
fn size(line: &[u8]) -> Result<u64, FramingError> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extension) = line.split_at_checked(digits).ok_or(FramingError::Chunk)?;
    // Zeros in front are no news, as long as there are few; 15 other digits are beyond any body.
    let significant = digits.iter().skip_while(|digit| **digit == b'0').count();
    if digits.is_empty() || digits.len() > 16 || significant > 15 {
        return Err(FramingError::Chunk);
    }
    let plain = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    match extension.trim_ascii_start() {
        [] | [b';', ..] if extension.iter().all(plain) => {}
        _ => return Err(FramingError::Chunk),
    }
    let size = str::from_utf8(digits).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
    size.ok_or(FramingError::Chunk)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// Feeds `wire` in pieces of every size and compares what comes out: the data, then ` + ` and
    /// the trailers, then ` | ` and what was left over.
    #[track_caller]
    fn check(wire: &str, expected: Result<&str, FramingError>) {
        for piece in 1..=wire.len() {
            let mut pieces = wire.as_bytes().chunks(piece);
            let (mut decoder, mut buffer) = (Decoder::default(), BytesMut::new());
            let mut out = String::new();
            let result = loop {
                match decoder.next(&mut buffer) {
                    Ok(Part::Data(data)) => out.push_str(std::str::from_utf8(&data).unwrap()),
                    Ok(Part::Trailers(trailers)) => {
                        for (name, value) in &trailers {
                            let value = value.to_str().unwrap();
                            write!(out, " + {name}={value}").unwrap();
                        }
                    }
                    Ok(Part::End) => break Ok(()),
                    Ok(Part::Missing) => match pieces.next() {
                        Some(piece) => buffer.extend_from_slice(piece),
                        None => break Err("more"),
                    },
                    Err(error) => {
                        assert_eq!(Err(error), expected, "in pieces of {piece}");
                        return;
                    }
                }
            };
            if result.is_err() {
                out.push_str(" …");
            }
            assert_eq!(Ok(out.as_str()), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn chunks_are_joined_until_the_empty_one() {
        check("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", Ok("hello!"));
        check("0\r\n\r\n", Ok(""));
        check("A;name=\"v\"\r\n0123456789\r\n000\r\n\r\n", Ok("0123456789"));
    }

    #[test]
    fn trailers_come_last() {
        check("1\r\na\r\n0\r\nX-Sum: 7\r\ny: z\r\n\r\n", Ok("a + x-sum=7 + y=z"));
    }

    #[test]
    fn a_trailer_that_would_change_how_the_message_is_understood_is_left_out() {
        for name in ["Content-Length", "transfer_encoding", "Host", "Authorization", "Content-Type"]
        {
            let wire = format!("0\r\nx: 1\r\n{name}: 5\r\n\r\n");
            check(&wire, Ok(" + x=1"));
        }
    }

    #[test]
    fn a_trailer_that_can_be_read_in_two_ways_is_refused() {
        for trailer in ["a: b\n\r\n", "a: b\r\n\n", "\n", "a b: c\r\n\r\n", "a: b\r\n c\r\n\r\n"] {
            check(&format!("0\r\n{trailer}"), Err(FramingError::Trailer));
        }
    }

    #[test]
    fn what_is_not_there_yet_is_waited_for() {
        check("5\r\nhel", Ok("hel …"));
        check("5", Ok(" …"));
    }

    #[test]
    fn a_size_that_can_be_read_in_two_ways_is_refused() {
        for size in [
            "",
            "-1",
            "0x5",
            " 5",
            "5 5",
            "5\r",
            "g",
            "00000000000000001",
            "+5",
            "FFFFFFFFFFFFFFFF",
        ] {
            check(&format!("{size}\r\nhello\r\n0\r\n\r\n"), Err(FramingError::Chunk));
        }
        check("5\nhello\r\n0\r\n\r\n", Err(FramingError::Chunk));
        check("5;a\u{1}b\r\nhello\r\n0\r\n\r\n", Err(FramingError::Chunk));
    }

    #[test]
    fn data_that_is_longer_than_said_is_refused() {
        check("2\r\nhello\r\n0\r\n\r\n", Err(FramingError::Chunk));
    }

    #[test]
    fn a_size_line_without_end_is_refused() {
        check(&format!("5;{}", "x".repeat(MAX_LINE)), Err(FramingError::Chunk));
    }
}
