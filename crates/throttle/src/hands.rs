//! Which units of a pace have been given away and may still be used?
//!
//! The room of a pace comes back with time, whether its units were used or not. What lies unused in the
//! hand of a gateway would come on top of a pace that has filled up meanwhile, so it counts as if it were
//! used just now, for as long as it may be there: room and hands together are never more than the pace
//! has at once. Each ask says how much its gateway has in hand. What has not been heard of for longer than
//! units last is in nobody's hand. Of a quota there is only to be known what was given of the window that comes
//! next: the others count as used. More gateways than there are places for have units in turns: who comes
//! when all places are taken gets nothing until one of the hands is empty or over.

use std::collections::BTreeMap;

use crate::next::Next;

/// For how long a gateway may use units of a pace after it has asked, in microseconds; each ask begins anew.
pub(crate) const LAST_US: u64 = 2_500_000;
/// For how long they are taken to be in its hand. Clocks that are set meanwhile are off by less than the
/// difference.
pub(crate) const KEPT_US: u64 = 3_000_000;
/// Hands that there are places for: more than gateways may follow one control plane, so that those fit in, too,
/// that have come back lately under another name.
const MOST: usize = 16_384;
/// A hand holds no more, whatever its gateway says.
const MOST_UNITS: u64 = 1 << 48;
/// When who found no place asks again, in microseconds.
pub(crate) const TURN_US: u64 = 400_000;

/// Units of one pace in the hands of gateways.
#[derive(Debug, Default)]
pub struct Hands {
    by: BTreeMap<u64, Hand>,
    /// In all of them.
    units: u64,
    /// None of them is over before.
    first_us: u64,
    /// Units that were used of a wider pace and did not fit into the narrower one that came after it: they come
    /// back as they would have, the last of them then,
    over_us: u64,
    /// and one each so many nanoseconds.
    over_step_ns: u64,
    /// Units of a quota of which the window has not begun.
    pub(crate) next: Next,
}

/// What a gateway says that asks for units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who it is. What it asks and what it gives back is told in the order in which it said it.
    pub who: u64,
    /// How many it wants.
    pub wanted: u64,
    /// How many it has of a pace.
    pub in_hand: u64,
    /// How many gateways share the limit.
    pub gateways: u64,
    /// Whether it knows a pace as it is. Who does not would use what is given ahead of its time at the wrong one:
    /// it is given only what may be used at once.
    pub ahead: bool,
    /// Whether it wants them of the window that comes next.
    pub next: bool,
}

/// So many units were in hands until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) at_us: u64,
    pub(crate) units: u64,
}

/// One gateway's.
#[derive(Debug)]
struct Hand {
    units: u64,
    until_us: u64,
}

impl Hands {
    /// What has been in hands so far: to be asked before anything changes, because the room that has come back
    /// meanwhile is so much smaller. What is too old is in nobody's hand any more.
    pub(crate) fn so_far(&mut self, now_us: u64) -> [Held; 2] {
        let mut before = Held { at_us: 0, units: 0 };
        if now_us >= self.first_us {
            let all = self.units;
            self.by.retain(|_, hand| {
                let is_over = hand.until_us <= now_us;
                if is_over {
                    before = Held { at_us: before.at_us.max(hand.until_us), units: all };
                    self.units = self.units.saturating_sub(hand.units);
                }
                !is_over
            });
            let first_us = self.by.values().map(|hand| hand.until_us).min();
            self.first_us = first_us.unwrap_or(u64::MAX);
        }
        [before, Held { at_us: now_us, units: self.units }]
    }

    /// A gateway says how much it has. False: there is no place for it, so it may be given nothing; what it has was
    /// given under another name that has its place still.
    #[must_use]
    pub(crate) fn told(&mut self, now_us: u64, who: u64, in_hand: u64) -> bool {
        if let Some(hand) = self.by.remove(&who) {
            self.units = self.units.saturating_sub(hand.units);
        }
        let is_place = self.by.len() < MOST;
        if is_place {
            self.given(now_us, who, in_hand);
        }
        is_place
    }

    /// A gateway that has said how much it has gets so many besides.
    pub(crate) fn given(&mut self, now_us: u64, who: u64, units: u64) {
        if units == 0 {
            return;
        }
        let until_us = now_us.saturating_add(KEPT_US);
        let hand = self.by.entry(who).or_insert(Hand { units: 0, until_us });
        hand.until_us = hand.until_us.max(until_us);
        let units = units.min(MOST_UNITS.saturating_sub(hand.units));
        hand.units = hand.units.saturating_add(units);
        self.units = self.units.saturating_add(units);
        self.first_us = self.first_us.min(until_us);
    }

    /// It gives back so many: how many of them were in its hand still.
    pub(crate) fn back(&mut self, who: u64, units: u64) -> u64 {
        let Some(hand) = self.by.get_mut(&who) else { return 0 };
        let units = units.min(hand.units);
        hand.units -= units;
        if hand.units == 0 {
            self.by.remove(&who);
        }
        self.units = self.units.saturating_sub(units);
        units
    }

    /// How many units that were used of a wider pace have not come back yet.
    pub(crate) fn left_over(&self, now_us: u64) -> u64 {
        let left_us = self.over_us.saturating_sub(now_us);
        left_us.saturating_mul(1_000).div_ceil(self.over_step_ns.max(1))
    }

    /// There are so many of them. The pace was wider until now, and had one each so many nanoseconds.
    pub(crate) fn leave_over(&mut self, now_us: u64, units: u64, step_ns: u64) {
        let is_first = self.over_us <= now_us;
        self.over_step_ns = if is_first { step_ns } else { self.over_step_ns.min(step_ns) };
        let left_us = units.saturating_mul(self.over_step_ns).div_ceil(1_000);
        self.over_us = now_us.saturating_add(left_us);
    }

    /// Takes out what was given of a window that has not begun: it counts elsewhere.
    pub fn take_next(&mut self) -> u64 {
        self.next.all()
    }

    /// How many may be in hands.
    pub(crate) const fn units(&self) -> u64 {
        self.units
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Granted, Limit, Measure, Meter, MeterConfig, Rate};

    const NOW: u64 = 1_800_000_000_000_000;

    /// `said` are `a` for an ask, `g` for what is given and `b` for what comes back, each with who and how
    /// many, apart by spaces; the answer is how many are out after `later_us`.
    #[track_caller]
    fn check(said: &str, later_us: u64, out: u64) {
        let mut hands = Hands::default();
        for word in said.split_whitespace() {
            let (what, numbers) = word.split_at(1);
            let (who, units) = numbers.split_once(':').unwrap();
            let (who, units) = (who.parse().unwrap(), units.parse().unwrap());
            match what {
                "a" => assert!(hands.told(NOW, who, units)),
                "g" => hands.given(NOW, who, units),
                _ => {
                    hands.back(who, units);
                }
            }
        }
        let before = hands.units();
        let [gone, now] = hands.so_far(NOW + later_us);
        assert_eq!(now, Held { at_us: NOW + later_us, units: out });
        if before > out {
            assert_eq!(gone, Held { at_us: NOW + KEPT_US, units: before });
        }
    }

    #[test]
    fn an_ask_says_what_is_left_of_what_was_given() {
        check("a1:0 g1:10", 0, 10);
        check("a1:0 g1:10 a1:4 g1:5 a2:0 g2:3", 0, 12);
        check("a1:0 g1:10 a1:0", 0, 0);
    }

    #[test]
    fn what_comes_back_is_out_no_more_and_nothing_of_others() {
        check("a1:0 g1:10 b1:4 b2:3", 0, 6);
        check("a1:0 g1:2 b1:4", 0, 0);
    }

    #[test]
    fn who_is_not_heard_of_has_nothing_in_the_end() {
        check("a1:0 g1:10", LAST_US, 10);
        check("a1:0 g1:10", KEPT_US, 0);
    }

    /// What gateway `who` gets of a pace of a million a second that wants one, after so many microseconds.
    fn leased(meter: &Meter, hands: &mut Hands, who: u64, in_hand: u64, later_us: u64) -> Granted {
        let asked = Asked { who, wanted: 1, in_hand, gateways: 20_000, ahead: true, next: false };
        meter.lease(0, NOW + later_us, asked, hands)
    }

    #[test]
    fn more_gateways_than_there_are_places_for_have_units_in_turns() {
        let rate = Rate::new(1_000_000, Duration::from_secs(1)).unwrap();
        let limit = Limit::of_calls(Measure::Rate(rate));
        let meter = Meter::new(MeterConfig::new(&[limit]).unwrap());
        let hands = &mut Hands::default();
        let most = MOST as u64;
        for who in 0..most {
            assert_eq!(leased(&meter, hands, who, 0, 0).units, 1);
        }
        let refused = leased(&meter, hands, most, 0, 0);
        assert_eq!((refused.units, refused.again_us), (0, TURN_US));
        assert_eq!(refused.ends_us, 0, "what it has from before lasts no longer");
        assert_eq!(hands.units(), most, "nobody else is given less");
        assert_eq!(leased(&meter, hands, 7, 1, 0).units, 1, "who has a place keeps it");
        assert_eq!(hands.back(7, 3), 2);
        assert_eq!(leased(&meter, hands, most, 0, 0).units, 1, "a hand was empty");
        assert_eq!(leased(&meter, hands, 7, 0, 0).units, 0, "and has to wait now");
        for who in 7..2_000 {
            assert_eq!(leased(&meter, hands, most + who, 0, KEPT_US).units, 1, "hands are over");
        }
    }
}
