//! Which code does an authenticator app show? (RFC 6238, RFC 4226)
//!
//! SHA-1, six digits and thirty seconds: what every app knows. HMAC does not rest on what is broken
//! in SHA-1.

use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

/// A code is shown so long.
const STEP_SECONDS: i64 = 30;

/// A clock may be so many steps off, and typing takes a while (RFC 6238 section 5.2).
const OFF: i64 = 1;

/// What the app and the server share; unprintable.
pub struct Seed(Zeroizing<[u8; Seed::BYTES]>);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Seed {
    /// RFC 4226 section 4 recommends 160 bits.
    const BYTES: usize = 20;

    pub fn random() -> Self {
        Self(Zeroizing::new(chassis::random::bytes()))
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    pub fn expose(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// As it is typed into an app.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(self.0.as_slice()))
    }

    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE32_NOPAD.decode(text.as_bytes()).ok()?);
        Self::from_bytes(&bytes)
    }

    /// The time step whose code this is. The caller takes care that no step counts twice.
    pub fn step(&self, code: &str, now: i64) -> Option<i64> {
        let typed: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let current = now.div_euclid(STEP_SECONDS);
        // Every step is compared, so that the time says nothing about which one it is.
        (-OFF..=OFF).map(|off| current.saturating_add(off)).fold(None, |found, step| {
            let same = self.code(step).as_bytes() == typed.as_bytes();
            if same { Some(step) } else { found }
        })
    }

    /// RFC 4226 section 5.3.
    fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.as_slice());
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let offset = usize::from(tag.as_ref().last().copied().unwrap_or_default() & 0x0f);
        let four = tag.as_ref().get(offset..).and_then(<[u8]>::first_chunk::<4>);
        let number = u32::from_be_bytes(four.copied().unwrap_or_default()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    /// The code that an app shows at that time; for tests, which have no app.
    #[doc(hidden)]
    pub fn shown_at(&self, now: i64) -> String {
        self.code(now.div_euclid(STEP_SECONDS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B, the last six digits.
    #[track_caller]
    fn check(now: i64, code: &str) {
        let seed = Seed::from_bytes(b"12345678901234567890").expect("a seed");
        let step = now / STEP_SECONDS;
        assert_eq!(seed.code(step), code);
        assert_eq!(seed.step(code, now), Some(step));
        assert_eq!(seed.step(code, now + STEP_SECONDS), Some(step), "a step late");
        assert_eq!(seed.step(code, now + 3 * STEP_SECONDS), None, "too late");
        assert_eq!(seed.step("28708", now), None);
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        check(59, "287082");
        check(1_111_111_109, "081804");
        check(1_111_111_111, "050471");
        check(1_234_567_890, "005924");
        check(2_000_000_000, "279037");
        check(20_000_000_000, "353130");
    }

    #[test]
    fn a_seed_is_read_back_and_unprintable() {
        let seed = Seed::random();
        let again = Seed::from_text(&seed.text()).expect("a seed");
        assert_eq!(seed.expose(), again.expose());
        assert_eq!(format!("{seed:?}"), "Seed(..)");
        assert!(Seed::from_text("AAAA").is_none());
    }
}
