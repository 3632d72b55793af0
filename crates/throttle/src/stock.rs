//! What lies in the hand of a gateway, whatever the limit is called by which it was given?
//!
//! It stays the same where a pace is changed: calls that still go by the one before take from it, those that go
//! by the new one do too, and whoever asks the authority says how much there is in all. So nothing lies in a
//! hand that the authority does not know of.

use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::coming::Coming;
use crate::demand::Demand;
use crate::planned::Planned;

/// Units in hand, and what was asked and heard about them.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    /// Their label, and how many. The label of a quota is the number of the authority's window (its low
    /// bits), that of a pace how often somebody has asked: what was taken under another one does not come
    /// back.
    pub(crate) word: AtomicU64,
    /// The pace that it was asked for last: how many it has at once, and the nanoseconds between two of them;
    /// 0: nobody has asked.
    pub(crate) amount: AtomicU64,
    pub(crate) step_ns: AtomicU64,
    /// Until when they may be used.
    pub(crate) ends_us: AtomicU64,
    /// Those of them that may not be used yet.
    pub(crate) planned: Planned,
    /// Until when the authority is not asked again, because it has nothing;
    pub(crate) ask_from_us: AtomicU64,
    /// until when whoever finds nothing in hand is refused without asking,
    pub(crate) none_until_us: AtomicU64,
    /// and when to come again by what it said.
    pub(crate) again_us: AtomicU64,
    /// When they were granted, and where; to give some of them back.
    pub(crate) granted_us: AtomicU64,
    pub(crate) place: AtomicU64,
    /// Whether somebody is asking.
    pub(crate) asking: AtomicBool,
    pub(crate) demand: Demand,
    /// How many units calls need while a portion lasts.
    pub(crate) need: AtomicU64,
    /// With so few in hand more are asked for.
    pub(crate) low: AtomicU64,
    /// Whether little is left for others.
    pub(crate) is_scarce: AtomicBool,
    /// When the window ends; 0: somebody has looked after that already.
    pub(crate) turns_us: AtomicU64,
    /// Units of the one that comes next, and the end of the window (as it was known then) before which they
    /// were asked for.
    pub(crate) coming: Coming,
    pub(crate) next_for_us: AtomicU64,
}
