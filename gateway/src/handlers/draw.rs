//! Which number is drawn for what belongs together?

/// FNV-1a and a finisher: the same on every gateway and after every start.
#[derive(Clone, Copy)]
pub(super) struct Draw(u64);

impl Draw {
    pub(super) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn with(self, bytes: &[u8]) -> Self {
        let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self(bytes.iter().fold(self.0, step))
    }

    pub(super) const fn number(self) -> u64 {
        let number = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        number ^ (number >> 29)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread_evenly() {
        let mut shares = [0_u32; 100];
        for number in 0_u32..100_000 {
            let draw = Draw::new().with(b"orders:1.0").with(format!("app-{number}").as_bytes());
            shares[usize::try_from(draw.number() % 100).unwrap()] += 1;
        }
        assert!(shares.iter().all(|share| (800..1_200).contains(share)), "{shares:?}");
    }

    #[test]
    fn what_is_drawn_for_one_purpose_says_nothing_about_another() {
        let mut both = 0_u32;
        for number in 0_u128..100_000 {
            let name = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes();
            let low = |of: &[u8]| Draw::new().with(of).with(&name).number() % 100 < 10;
            both += u32::from(low(b"orders:1.0") && low(b"mirror"));
        }
        assert!((800..1_200).contains(&both), "{both}");
    }
}
