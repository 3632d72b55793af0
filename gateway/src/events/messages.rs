//! Where does the next message of a gRPC stream begin?
//!
//! Each is preceded by a byte of flags and four of its length ("Length-Prefixed-Message" in the gRPC
//! protocol over HTTP/2), compressed or not.

/// Bytes before a message.
const PREFIX: u8 = 5;

/// Follows one direction of a gRPC call.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// What has come of a prefix,
    begun: u8,
    /// the length as far as it says it,
    length: u32,
    /// and what is still to come of a message.
    left: u64,
    allowed: bool,
}

impl Messages {
    /// The next message may begin.
    pub(super) const fn allow(&mut self) {
        self.allowed = true;
    }

    /// Steps over `bytes` and says how many of them may pass: all but what begins with a message that has
    /// yet to be allowed.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while let Some(rest) = bytes.get(passed..)
            && let [first, ..] = rest
        {
            if self.left > 0 {
                let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                self.left -= here as u64;
                passed += here;
            } else if self.begun == 0 && !self.allowed {
                break;
            } else {
                self.prefix(*first);
                passed += 1;
            }
        }
        passed
    }

    fn prefix(&mut self, byte: u8) {
        if self.begun > 0 {
            self.length = (self.length << 8) | u32::from(byte);
        }
        self.begun += 1;
        if self.begun == PREFIX {
            self.left = u64::from(self.length);
            (self.begun, self.length, self.allowed) = (0, 0, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds messages of these lengths in pieces, of which `allowed` may begin, and compares how many
    /// pass.
    #[track_caller]
    fn check(lengths: &[u32], allowed: usize, pass: usize) {
        let wire = |length: &u32| {
            let length = *length;
            [&[1][..], &length.to_be_bytes(), &vec![0; length as usize]].concat()
        };
        let whole: Vec<_> = lengths.iter().map(wire).collect();
        let fits: usize = whole.iter().take(pass).map(Vec::len).sum();
        for piece in [1, 3, 7, 100_000] {
            let mut messages = Messages::default();
            let (mut left, mut passed) = (allowed, 0);
            'stream: for part in whole.concat().chunks(piece) {
                let mut part = part;
                while !part.is_empty() {
                    let here = messages.pass(part);
                    passed += here;
                    part = &part[here..];
                    if !part.is_empty() {
                        let Some(less) = left.checked_sub(1) else { break 'stream };
                        left = less;
                        messages.allow();
                    }
                }
            }
            assert_eq!(passed, fits, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_message_that_is_not_allowed_does_not_begin() {
        check(&[0, 5, 300], 3, 3);
        check(&[0, 5, 300], 2, 2);
        check(&[0, 0, 0], 1, 1);
        check(&[70_000], 0, 0);
    }
}
