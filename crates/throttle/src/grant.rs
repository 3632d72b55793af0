//! How is a limit shared among gateways without ever being exceeded?
//!
//! One authority counts. Gateways ask it for units before they use them, and what it gives away counts
//! as used at once: a gateway that dies takes its units with it, and nobody ever has more than the limit.

/// What an authority gives away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// How many units.
    pub units: u64,
    /// What is left for others.
    pub left: u64,
    /// Where they were counted; to be named when some of them are put back.
    pub place: u64,
    /// In how many microseconds from when they are heard of the window begins that they are of; 0: it has.
    pub begins_us: u64,
    /// Until when they may be used, in microseconds from when they were asked for.
    pub ends_us: u64,
    /// Where there are none: when to ask again, in microseconds.
    pub again_us: u64,
    /// In how many microseconds from when they are heard of the last of them may be used, and those before
    /// it earlier by a step of the pace each; 0: all of them at once.
    pub last_us: u64,
}

impl Granted {
    /// Nothing at all, and nothing known.
    pub const NOTHING: Self =
        Self { units: 0, left: 0, place: 0, begins_us: 0, ends_us: 0, again_us: 0, last_us: 0 };
}

/// Who asks for `wanted` units while `left` are left and `gateways` share them gets these: half of a fair
/// share at most, so that the last units are not out with those who do not need them; the less is left,
/// the smaller the portions, down to one at a time.
pub fn portion(wanted: u64, left: u64, gateways: u64) -> u64 {
    let share = left / gateways.max(1).saturating_mul(2);
    wanted.min(share.max(1)).min(left)
}
