//! Where does the next server-sent event begin?
//!
//! At the first line of a block that is no comment (HTML, section 9.2.5, "Parsing an event stream"): a
//! comment alone keeps a connection open and tells nobody anything.

/// Follows one event stream.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is about another byte than the others")]
pub(super) struct EventStream {
    at_start_of_line: bool,
    /// What came last is a CR, of which an LF is the second half.
    after_cr: bool,
    in_event: bool,
    allowed: bool,
}

impl EventStream {
    pub(super) const fn new() -> Self {
        Self { at_start_of_line: true, after_cr: false, in_event: false, allowed: false }
    }

    /// The next event may begin.
    pub(super) const fn allow(&mut self) {
        self.allowed = true;
    }

    /// Steps over `bytes` and says how many of them may pass: all but what begins with an event that has
    /// yet to be allowed.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> usize {
        for (place, byte) in bytes.iter().enumerate() {
            if !self.step(*byte) {
                return place;
            }
        }
        bytes.len()
    }

    fn step(&mut self, byte: u8) -> bool {
        let second_half = self.after_cr && byte == b'\n';
        if second_half {
            self.after_cr = false;
            return true;
        }
        let ends_line = matches!(byte, b'\r' | b'\n');
        if self.at_start_of_line && ends_line {
            self.in_event = false;
        } else if self.at_start_of_line && byte != b':' && !self.in_event {
            if !self.allowed {
                return false;
            }
            (self.allowed, self.in_event) = (false, true);
        }
        (self.at_start_of_line, self.after_cr) = (ends_line, byte == b'\r');
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `stream` in pieces of every length and compares how much passes where `allowed` events may.
    #[track_caller]
    fn check(stream: &str, allowed: usize, passes: &str) {
        for piece in 1..=stream.len() {
            let mut events = EventStream::new();
            let (mut left, mut passed) = (allowed, String::new());
            'stream: for part in stream.as_bytes().chunks(piece) {
                let mut part = part;
                while !part.is_empty() {
                    let here = events.pass(part);
                    passed.push_str(std::str::from_utf8(&part[..here]).unwrap());
                    part = &part[here..];
                    if !part.is_empty() {
                        let Some(less) = left.checked_sub(1) else { break 'stream };
                        left = less;
                        events.allow();
                    }
                }
            }
            assert_eq!(passed, passes, "in pieces of {piece}");
        }
    }

    #[test]
    fn an_event_that_is_not_allowed_does_not_begin() {
        check("data: a\n\ndata: b\n\n", 2, "data: a\n\ndata: b\n\n");
        check("data: a\n\ndata: b\n\n", 1, "data: a\n\n");
        check("data: a\n\n", 0, "");
    }

    #[test]
    fn lines_end_in_three_ways() {
        check("data: a\r\n\r\ndata: b\r\n\r\n", 1, "data: a\r\n\r\n");
        check("data: a\r\rdata: b\r\r", 1, "data: a\r\r");
        check("id: 1\ndata: a\r\n\ndata: b\n\n", 1, "id: 1\ndata: a\r\n\n");
    }

    #[test]
    fn comments_and_empty_lines_are_free() {
        check(": hello\n\n\n: again\r\n\r\ndata: a\n\n", 0, ": hello\n\n\n: again\r\n\r\n");
        check(": hello\ndata: a\n: more\ndata: b\n\n", 1, ": hello\ndata: a\n: more\ndata: b\n\n");
    }
}
