//! Where does a frame end, and how long has its message become?
//!
//! A relay passes bytes on as they come; only where it wants to say something itself it has to know
//! that nobody is in the middle of a frame. Heads are looked at, payloads are stepped over. A head
//! passes whole or not at all, so a message that becomes too long ends where its reader can still
//! be told.

/// The longest head of a frame, without its mask.
pub const MOST_HEAD: usize = 10;
/// Control frames carry no more than this (RFC 6455 §5.5).
const MOST_CONTROL: u64 = 125;
/// Those of ours carry a word for whoever reads logs, behind the code.
const MOST_REASON: usize = 123;

/// RFC 6455 §5.2.
const CLOSE: u8 = 8;
const PING: u8 = 9;
const LAST: u8 = 0x80;
const MASKED: u8 = 0x80;
const MASK_BYTES: u64 = 4;

/// Follows one direction of a connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each may hold whatever the others say")]
pub struct Frames {
    /// What is still to come of the frame that has begun, its mask included.
    left: u64,
    /// Whether it is a close frame.
    closes: bool,
    closed: bool,
    /// What a message may have.
    most: u64,
    /// What the message that has not ended has so far.
    message: u64,
    too_long: bool,
    /// How many frames of messages may still begin; `None`: they are not counted.
    allowed: Option<u64>,
    awaits: bool,
}

/// The head of a frame.
struct Head {
    first: u8,
    bytes: usize,
    mask: u64,
    payload: u64,
}

/// Why a connection is closed, RFC 6455 §7.4.1 and the registry it opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// Whoever says it is about to stop.
    GoingAway = 1001,
    /// Whoever says it does not let the other side go on.
    Policy = 1008,
    /// Whoever says it takes no message that is so long.
    TooLong = 1009,
    /// Whoever says it met what it cannot go on with.
    Unexpected = 1011,
    /// The service is being restarted.
    Restart = 1012,
    /// Whoever says it has had as much as it takes for now.
    TryLater = 1013,
}

impl Head {
    /// The head at the start of `bytes`; `None`: it is not there whole.
    fn at_start(bytes: &[u8]) -> Option<Self> {
        let ([first, second], rest) = bytes.split_first_chunk()?;
        let (extended, payload) = match second & !MASKED {
            126 => (2, u64::from(u16::from_be_bytes(*rest.first_chunk()?))),
            127 => (8, u64::from_be_bytes(*rest.first_chunk()?)),
            length => (0, u64::from(length)),
        };
        let mask = if second & MASKED == 0 { 0 } else { MASK_BYTES };
        Some(Self { first: *first, bytes: 2 + extended, mask, payload })
    }
}

impl Frames {
    /// A direction whose messages may have `most` bytes, all their fragments together.
    pub const fn new(most: u64) -> Self {
        Self {
            left: 0,
            closes: false,
            closed: false,
            most,
            message: 0,
            too_long: false,
            allowed: None,
            awaits: false,
        }
    }

    /// From now on each frame of a message has to be allowed before it begins. Control frames are free.
    pub const fn count(&mut self) {
        self.allowed = Some(0);
    }

    /// One more frame of a message may begin.
    pub fn allow(&mut self) {
        self.awaits = false;
        self.allowed = self.allowed.map(|allowed| allowed.saturating_add(1));
    }

    /// Whether nothing passes before one more frame is allowed: its head is there.
    pub const fn awaits(&self) -> bool {
        self.awaits
    }

    /// Steps over `bytes` and says how many of them may pass: all but the head of a frame that is
    /// not there whole, and what begins with a frame that makes its message too long or has yet to be
    /// allowed.
    pub fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        loop {
            match self.pass_one(bytes.get(passed..).unwrap_or_default()) {
                0 => return passed,
                more => passed += more,
            }
        }
    }

    /// The same, and no further than to the end of one frame.
    pub fn pass_one(&mut self, bytes: &[u8]) -> usize {
        if self.closed {
            // Nothing that follows is a frame.
            return bytes.len();
        }
        let mut passed = 0;
        if self.left == 0 {
            let head = Head::at_start(bytes).filter(|head| self.begin(head));
            let Some(head) = head else { return 0 };
            passed = head.bytes;
        }
        let here = bytes.len().saturating_sub(passed);
        let here = here.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= here as u64;
        self.closed = self.closes && self.left == 0;
        passed + here
    }

    /// Whether the frame may begin, and fits into its message.
    fn begin(&mut self, head: &Head) -> bool {
        let opcode = head.first & 0x0f;
        if opcode < CLOSE {
            self.awaits = self.allowed == Some(0);
            if self.awaits {
                return false;
            }
            let message = self.message.saturating_add(head.payload);
            self.too_long |= message > self.most;
            self.message = if head.first & LAST == 0 { message } else { 0 };
        } else {
            // It stands between fragments and is no part of them. Such a length is forbidden to it,
            // and would be a way around the bound.
            self.too_long |= head.payload > self.most.max(MOST_CONTROL);
        }
        if !self.too_long {
            if opcode < CLOSE {
                self.allowed = self.allowed.map(|allowed| allowed.saturating_sub(1));
            }
            self.closes = opcode == CLOSE;
            self.left = head.payload.saturating_add(head.mask);
        }
        !self.too_long
    }

    /// Whether a message has become too long: the frame that made it so has not passed.
    pub const fn is_too_long(&self) -> bool {
        self.too_long
    }

    /// From now on messages may be as long as they are, and as many.
    pub const fn unbound(&mut self) {
        self.most = u64::MAX;
        self.too_long = false;
        self.allowed = None;
        self.awaits = false;
    }

    /// Whether the last frame has ended, and of no other anything has passed.
    pub const fn is_between(&self) -> bool {
        self.left == 0
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

    /// A frame with `first` and a payload of so many bytes that look like heads.
    fn wire(first: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { MASKED } else { 0 };
        let mut wire = vec![first];
        match length {
            0..126 => wire.push(u8::try_from(length).unwrap() | mask),
            126..=0xffff => {
                wire.push(0x7e | mask);
                wire.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                wire.push(0x7f | mask);
                wire.extend((length as u64).to_be_bytes());
            }
        }
        wire.resize(wire.len() + if masked { 4 } else { 0 }, 0xff);
        wire.resize(wire.len() + length, 0x88);
        wire
    }

    /// Feeds `wire` in pieces of `piece` bytes, each behind what did not pass before, and says how
    /// much passed and where nobody was within a frame.
    fn passed(frames: &mut Frames, wire: &[u8], piece: usize) -> (usize, Vec<usize>) {
        let (mut at, mut held, mut ends) = (0, Vec::new(), vec![0]);
        for part in wire.chunks(piece) {
            held.extend_from_slice(part);
            loop {
                let passed = frames.pass_one(&held);
                held.drain(..passed);
                at += passed;
                if passed > 0 && frames.is_between() {
                    ends.push(at);
                }
                if passed == 0 {
                    break;
                }
            }
            let stops = frames.is_too_long() || frames.awaits();
            assert!(stops || held.len() < MOST_HEAD, "{held:?}");
        }
        (at, ends)
    }

    /// Feeds frames with payloads of `lengths` and compares where one ends.
    #[track_caller]
    fn check(lengths: &[usize], masked: bool, piece: usize) {
        let (mut all, mut ends) = (Vec::new(), vec![0]);
        for length in lengths {
            all.extend(wire(0x02, *length, masked));
            ends.push(all.len());
        }
        let mut frames = Frames::new(u64::MAX);
        let seen = passed(&mut frames, &all, piece);
        assert_eq!(seen, (all.len(), ends), "{lengths:?} in pieces of {piece}");
        assert_eq!(Frames::new(u64::MAX).pass(&all), all.len());
        assert!(!frames.has_closed());
    }

    #[test]
    fn frames_end_where_their_length_says() {
        for masked in [false, true] {
            for piece in [1, 2, 3, 7, 100, 100_000] {
                check(&[0, 1, 125, 126, 127, 0, 65_535, 65_536, 0], masked, piece);
            }
        }
    }

    /// Messages of frames (first byte and length), of which so many pass where 1000 bytes may.
    #[track_caller]
    fn check_most(all: &[(u8, usize)], pass: usize) {
        for (masked, piece) in [(false, 1), (true, 1), (false, 9), (true, 100_000)] {
            let whole: Vec<_> = all.iter().map(|(first, n)| wire(*first, *n, masked)).collect();
            let fits: usize = whole.iter().take(pass).map(Vec::len).sum();
            let mut frames = Frames::new(1000);
            assert_eq!(passed(&mut frames, &whole.concat(), piece).0, fits, "{all:?}");
            assert_eq!(frames.is_too_long(), pass < all.len(), "{all:?}");
            assert!(frames.is_between());
        }
    }

    #[test]
    fn a_message_that_becomes_too_long_stops_before_the_frame_that_makes_it_so() {
        check_most(&[(0x82, 1000), (0x81, 1000)], 2);
        check_most(&[(0x82, 1000), (0x82, 1001)], 1);
        check_most(&[(0x02, 600), (0x80, 401)], 1);
        check_most(&[(0x02, 600), (0x80, 400), (0x02, 600), (0x00, 400), (0x80, 1)], 4);
        check_most(&[(0x82, 70_000)], 0);
    }

    #[test]
    fn control_frames_are_no_part_of_a_message_and_have_a_bound_of_their_own() {
        check_most(&[(0x02, 1000), (0x89, 125), (0x80, 0)], 3);
        check_most(&[(0x8a, 1001)], 0);
        let mut frames = Frames::new(1);
        assert_eq!(frames.pass(&wire(0x89, 125, true)), 131);
    }

    /// Feeds frames with these first bytes, of which `allowed` are allowed, and compares how many pass.
    #[track_caller]
    fn check_counted(firsts: &[u8], allowed: u64, pass: usize) {
        for (masked, piece) in [(false, 1), (true, 3), (true, 100_000)] {
            let whole: Vec<_> = firsts.iter().map(|first| wire(*first, 9, masked)).collect();
            let fits: usize = whole.iter().take(pass).map(Vec::len).sum();
            let mut frames = Frames::new(u64::MAX);
            frames.count();
            (0..allowed).for_each(|_| frames.allow());
            assert_eq!(passed(&mut frames, &whole.concat(), piece).0, fits, "{firsts:?}");
            assert_eq!(frames.awaits(), pass < firsts.len(), "{firsts:?}");
            assert!(frames.is_between() && !frames.is_too_long());
        }
    }

    #[test]
    fn a_frame_that_is_not_allowed_does_not_begin() {
        check_counted(&[0x82, 0x81], 2, 2);
        check_counted(&[0x82, 0x81, 0x82], 2, 2);
        check_counted(&[0x82], 0, 0);
    }

    #[test]
    fn fragments_are_frames_and_control_frames_are_free() {
        check_counted(&[0x02, 0x00, 0x80], 2, 2);
        check_counted(&[0x89, 0x8a, 0x82, 0x89], 1, 4);
        check_counted(&[0x02, 0x89, 0x80, 0x88], 2, 4);
    }

    #[test]
    fn what_is_thrown_away_may_be_long() {
        let mut frames = Frames::new(1);
        let mut all = wire(0x82, 2, true);
        close(&mut all, CloseCode::TooLong, "", true);
        assert_eq!(frames.pass(&all), 0);
        frames.unbound();
        assert_eq!(frames.pass(&all), all.len());
        assert!(frames.has_closed());
    }

    #[test]
    fn nothing_follows_a_close_frame() {
        for masked in [false, true] {
            let mut wire = Vec::new();
            ping(&mut wire, masked);
            close(&mut wire, CloseCode::GoingAway, "bye", masked);
            let mut frames = Frames::new(u64::MAX);
            assert_eq!(passed(&mut frames, &wire, 1).0, wire.len());
            assert!(frames.has_closed());
            assert_eq!(frames.pass(b"\x02\x7f"), 2);
            assert!(frames.has_closed() && frames.is_between());
        }
    }

    #[test]
    fn a_length_beyond_all_bounds_is_no_overflow() {
        let mut frames = Frames::new(u64::MAX);
        let head = [&[0x82, 0xff][..], &[0xff; 8]].concat();
        assert_eq!(frames.pass(&head), 10);
        assert_eq!(frames.pass(&[0; 100]), 100);
        assert!(!frames.is_between());
        let mut frames = Frames::new(u64::MAX - 1);
        assert_eq!((frames.pass(&head), frames.is_too_long()), (0, true));
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
