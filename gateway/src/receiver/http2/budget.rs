//! How many frames that carry nothing may a client send?
//!
//! Frames of each sort are paid for from a bucket of their own. Time refills a bucket slowly, and
//! work refills it at once: streams that are opened and answered, data that flows. So a client that
//! uses its connection never runs dry, and one that only keeps the gateway busy soon does. The
//! relations to work are those of Envoy (100 PRIORITY per stream, 10 `WINDOW_UPDATE` per DATA that
//! was sent); the ceilings are configured.

use std::time::{Duration, Instant};

use super::frames::{Frame, kind};

/// A bucket is full again after so many seconds.
const REFILL_SECONDS: u32 = 10;
/// Frames without a payload that do not end anything.
const MAX_EMPTY: u32 = 100;
const PRIORITY_PER_STREAM: u32 = 100;
const WINDOW_PER_STREAM: u32 = 2;
const WINDOW_PER_DATA: u32 = 10;
/// RFC 9113 §6.9.1.
const MAX_WINDOW: u64 = 0x7fff_ffff;

/// The ceilings of one connection.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Limits {
    /// Of each of: PING and SETTINGS together, PRIORITY and unknown kinds, `WINDOW_UPDATE`.
    pub(in super::super) control_frames: u32,
    /// Streams that the client cancels; half as many that it makes the gateway reset.
    pub(in super::super) resets: u32,
}

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Abuse {
    #[error("too many PING or SETTINGS frames")]
    Control,
    #[error("too many PRIORITY or unknown frames")]
    Priority,
    #[error("too many WINDOW_UPDATE frames")]
    Window,
    #[error("too many empty frames")]
    Empty,
    #[error("too many streams cancelled by the client")]
    Cancelled,
    #[error("too many streams that had to be reset")]
    Provoked,
}

/// What clients are told (RFC 9113 §7).
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;
pub(super) const FLOW_CONTROL_ERROR: u32 = 3;

/// What a connection may still send.
#[derive(Debug)]
pub(super) struct Budget {
    control: Bucket,
    priority: Bucket,
    window: Bucket,
    empty: Bucket,
    cancelled: Bucket,
    provoked: Bucket,
    filled: Instant,
    /// The stream whose window was opened last, and by how much since.
    opened: (u32, u64),
    /// Payload of all DATA that was sent.
    sent: u64,
    overflowed: Option<u32>,
    last_stream: u32,
}

impl Budget {
    pub(super) const fn new(limits: Limits, now: Instant) -> Self {
        Self {
            control: Bucket::full(limits.control_frames),
            priority: Bucket::full(limits.control_frames),
            window: Bucket::full(limits.control_frames),
            empty: Bucket::full(MAX_EMPTY),
            cancelled: Bucket::full(limits.resets),
            provoked: Bucket::full(limits.resets / 2),
            filled: now,
            opened: (0, 0),
            sent: 0,
            overflowed: None,
            last_stream: 0,
        }
    }

    /// The highest stream that the client has opened.
    pub(super) const fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// A stream whose window was opened beyond 2^31-1 since this was asked last.
    pub(super) const fn overflowed(&mut self) -> Option<u32> {
        self.overflowed.take()
    }

    /// Time refills; to be said now and then.
    pub(super) fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs();
        if passed == 0 {
            return;
        }
        self.filled += Duration::from_secs(passed);
        let seconds = u32::try_from(passed).unwrap_or(u32::MAX);
        let all = [
            &mut self.control,
            &mut self.priority,
            &mut self.window,
            &mut self.empty,
            &mut self.cancelled,
            &mut self.provoked,
        ];
        for bucket in all {
            bucket.add(bucket.most.div_ceil(REFILL_SECONDS).saturating_mul(seconds));
        }
    }

    /// A frame of the client.
    pub(super) fn received(&mut self, frame: Frame) -> Result<(), Abuse> {
        match frame.kind {
            kind::DATA if frame.length == 0 && !frame.ends_stream() => {
                self.empty.take(Abuse::Empty)
            }
            kind::DATA => {
                self.control.add(1);
                Ok(())
            }
            kind::HEADERS => {
                self.last_stream = self.last_stream.max(frame.stream);
                self.control.add(1);
                self.priority.add(PRIORITY_PER_STREAM);
                self.window.add(WINDOW_PER_STREAM);
                Ok(())
            }
            kind::CONTINUATION if frame.length == 0 => self.empty.take(Abuse::Empty),
            kind::CONTINUATION => Ok(()),
            kind::RST_STREAM => self.cancelled.take(Abuse::Cancelled),
            kind::SETTINGS | kind::PING => self.control.take(Abuse::Control),
            kind::WINDOW_UPDATE => {
                self.opens(frame.stream, frame.word);
                self.window.take(Abuse::Window)
            }
            _ => self.priority.take(Abuse::Priority),
        }
    }

    /// A frame of ours.
    pub(super) fn sent(&mut self, frame: Frame) -> Result<(), Abuse> {
        match frame.kind {
            kind::DATA | kind::HEADERS => {
                if frame.kind == kind::DATA && frame.length > 0 {
                    self.sent = self.sent.wrapping_add(u64::from(frame.length));
                    self.control.add(1);
                    self.window.add(WINDOW_PER_DATA);
                }
                if frame.ends_stream() {
                    self.cancelled.add(1);
                    self.provoked.add(1);
                }
                Ok(())
            }
            kind::RST_STREAM if is_clients_fault(frame.word) => self.provoked.take(Abuse::Provoked),
            _ => Ok(()),
        }
    }

    /// The library forgets a stream once it is answered, and then takes every increment. Whatever
    /// was sent on a stream is less than what was sent at all, so a window that is too large by
    /// this sum is too large for certain.
    fn opens(&mut self, stream: u32, increment: u32) {
        if stream == 0 {
            return;
        }
        let before = if self.opened.0 == stream { self.opened.1 } else { 0 };
        let sum = before.saturating_add(u64::from(increment));
        self.opened = (stream, sum);
        if sum > MAX_WINDOW.saturating_add(self.sent) {
            self.overflowed = Some(stream);
        }
    }
}

/// Whether a stream is reset for what the client did, and not for what a backend did
/// (RFC 9113 §7: protocol, flow control, stream closed, frame size, refused, compression).
const fn is_clients_fault(code: u32) -> bool {
    matches!(code, 1 | 3 | 5 | 6 | 7 | 9)
}

#[derive(Debug)]
struct Bucket {
    left: u32,
    most: u32,
}

impl Bucket {
    const fn full(most: u32) -> Self {
        Self { left: most, most }
    }

    const fn add(&mut self, more: u32) {
        let left = self.left.saturating_add(more);
        self.left = if left < self.most { left } else { self.most };
    }

    const fn take(&mut self, otherwise: Abuse) -> Result<(), Abuse> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(otherwise),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `rounds` of `play` (`>` is sent, `<` is received, `.` a second passes) with room for 50
    /// control frames and 20 resets; the answer is the abuse and the round that it was found in.
    /// Frames: h(eaders), H(eaders that end), d(ata), D(ata that end), e(mpty data), p(ing),
    /// s(ettings), r(eset, cancelled), b(ad: reset for a protocol error), i(nternal: reset),
    /// q (priority), w(indow update), c (empty continuation).
    #[track_caller]
    fn check(play: &str, rounds: u32, expected: Option<(Abuse, u32)>) {
        let start = chassis::clock::Clock::system().instant();
        let mut budget = Budget::new(Limits { control_frames: 50, resets: 20 }, start);
        let mut seconds = 0;
        let mut found = None;
        'all: for round in 1..=rounds {
            let mut inbound = true;
            for letter in play.chars() {
                let frame = |kind, flags, length, word| Frame {
                    kind,
                    flags,
                    stream: round * 2 + 1,
                    length,
                    word,
                };
                let frame = match letter {
                    '<' | '>' => {
                        inbound = letter == '<';
                        continue;
                    }
                    '.' => {
                        seconds += 1;
                        budget.refill(start + Duration::from_secs(seconds));
                        continue;
                    }
                    'h' => frame(kind::HEADERS, 4, 9, 0),
                    'H' => frame(kind::HEADERS, 5, 9, 0),
                    'd' => frame(kind::DATA, 0, 9, 0),
                    'D' => frame(kind::DATA, 1, 9, 0),
                    'e' => frame(kind::DATA, 0, 0, 0),
                    'p' => frame(kind::PING, 0, 8, 0),
                    's' => frame(kind::SETTINGS, 0, 6, 0),
                    'r' => frame(kind::RST_STREAM, 0, 4, 8),
                    'b' => frame(kind::RST_STREAM, 0, 4, 1),
                    'i' => frame(kind::RST_STREAM, 0, 4, 2),
                    'q' => frame(2, 0, 5, 0),
                    'w' => frame(kind::WINDOW_UPDATE, 0, 4, 1),
                    'c' => frame(kind::CONTINUATION, 0, 0, 0),
                    other => panic!("{other}"),
                };
                let seen = if inbound { budget.received(frame) } else { budget.sent(frame) };
                if let Err(abuse) = seen {
                    found = Some((abuse, round));
                    break 'all;
                }
            }
        }
        assert_eq!(found, expected, "{play}");
    }

    #[test]
    fn frames_that_carry_nothing_run_out() {
        check("<p", 1000, Some((Abuse::Control, 51)));
        check("<s", 1000, Some((Abuse::Control, 51)));
        check("<ps", 1000, Some((Abuse::Control, 26)));
        check("<q", 1000, Some((Abuse::Priority, 51)));
        check("<w", 1000, Some((Abuse::Window, 51)));
        check("<e", 1000, Some((Abuse::Empty, 101)));
        check("<c", 1000, Some((Abuse::Empty, 101)));
    }

    #[test]
    fn streams_that_are_opened_only_to_be_reset_run_out() {
        check("<Hr", 1000, Some((Abuse::Cancelled, 21)));
        check("<H>b", 1000, Some((Abuse::Provoked, 11)));
    }

    #[test]
    fn who_works_does_not_run_out() {
        check("<hD>hD", 5000, None);
        // A ping per part of an answer measures the way; a reset now and then is a change of mind.
        check("<H>hd<pww>d<p>D", 5000, None);
        check("<H>hD<hr", 5000, None);
        // Old browsers order their streams.
        check("<qqqqqH>hD", 5000, None);
    }

    #[test]
    fn a_backend_that_breaks_its_answers_is_not_held_against_the_client() {
        check("<H>hdi", 1000, None);
    }

    #[test]
    fn time_refills_a_tenth_of_a_bucket_per_second() {
        check("<ppppp.", 1000, None);
        check("<pppppp.", 1000, Some((Abuse::Control, 46)));
        check("<Hrr.", 1000, None);
    }

    /// Increments on one stream, with so much sent before: is the window too large?
    #[track_caller]
    fn window(sent: u32, increments: &[u32], too_large: bool) {
        let now = chassis::clock::Clock::system().instant();
        let mut budget = Budget::new(Limits { control_frames: 50, resets: 20 }, now);
        let frame = |kind, length, word| Frame { kind, flags: 0, stream: 1, length, word };
        assert_eq!(budget.sent(frame(kind::DATA, sent, 0)), Ok(()));
        for by in increments {
            assert_eq!(budget.received(frame(kind::WINDOW_UPDATE, 4, *by)), Ok(()));
        }
        assert_eq!(budget.overflowed(), too_large.then_some(1));
        assert_eq!(budget.overflowed(), None, "it is told once");
    }

    #[test]
    fn a_window_that_is_opened_too_far_is_noticed_on_answered_streams_too() {
        window(0, &[0x7fff_ffff], false);
        window(0, &[0x7fff_ffff, 1], true);
        window(10, &[0x7fff_ffff, 10], false);
        window(10, &[0x7fff_ffff, 11], true);
    }
}
