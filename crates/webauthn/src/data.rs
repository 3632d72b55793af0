//! What does the authenticator say? (§6.1)

use crate::Refusal;
use crate::cbor;

/// Longer than any that was seen (§7.1).
const LONGEST_ID: usize = 1023;

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;
const EXTENDED: u8 = 0x80;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Data<'b> {
    /// SHA-256 of the site that it is for.
    pub(crate) site: &'b [u8],
    flags: u8,
    pub(crate) counter: u32,
    /// Of a registration: the identifier and the key.
    pub(crate) made: Option<(&'b [u8], &'b [u8])>,
}

impl<'b> Data<'b> {
    pub(crate) fn read(bytes: &'b [u8]) -> Result<Self, Refusal> {
        let broken = Refusal::AuthenticatorData;
        let (site, rest) = bytes.split_at_checked(32).ok_or(broken)?;
        let (flags, rest) = rest.split_first().ok_or(broken)?;
        let (counter, mut rest) = rest.split_first_chunk::<4>().ok_or(broken)?;
        let has = |flag| flags & flag != 0;
        let mut made = None;
        if has(ATTESTED) {
            let (_model, after) = rest.split_at_checked(16).ok_or(broken)?;
            let (length, after) = after.split_first_chunk::<2>().ok_or(broken)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (id, after) = after.split_at_checked(length).ok_or(broken)?;
            if id.is_empty() || id.len() > LONGEST_ID {
                return Err(Refusal::Identifier);
            }
            let (_, behind) = cbor::read(after).ok_or(broken)?;
            let key = after.strip_suffix(behind).ok_or(broken)?;
            made = Some((id, key));
            rest = behind;
        }
        if has(EXTENDED) {
            let (extensions, behind) = cbor::read(rest).ok_or(broken)?;
            if !matches!(extensions, cbor::Item::Map(_)) {
                return Err(broken);
            }
            rest = behind;
        }
        // What is not eligible cannot have been backed up (§6.1.3).
        if !rest.is_empty() || (has(BACKED_UP) && !has(BACKUP_ELIGIBLE)) {
            return Err(broken);
        }
        Ok(Self { site, flags: *flags, counter: u32::from_be_bytes(*counter), made })
    }

    pub(crate) const fn is_present(&self) -> bool {
        self.flags & PRESENT != 0
    }

    pub(crate) const fn is_verified(&self) -> bool {
        self.flags & VERIFIED != 0
    }

    pub(crate) const fn is_backup_eligible(&self) -> bool {
        self.flags & BACKUP_ELIGIBLE != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `more` stands behind site, flags and counter; `said` is "counter present verified eligible",
    /// or the refusal.
    #[track_caller]
    fn check(flags: u8, more: &[u8], said: &str) {
        let mut bytes = vec![7; 32];
        bytes.push(flags);
        bytes.extend([0, 0, 1, 2]);
        bytes.extend(more);
        let read = Data::read(&bytes).map(|data| {
            let (there, known) = (data.is_present(), data.is_verified());
            format!("{} {there} {known} {}", data.counter, data.is_backup_eligible())
        });
        assert_eq!(read.unwrap_or_else(|refusal| format!("{refusal:?}")), said);
    }

    #[test]
    fn flags_and_the_counter_are_read() {
        check(0x00, &[], "258 false false false");
        check(0x05, &[], "258 true true false");
        check(0x1d, &[], "258 true true true");
        check(0x11, &[], "AuthenticatorData");
    }

    #[test]
    fn what_is_announced_is_there_and_nothing_else() {
        check(0x01, &[0], "AuthenticatorData");
        check(0x81, &[0xa0], "258 true false false");
        check(0x81, &[], "AuthenticatorData");
        check(0x81, &[0x01], "AuthenticatorData");
        let mut made = vec![0; 16];
        made.extend([0, 2, 8, 9, 0xa0]);
        check(0x41, &made, "258 true false false");
        made.push(0xa0);
        check(0x41, &made, "AuthenticatorData");
        check(0xc1, &made, "258 true false false");
        let mut nameless = vec![0; 16];
        nameless.extend([0, 0, 0xa0]);
        check(0x41, &nameless, "Identifier");
    }

    proptest! {
        #[test]
        fn nothing_that_comes_in_makes_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = Data::read(&bytes);
        }
    }
}
