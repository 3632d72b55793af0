//! What does a meter give away, whose limits others use?

use crate::counter::Counter;
use crate::hands::TURN_US;
use crate::rate::Pace;
use crate::{Asked, Back, Granted, Hands, Limit, Measure, Meter, Rate, portion};

impl Meter {
    /// Gives away a part of what is left of the limit at `index`, to be used elsewhere: it counts as used
    /// from now on. `share` says how much of what is left. Nothing where there is no such limit.
    pub fn grant(&self, index: usize, now_us: u64, share: impl Fn(u64) -> u64) -> Granted {
        let found = self.each().nth(index);
        found.map_or(Granted::NOTHING, |(limit, counter)| counter.grant(limit, now_us, share))
    }

    /// Gives a gateway a portion of what it wants of the limit at `index`. Of a pace that is used up those units
    /// are given that come next, ahead of their times; `hands` are what gateways have of it. Nothing where
    /// there is no such limit, and where more gateways have units of it than there are places for.
    pub fn lease(&self, index: usize, now_us: u64, asked: Asked, hands: &mut Hands) -> Granted {
        let Asked { who, wanted, in_hand, gateways, .. } = asked;
        let Some((rate, pace)) = self.pace(index) else {
            self.begin(index, now_us, hands);
            let share = |left| portion(wanted, left, gateways);
            return if asked.next {
                self.grant_next(index, now_us, share, hands)
            } else {
                self.grant(index, now_us, share)
            };
        };
        hands.so_far(now_us).into_iter().for_each(|held| pace.held(rate, held));
        if !hands.told(now_us, who, in_hand) {
            return Granted { again_us: TURN_US, ..Granted::NOTHING };
        }
        let granted = pace.lease(rate, now_us, asked, hands.units());
        hands.given(now_us, who, granted.units);
        granted
    }

    /// Gives away units of the window that comes next, shortly before it begins.
    fn grant_next(
        &self,
        index: usize,
        now_us: u64,
        share: impl Fn(u64) -> u64,
        hands: &mut Hands,
    ) -> Granted {
        let Some(Limit { measure: Measure::Quota(quota), .. }) = self.config.limits().get(index)
        else {
            return Granted::NOTHING;
        };
        let Granted { place, ends_us: begins_us, .. } = self.grant(index, now_us, |_| 0);
        let number = place.saturating_add(1);
        let left = quota.amount().saturating_sub(hands.next.of(number));
        let units = if begins_us > quota.ahead_us() { 0 } else { share(left).min(left) };
        if units == 0 {
            return Granted { left, begins_us, again_us: begins_us, ..Granted::NOTHING };
        }
        hands.next.give(number, units);
        let ends_us = quota.span().end_us(number).saturating_sub(now_us);
        let left = left.saturating_sub(units);
        Granted { units, left, place: number, begins_us, ends_us, ..Granted::NOTHING }
    }

    /// What was given of the window that has begun meanwhile counts in it from now on. Whoever gives units away by
    /// [`lease`](Self::lease) and otherwise, too, says this before the others.
    pub fn begin(&self, index: usize, now_us: u64, hands: &mut Hands) {
        if hands.next.is_any() {
            let number = self.grant(index, now_us, |_| 0).place;
            let units = hands.next.begin(number);
            self.charge(index, now_us, units);
        }
    }

    /// Takes back units of a grant that nobody has used: of a pace out of the hand of `who`. What is not there any
    /// more makes no room, because what had come back meanwhile was not held against it; `None`: who gives
    /// them back has asked since, and not counted them in.
    pub fn put_back(
        &self,
        index: usize,
        now_us: u64,
        who: Option<u64>,
        back: Back,
        hands: &mut Hands,
    ) {
        if let Some((rate, pace)) = self.pace(index) {
            hands.so_far(now_us).into_iter().for_each(|held| pace.held(rate, held));
            let units = who.map_or(0, |who| hands.back(who, back.units));
            pace.put_back(rate, now_us, units, hands.units());
        } else if let Some((limit, counter)) = self.each().nth(index) {
            self.begin(index, now_us, hands);
            if !hands.next.back(back.place, back.units) {
                counter.settle(limit, back.place, back.granted_us, back.units, 0);
            }
        }
    }

    /// Goes on with what `before` has given away until now of the limit at `index`; what does not fit into a pace
    /// that is narrower is there again when it becomes wider. False: not both of them are paces, and nothing
    /// counts yet.
    pub fn succeeds(&self, before: &Self, index: usize, now_us: u64, hands: &mut Hands) -> bool {
        let (Some((rate, pace)), Some((old, given))) = (self.pace(index), before.pace(index))
        else {
            return false;
        };
        let more = pace.succeed(rate, old, given, now_us, hands.left_over(now_us));
        hands.leave_over(now_us, more, old.increment_ns());
        true
    }

    fn pace(&self, index: usize) -> Option<(Rate, Pace<'_>)> {
        match self.each().nth(index)? {
            (Limit { measure: Measure::Rate(rate), .. }, Counter::Pace(pace)) => {
                Some((*rate, pace))
            }
            _ => None,
        }
    }

    /// Counts units that were used elsewhere without having been given away.
    pub fn charge(&self, index: usize, now_us: u64, units: u64) {
        let Some((limit, counter)) = self.each().nth(index) else { return };
        let place = counter.grant(limit, now_us, |_| 0).place;
        counter.settle(limit, place, now_us, 0, units);
    }
}
