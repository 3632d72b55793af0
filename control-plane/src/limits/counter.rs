//! What has been given away of one limit, and how much of that is written down?
//!
//! What may not be forgotten is written down before it is given away: a mark stands a little above what
//! is given, and who counts after a restart goes on from the mark.

use std::collections::VecDeque;

use throttle::{Asked, Back, Granted, Hands, Limit, Measure, Meter, MeterConfig, portion};

use super::claim::{Claim, InForce};
use super::members::Stream;

/// Windows of this length and more are written down.
const WRITTEN_FROM_US: u64 = 60_000_000;
/// How long what is written ahead shall last.
const AHEAD_US: u64 = 10_000_000;
/// The part of a limit that is written ahead at most.
const AHEAD_SHARE: u64 = 100;
/// Of a rolling window the sixteenths that it touches, of another one itself.
const MOST_PLACES: usize = 18;
/// What is written down: so many units at most were given away since then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// When the first of them were, in microseconds since the Unix epoch.
    pub(super) at_us: u64,
    pub(super) units: u64,
    /// When they do not count any more.
    pub(super) until_us: u64,
}

/// What a counter gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    Now(Granted),
    /// More than is written down: after `marks` have been.
    Later,
}

#[derive(Debug)]
pub(super) struct Counter {
    is: InForce,
    meter: Meter,
    /// Of a pace what gateways may still use.
    hands: Hands,
    /// Oldest first; none where nothing is written down.
    places: VecDeque<Place>,
    asked_us: u64,
    /// Units since when, for how much is written ahead.
    pace: (u64, u64),
    /// How much is written ahead.
    ahead: u64,
    /// What those who wait need besides.
    needed: u64,
}

/// Where units are counted.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: u64,
    mark: Mark,
    given: u64,
}

impl Counter {
    /// A counter of which nothing is given away, `None` where the limit is none.
    pub(super) fn new(claim: Claim, now_us: u64) -> Option<Self> {
        Some(Self {
            is: InForce::new(claim, now_us),
            meter: meter(claim.measure)?,
            hands: Hands::default(),
            places: VecDeque::new(),
            asked_us: now_us,
            pace: (0, now_us),
            ahead: 1,
            needed: 0,
        })
    }

    /// The same as it was all given away at `at_us`.
    pub(super) fn used_up(self, at_us: u64) -> Self {
        // Units of a pace may have been given away that far ahead of their times, and those of a window that
        // long before it began.
        let ahead_us = match self.is.claim.measure {
            Measure::Rate(rate) => rate.ahead_us(),
            Measure::Quota(quota) => quota.ahead_us(),
        };
        self.meter.grant(0, at_us.saturating_add(ahead_us), |left| left);
        self
    }

    /// The same as the marks say.
    pub(super) fn restored(mut self, marks: &[Mark]) -> Self {
        for mark in marks {
            self.count(mark.at_us, mark.units);
            if self.is_written() {
                self.places.push_back(Place {
                    number: self.meter.grant(0, mark.at_us, |_| 0).place,
                    mark: *mark,
                    given: mark.units,
                });
            }
        }
        self
    }

    /// Whether what is given away is written down.
    pub(super) const fn is_written(&self) -> bool {
        is_written(self.is.claim.measure)
    }

    /// Whether the limit is in force that a gateway says it is.
    pub(super) fn is_as(&self, claim: Claim) -> bool {
        self.is.claim.measure == claim.measure
    }

    /// A gateway says what the limit is.
    pub(super) fn hear(&mut self, claim: Claim, now_us: u64) {
        let before = self.is.claim.measure;
        if self.is.hear(claim, now_us) {
            self.adopt(before, now_us);
        }
    }

    /// No revision that was heard counts more than another one: the line of them begins anew.
    pub(super) const fn forget_revision(&mut self) {
        self.is.forget_revision();
    }

    /// The limit was another one until now, and as much of it is used.
    fn adopt(&mut self, old: Measure, now_us: u64) {
        let measure = self.is.claim.measure;
        let Some(next) = meter(measure) else { return };
        let before = std::mem::replace(&mut self.meter, next);
        if self.meter.succeeds(&before, 0, now_us, &mut self.hands) {
            return;
        }
        before.begin(0, now_us, &mut self.hands);
        let used = before.usage(now_us).next().map_or(0, |it| it.used);
        // What was given of a window that is none any more counts now.
        let early = if same_span(measure, old) { 0 } else { self.hands.take_next() };
        let used = used.saturating_add(early);
        let places = std::mem::take(&mut self.places);
        if same_span(measure, old) && !places.is_empty() {
            // Where each unit was counted is known.
            for place in &places {
                self.count(place.mark.at_us, place.given);
            }
            self.places = places;
            return;
        }
        self.count(now_us, used);
        self.look(now_us);
        if let Some(place) = self.places.back_mut() {
            place.given = used;
        }
    }

    /// Counts what was given away at that moment. Of a quota all of it, also where that is more than it is now:
    /// what comes back of it makes no room before so much has come back.
    fn count(&self, at_us: u64, units: u64) {
        match self.is.claim.measure {
            Measure::Quota(_) => self.meter.charge(0, at_us, units),
            Measure::Rate(_) => {
                self.meter.grant(0, at_us, |left| left.min(units));
            }
        }
    }

    /// Gives away what is asked for; with `hands` who asks says how much of a pace it has in hand.
    pub(super) fn give(&mut self, now_us: u64, asked: Asked, hands: bool) -> Given {
        let Asked { wanted, gateways, .. } = asked;
        self.asked_us = now_us;
        if !self.is_written() {
            let granted = if hands {
                self.meter.lease(0, now_us, asked, &mut self.hands)
            } else {
                self.meter.begin(0, now_us, &mut self.hands);
                self.meter.grant(0, now_us, |left| portion(wanted, left, gateways))
            };
            return Given::Now(granted);
        }
        let seen = self.look(now_us);
        let target = portion(wanted, seen.left, gateways);
        let Some(place) = self.places.back_mut() else { return Given::Later };
        let units = target.min(place.mark.units.saturating_sub(place.given));
        if units == 0 && target > 0 {
            self.needed = self.needed.saturating_add(target);
            return Given::Later;
        }
        let granted = self.meter.grant(0, now_us, |left| left.min(units));
        place.given = place.given.saturating_add(granted.units);
        self.pace.0 = self.pace.0.saturating_add(granted.units);
        Given::Now(granted)
    }

    /// Counts what was used already.
    pub(super) fn charge(&mut self, now_us: u64, units: u64) {
        self.look(now_us);
        self.meter.charge(0, now_us, units);
        if let Some(place) = self.places.back_mut() {
            place.given = place.given.saturating_add(units);
        }
    }

    /// Takes back what nobody has used, of those that the gateway of this stream had.
    pub(super) fn put_back(&mut self, now_us: u64, stream: Stream, back: Back) {
        self.look(now_us);
        let mut units = back.units;
        if self.is_written() {
            let Some(place) = self.places.iter_mut().find(|it| it.number == back.place) else {
                return;
            };
            units = units.min(place.given);
            place.given -= units;
        }
        let (who, back) = (Some(stream.number()), Back { units, ..back });
        self.meter.put_back(0, now_us, who, back, &mut self.hands);
    }

    /// Whether more has to be written down, now or soon.
    pub(super) fn wants_marks(&self) -> bool {
        let newest = self.places.back();
        newest.is_some_and(|it| {
            it.mark.units < it.given.saturating_add(self.ahead) || self.needed > 0
        })
    }

    /// What is to be written down; it counts when `marked` says that it has been.
    pub(super) fn marks(&mut self, now_us: u64) -> Vec<Mark> {
        let (given, since_us) = self.pace;
        let passed_us = now_us.saturating_sub(since_us).max(1);
        let most = (amount(self.is.claim.measure) / AHEAD_SHARE).max(1);
        let lasts = u128::from(given) * u128::from(AHEAD_US) / u128::from(passed_us.max(AHEAD_US));
        self.ahead = u64::try_from(lasts).unwrap_or(most).clamp(1, most);
        if passed_us > AHEAD_US {
            self.pace = (0, now_us);
        }
        let more = self.ahead.saturating_mul(2).saturating_add(std::mem::take(&mut self.needed));
        let newest = self.places.back().map(|place| place.number);
        let written = |place: &Place| {
            let ahead = if Some(place.number) == newest { more } else { 0 };
            let units = place.mark.units.max(place.given.saturating_add(ahead));
            Mark { units, ..place.mark }
        };
        self.places.iter().filter(|it| it.mark.until_us > now_us).map(written).collect()
    }

    /// These are written down.
    pub(super) fn marked(&mut self, marks: &[Mark]) {
        for place in &mut self.places {
            if let Some(mark) = marks.iter().find(|mark| mark.at_us == place.mark.at_us) {
                place.mark.units = place.mark.units.max(mark.units);
            }
        }
    }

    /// Whether nobody would notice if it were not there; `idle_us`: nor would for so long.
    pub(super) fn is_over(&self, now_us: u64, idle_us: u64) -> bool {
        if self.is_written() {
            return self.places.iter().all(|place| place.mark.until_us <= now_us);
        }
        let unused = self.meter.state(now_us).all(|it| it.remaining == it.limit.amount());
        unused && now_us.saturating_sub(self.asked_us) > idle_us
    }

    /// How much is left; makes the place that units are counted in now.
    fn look(&mut self, now_us: u64) -> Granted {
        let seen = self.meter.grant(0, now_us, |_| 0);
        let newest = self.places.back().map(|place| place.number);
        if self.is_written() && newest != Some(seen.place) {
            let (period_us, rolling) =
                (period_us(self.is.claim.measure), is_rolling(self.is.claim.measure));
            let lasts_us = if rolling { period_us.saturating_add(16) } else { 0 };
            let until_us = now_us.saturating_add(seen.ends_us).saturating_add(lasts_us);
            let mark = Mark { at_us: now_us, units: 0, until_us };
            self.places.push_back(Place { number: seen.place, mark, given: 0 });
            let most = if rolling { MOST_PLACES } else { 1 };
            while self.places.len() > most {
                self.places.pop_front();
            }
        }
        seen
    }
}

/// A limit of units, whatever they are units of.
fn meter(measure: Measure) -> Option<Meter> {
    Some(Meter::new(MeterConfig::new(&[Limit::of_calls(measure)]).ok()?))
}

const fn amount(measure: Measure) -> u64 {
    Limit::of_calls(measure).amount()
}

const fn period_us(measure: Measure) -> u64 {
    Limit::of_calls(measure).period_us()
}

/// Whether what is given away of it is written down.
pub(super) const fn is_written(measure: Measure) -> bool {
    matches!(measure, Measure::Quota(_)) && period_us(measure) >= WRITTEN_FROM_US
}

const fn is_rolling(measure: Measure) -> bool {
    match measure {
        Measure::Quota(quota) => quota.span().is_rolling(),
        Measure::Rate(_) => false,
    }
}

fn same_span(one: Measure, other: Measure) -> bool {
    match (one, other) {
        (Measure::Quota(one), Measure::Quota(other)) => one.span() == other.span(),
        (Measure::Rate(_), _) | (_, Measure::Rate(_)) => false,
    }
}
