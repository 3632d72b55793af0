//! Where does a frame end?
//!
//! A relay passes bytes on as they come; only where it wants to say something itself it has to know
//! that nobody is in the middle of a frame. Headers are looked at, payloads are stepped over.

/// Control frames of ours carry a word for whoever reads logs; they hold 125 bytes at most.
const MOST_REASON: usize = 123;

/// RFC 6455 §5.2.
const CLOSE: u8 = 8;
const PING: u8 = 9;
const LAST: u8 = 0x80;
const MASKED: u8 = 0x80;
const MASK_BYTES: u64 = 4;

/// Follows one direction of a connection.
#[derive(Debug, Default)]
pub struct Frames {
    state: State,
    opcode: u8,
    closed: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Between,
    Length,
    Extended {
        missing: u8,
        length: u64,
        mask: u64,
    },
    Payload(u64),
}

/// Why a connection is closed, RFC 6455 §7.4.1 and the registry it opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// Whoever says it is about to stop.
    GoingAway = 1001,
    /// Whoever says it met what it cannot go on with.
    Unexpected = 1011,
    /// The service is being restarted.
    Restart = 1012,
}

impl Frames {
    /// Steps over `bytes`.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = self.pass_one(bytes);
            bytes = bytes.get(taken..).unwrap_or_default();
        }
    }

    /// Steps over `bytes` up to the end of the frame that lies at their start, and says how many
    /// that were: all, where it does not end in them.
    pub fn pass_one(&mut self, bytes: &[u8]) -> usize {
        if self.closed {
            // Nothing that follows is a frame.
            return bytes.len();
        }
        let mut taken = 0;
        loop {
            if let State::Payload(left) = self.state {
                let here = (bytes.len() - taken).min(usize::try_from(left).unwrap_or(usize::MAX));
                taken += here;
                let left = left - here as u64;
                if left == 0 {
                    self.state = State::Between;
                    self.closed = self.opcode == CLOSE;
                } else {
                    self.state = State::Payload(left);
                }
                return taken;
            }
            let Some(byte) = bytes.get(taken) else { return taken };
            taken += 1;
            self.state = self.after(*byte);
        }
    }

    fn after(&mut self, byte: u8) -> State {
        match self.state {
            State::Between => {
                self.opcode = byte & 0x0f;
                State::Length
            }
            State::Length => {
                let mask = if byte & MASKED == 0 { 0 } else { MASK_BYTES };
                match byte & !MASKED {
                    126 => State::Extended { missing: 2, length: 0, mask },
                    127 => State::Extended { missing: 8, length: 0, mask },
                    length => State::Payload(u64::from(length) + mask),
                }
            }
            State::Extended { missing, length, mask } => {
                let length = length << 8 | u64::from(byte);
                match missing {
                    1 => State::Payload(length.saturating_add(mask)),
                    _ => State::Extended { missing: missing - 1, length, mask },
                }
            }
            state @ State::Payload(_) => state,
        }
    }

    /// Whether the last frame has ended and no other has begun.
    pub const fn is_between(&self) -> bool {
        matches!(self.state, State::Between)
    }

    /// Whether a close frame has passed: no frame may follow it.
    pub const fn has_closed(&self) -> bool {
        self.closed
    }
}

/// A close frame; to a server it has to be masked.
pub fn close(out: &mut Vec<u8>, code: CloseCode, reason: &str, masked: bool) {
    let mut payload = (code as u16).to_be_bytes().to_vec();
    payload.extend(reason.bytes().take(MOST_REASON));
    frame(out, CLOSE, &mut payload, masked);
}

/// A ping that carries nothing.
pub fn ping(out: &mut Vec<u8>, masked: bool) {
    frame(out, PING, &mut [], masked);
}

fn frame(out: &mut Vec<u8>, opcode: u8, payload: &mut [u8], masked: bool) {
    let length = u8::try_from(payload.len()).unwrap_or_default();
    out.extend([LAST | opcode, length | if masked { MASKED } else { 0 }]);
    if masked {
        let mask: [u8; 4] = chassis::random::bytes();
        out.extend(mask);
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds frames with payloads of `lengths` in pieces of `piece` bytes and compares where it was
    /// said that nobody is within a frame.
    #[track_caller]
    fn check(lengths: &[usize], masked: bool, piece: usize) {
        let (mut wire, mut ends) = (Vec::new(), vec![0]);
        for length in lengths {
            wire.push(0x02);
            let mask = if masked { MASKED } else { 0 };
            match length {
                0..126 => wire.push(u8::try_from(*length).unwrap() | mask),
                126..=0xffff => {
                    wire.push(0x7e | mask);
                    wire.extend(u16::try_from(*length).unwrap().to_be_bytes());
                }
                _ => {
                    wire.push(0x7f | mask);
                    wire.extend((*length as u64).to_be_bytes());
                }
            }
            // A payload that looks like headers.
            wire.resize(wire.len() + if masked { 4 } else { 0 }, 0xff);
            wire.resize(wire.len() + length, 0x88);
            ends.push(wire.len());
        }
        let (mut whole, mut single) = (Frames::default(), Frames::default());
        let (mut at, mut seen) = (0, vec![0]);
        for part in wire.chunks(piece) {
            whole.pass(part);
            let mut rest = part;
            while !rest.is_empty() {
                let taken = single.pass_one(rest);
                (at, rest) = (at + taken, &rest[taken..]);
                if single.is_between() {
                    seen.push(at);
                }
            }
            assert_eq!(whole.is_between(), ends.contains(&at));
        }
        assert_eq!(seen, ends, "{lengths:?} in pieces of {piece}");
        assert!(!whole.has_closed());
    }

    #[test]
    fn frames_end_where_their_length_says() {
        for masked in [false, true] {
            for piece in [1, 2, 3, 7, 100, 100_000] {
                check(&[0, 1, 125, 126, 127, 0, 65_535, 65_536, 0], masked, piece);
            }
        }
    }

    #[test]
    fn nothing_follows_a_close_frame() {
        for masked in [false, true] {
            let mut wire = Vec::new();
            ping(&mut wire, masked);
            close(&mut wire, CloseCode::GoingAway, "bye", masked);
            let mut frames = Frames::default();
            for byte in &wire {
                assert!(!frames.has_closed());
                frames.pass(&[*byte]);
            }
            assert!(frames.has_closed());
            frames.pass(b"\x02\x7f");
            assert!(frames.has_closed() && frames.is_between());
        }
    }

    #[test]
    fn a_length_beyond_all_bounds_is_no_overflow() {
        let mut frames = Frames::default();
        frames.pass(&[0x82, 0xff]);
        frames.pass(&[0xff; 8]);
        frames.pass(&[0; 100]);
        assert!(!frames.is_between());
    }

    #[test]
    fn a_close_frame_says_why() {
        let mut out = Vec::new();
        close(&mut out, CloseCode::Restart, "x", false);
        assert_eq!(out, [0x88, 3, 0x03, 0xf4, b'x']);
        out.clear();
        close(&mut out, CloseCode::Restart, &"x".repeat(500), true);
        assert_eq!((out.len(), out[1]), (2 + 4 + 125, 0x80 | 0x7d));
    }
}
