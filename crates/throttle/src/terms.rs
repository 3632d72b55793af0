//! For how long does a portion of a limit last, and when does what calls do not need of it go back?

use crate::{Limit, Measure};

/// How long a portion shall last; of a window no more than a twentieth of it.
const LASTS_US: u64 = 50_000;
/// Who needs so many meanwhile asks while there is one left, however small the portions are.
pub(crate) const BUSY_NEED: u64 = 4;
/// The smallest portion that is wished for.
pub(crate) const LEAST: u64 = 1;
/// Of a limit that is used slowly a portion may last longer, so that not every call asks: for so long, of a quota
/// no longer than a fiftieth of its window,
const SLOW_LASTS_US: u64 = 1_000_000;
/// and so many units of it at most, which are no more than this part of all of them;
const MOST_SLOW_UNITS: u64 = 32;
const SLOW_SHARE: u64 = 256;
/// of a quota so many in any case.
const SLOW_UNITS: u64 = 8;
/// What calls have not needed for so long goes back. Where little is left for others: for a fiftieth of the
/// window, and not less than this.
const IDLE_US: u64 = 500_000;
const LEAST_IDLE_US: u64 = 20_000;
/// One unit stays for a fifth of the window after a call, and no longer than this.
const MOST_LINGERS_US: u64 = 2_000_000;

/// What follows from the limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) amount: u64,
    pub(crate) lasts_us: u64,
    pub(crate) slow_lasts_us: u64,
    pub(crate) slow_units: u64,
    pub(crate) idle_us: u64,
    pub(crate) lingers_us: u64,
    pub(crate) scarce_idle_us: u64,
    /// So long before a window begins units of it are asked for; 0: they are not.
    pub(crate) ahead_us: u64,
}

impl Terms {
    /// And between two units of a pace, in nanoseconds; 0: it is a quota.
    pub(crate) fn of(limit: &Limit) -> (Self, u64) {
        let period_us = limit.period_us();
        let lasts_us = LASTS_US.min(period_us / 20).max(1);
        let always = Self {
            amount: limit.amount(),
            lasts_us,
            slow_lasts_us: SLOW_LASTS_US.min(period_us),
            slow_units: (limit.amount() / SLOW_SHARE).min(MOST_SLOW_UNITS),
            idle_us: IDLE_US,
            lingers_us: IDLE_US,
            scarce_idle_us: IDLE_US,
            ahead_us: 0,
        };
        match limit.measure {
            // Units of a pace are not kept: what is used long after it was given comes on top of the pace. And
            // what goes back late is lost.
            Measure::Rate(rate) => {
                let (lingers_us, scarce_idle_us) = (MOST_LINGERS_US, IDLE_US);
                let terms = Self { lingers_us, scarce_idle_us, ..always };
                (terms, rate.increment_ns())
            }
            Measure::Quota(quota) => {
                let scarce_idle_us = (period_us / 50).clamp(LEAST_IDLE_US, IDLE_US);
                let lingers_us = (period_us / 5).clamp(IDLE_US, MOST_LINGERS_US);
                let slow_lasts_us = SLOW_LASTS_US.min(period_us / 50);
                // Not as early as it may be: who reckons the end a little early is not refused.
                let ahead_us = quota.ahead_us() / 2;
                let slow_units = always.slow_units.max(SLOW_UNITS);
                let terms = Self { slow_lasts_us, slow_units, lingers_us, ..always };
                (Self { scarce_idle_us, ahead_us, ..terms }, 0)
            }
        }
    }
}
