//! Where in a stream of bytes does each HTTP/2 frame begin, and what does its head say?
//!
//! RFC 9113 §4.1. Nothing but a head is kept: payloads are stepped over where they lie.

/// RFC 9113 §6.
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const PING: u8 = 6;
    pub(in super::super) const GOAWAY: u8 = 7;
    pub(in super::super) const WINDOW_UPDATE: u8 = 8;
    pub(in super::super) const CONTINUATION: u8 = 9;
}

const HEAD: usize = 9;
const WITH_WORD: usize = 13;
const END_STREAM: u8 = 1;
/// The first bit of stream identifiers and of window increments means nothing.
const LOW_31: u32 = 0x7fff_ffff;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) length: u32,
    /// The error code of `RST_STREAM`, the increment of `WINDOW_UPDATE`; 0 for others.
    pub(super) word: u32,
}

impl Frame {
    /// Whether it is the last one of its side of the stream. Of DATA and HEADERS only.
    pub(super) const fn ends_stream(&self) -> bool {
        self.flags & END_STREAM != 0
    }
}

/// A place in one direction of a connection.
#[derive(Debug)]
pub(super) struct Cursor {
    /// Bytes that are no head: the rest of a payload, or of the preface.
    ahead: u32,
    head: [u8; WITH_WORD],
    have: usize,
}

impl Cursor {
    /// The first frame begins after so many bytes.
    pub(super) const fn after(bytes: u32) -> Self {
        Self { ahead: bytes, head: [0; WITH_WORD], have: 0 }
    }

    /// Whether the next byte begins a frame.
    pub(super) const fn is_between_frames(&self) -> bool {
        self.ahead == 0 && self.have == 0
    }

    /// Goes on over `bytes` and shows every frame whose head is complete.
    pub(super) fn follow<E>(
        &mut self,
        mut bytes: &[u8],
        mut see: impl FnMut(Frame) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            let step = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(self.ahead);
            self.ahead -= step;
            bytes = bytes.get(step as usize..).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(());
            }
            let wanted = self.wanted();
            let room = self.head.get_mut(self.have..wanted).unwrap_or_default();
            let (new, rest) = bytes.split_at(room.len().min(bytes.len()));
            room.iter_mut().zip(new).for_each(|(to, byte)| *to = *byte);
            self.have += new.len();
            bytes = rest;
            if self.have == self.wanted() {
                let frame = self.frame();
                // What was read of the payload is behind us already.
                let read = u32::try_from(self.have - HEAD).unwrap_or_default();
                self.ahead = frame.length.saturating_sub(read);
                self.have = 0;
                see(frame)?;
            }
        }
    }

    /// How much of a frame is kept before it is shown.
    fn wanted(&self) -> usize {
        if self.have < HEAD {
            return HEAD;
        }
        let Frame { kind, length, .. } = self.frame();
        let has_word = matches!(kind, kind::RST_STREAM | kind::WINDOW_UPDATE) && length >= 4;
        if has_word { WITH_WORD } else { HEAD }
    }

    const fn frame(&self) -> Frame {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3, w0, w1, w2, w3] = self.head;
        let word = if self.have == WITH_WORD { u32::from_be_bytes([w0, w1, w2, w3]) } else { 0 };
        Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & LOW_31,
            length: u32::from_be_bytes([0, l0, l1, l2]),
            word: if kind == kind::WINDOW_UPDATE { word & LOW_31 } else { word },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut out = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        out.extend([kind, flags]);
        out.extend(stream.to_be_bytes());
        out.extend(payload);
        out
    }

    /// Sends `bytes` in parts of every size; the frames seen are "kind/stream/length/word".
    #[track_caller]
    fn check(ahead: u32, bytes: &[u8], expected: &str, between: bool) {
        for size in 1..=bytes.len() {
            let mut cursor = Cursor::after(ahead);
            let mut seen = Vec::new();
            for part in bytes.chunks(size) {
                let followed = cursor.follow(part, |frame| {
                    let Frame { kind, stream, length, word, .. } = frame;
                    seen.push(format!("{kind}/{stream}/{length}/{word}"));
                    Ok::<_, ()>(())
                });
                assert_eq!(followed, Ok(()));
            }
            assert_eq!(seen.join(" "), expected, "in parts of {size}");
            assert_eq!(cursor.is_between_frames(), between, "in parts of {size}");
        }
    }

    #[test]
    fn frames_are_found_however_their_bytes_arrive() {
        let mut bytes = b"preface".to_vec();
        bytes.extend(wire(kind::SETTINGS, 0, 0, b"123456"));
        bytes.extend(wire(kind::HEADERS, 5, 0x8000_0001, b""));
        bytes.extend(wire(kind::WINDOW_UPDATE, 0, 1, &[0xff, 0xff, 0xff, 0xff]));
        bytes.extend(wire(kind::DATA, 1, 1, &[7; 300]));
        bytes.extend(wire(kind::RST_STREAM, 0, 1, &[0, 0, 0, 8]));
        bytes.extend(wire(kind::PING, 0, 0, b"12345678"));
        let expected = "4/0/6/0 1/1/0/0 8/1/4/2147483647 0/1/300/0 3/1/4/8 6/0/8/0";
        check(7, &bytes, expected, true);
        check(7, &bytes[..bytes.len() - 1], expected, false);
    }

    #[test]
    fn a_frame_that_is_too_short_for_its_word_is_still_one() {
        let bytes = [wire(kind::RST_STREAM, 0, 1, b"ab"), wire(kind::PING, 0, 0, b"")].concat();
        check(0, &bytes, "3/1/2/0 6/0/0/0", true);
    }

    #[test]
    fn who_has_seen_enough_sees_no_more() {
        let bytes = [wire(kind::PING, 0, 0, b""), wire(kind::PING, 0, 0, b"")].concat();
        let mut seen = 0;
        let stopped = Cursor::after(0).follow(&bytes, |_| {
            seen += 1;
            Err("enough")
        });
        assert_eq!((stopped, seen), (Err("enough"), 1));
    }
}
