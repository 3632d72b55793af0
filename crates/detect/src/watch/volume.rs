//! Is something called more often than ever, much less often, or no more?
//!
//! Two witnesses have to agree: the last minutes, and the same quarter of an hour of yesterday and of last
//! week, as soon as they are known. So neither a rush every morning nor a pause every night is told, and a
//! step that stays is told once.

use serde::{Deserialize, Serialize};

/// What a minute weighs at least in the level,
const WEIGHT: f64 = 0.1;
/// and in the spread.
const SPREAD_WEIGHT: f64 = 0.02;
/// More than so many standard deviations are too many,
const SIGMAS: f64 = 6.0;
/// with so many further ones at the beginning, which become fewer from minute to minute.
const YOUNG: f64 = 18.0;
/// Minutes before the level follows.
const MINUTES: u64 = 3;
/// What a minute leaves of the most calls before it: half of it in eleven hours. Who makes a pause and comes
/// back does not call more than ever.
const FADE: f64 = 0.999;
/// More than the most calls of before by this factor are more than ever.
const AGAIN: f64 = 1.25;
/// So few calls in a minute are never too many.
const FEW: f64 = 20.0;
const QUARTER: i64 = 15;
const DAY: i64 = 24 * 60;
const WEEK: i64 = 7 * DAY;
/// Quarters of an hour in a week.
const WEEK_QUARTERS: usize = 672;
/// Of the calls of a usual quarter of an hour so large a part is too much for one minute.
const PART: u32 = 5;
/// How unlikely a silence is that is told, as an exponent,
const SURPRISE: f64 = 20.0;
/// and how long it lasts at least.
const SILENT_MINUTES: i64 = 5;
/// Of the last 32 minutes so many had a call at least: who calls once a day is silent most of the time.
const STEADY: u32 = 8;
/// It is much less below this share of the usual, and below half of it before a week is known.
const LESS: f64 = 0.3;

/// How often something is called.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Volume {
    first: i64,
    minute: i64,
    calls: u64,
    told: bool,
    silent: bool,
    seen: u64,
    /// One bit for each of the last minutes that had a call.
    active: u32,
    level: f64,
    /// The most calls of a minute, which fades.
    peak: f64,
    /// The most calls that one event stands for, which fades. Counts are as coarse as that.
    #[serde(default)]
    grain: f64,
    spread: f64,
    quarter: u32,
    week: Vec<u32>,
    last_quarter: u32,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Turn {
    /// So many calls in a minute.
    More { calls: u64, usual: f64 },
    /// So many in a quarter of an hour.
    Fewer { calls: u64, usual: f64 },
    /// None for so many minutes.
    Silent { minutes: i64, usual: f64 },
}

impl Volume {
    /// The next call, or the next event that stands for several. Told once a minute.
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    pub(super) fn take(
        &mut self,
        minute: i64,
        calls: u32,
        learning: u64,
        sensitivity: f64,
    ) -> (Option<Turn>, Option<Turn>) {
        if minute < self.minute.saturating_sub(1) {
            self.come_late(minute, calls);
            return (None, None);
        }
        let fewer = self.turn(minute, sensitivity);
        self.calls = self.calls.saturating_add(calls.into());
        self.quarter = self.quarter.saturating_add(calls);
        self.grain = self.grain.max(calls.into());
        self.silent = false;
        if self.seen < learning.max(1) {
            return (None, fewer);
        }
        let calls = self.calls as f64;
        if self.told || calls <= self.surely() {
            return (None, fewer);
        }
        let usual = self.most(sensitivity);
        if calls <= usual {
            return (None, fewer);
        }
        self.told = true;
        (Some(Turn::More { calls: self.calls, usual }), fewer)
    }

    /// Calls of long ago are no rush now: a gateway was away and tells what it kept.
    fn come_late(&mut self, minute: i64, calls: u32) {
        self.silent = false;
        if minute.div_euclid(QUARTER) == self.minute.div_euclid(QUARTER) {
            self.quarter = self.quarter.saturating_add(calls);
        } else if minute > self.first
            && self.minute.saturating_sub(minute) < WEEK - QUARTER
            && let Some(known) = self.week.get_mut(slot(minute))
        {
            *known = known.saturating_add(calls);
        }
    }

    /// Time has come to this minute. Told once for a silence.
    #[expect(clippy::cast_precision_loss, reason = "minutes")]
    pub(super) fn pass(&mut self, minute: i64, sensitivity: f64) -> Option<Turn> {
        let minutes = minute.saturating_sub(self.minute).saturating_sub(1);
        let is_steady = self.active.count_ones() >= STEADY;
        let day_old = self.minute.saturating_sub(self.first) > DAY + QUARTER;
        if self.silent || minutes < SILENT_MINUTES || !is_steady || !day_old {
            return None;
        }
        let usual = self.level.min(self.before(minute)?);
        if usual * (minutes as f64) < SURPRISE * self.coarse_spread() / sensitivity {
            return None;
        }
        self.silent = true;
        Some(Turn::Silent { minutes, usual })
    }

    /// Calls in a minute yesterday and a week ago, at the times of this silence; none if there was a silence
    /// too.
    fn before(&self, minute: i64) -> Option<f64> {
        let from = self.minute.saturating_add(1);
        let (mut sum, mut count) = (0.0, 0.0);
        for at in (from..=minute).step_by(5).take(24) {
            let known = [DAY, WEEK].iter().filter_map(|ago| self.known(at, *ago));
            let Some(least) = known.min() else { continue };
            if least == 0 {
                return None;
            }
            sum += f64::from(least) / 15.0;
            count += 1.0;
        }
        (count > 0.0).then_some(sum / count)
    }

    /// So many calls in a minute are not too many, whatever others were. That is most minutes, and quickly seen.
    fn surely(&self) -> f64 {
        (2.0 * self.level).max(FEW * self.grain.max(1.0)).max(AGAIN * self.peak)
    }

    /// How many calls in this minute are not too many.
    #[expect(clippy::cast_precision_loss, reason = "minutes")]
    fn most(&self, sensitivity: f64) -> f64 {
        let sigmas = (SIGMAS + YOUNG / self.seen.saturating_add(2) as f64) / sensitivity;
        let grain = self.grain.max(1.0);
        let spread = (self.coarse_spread() * self.level.max(grain)).sqrt();
        let now = self.surely().max(self.level + sigmas * spread);
        let around = [DAY - QUARTER, DAY, DAY + QUARTER, WEEK - QUARTER, WEEK, WEEK + QUARTER];
        let before = around.iter().filter_map(|ago| self.known(self.minute, *ago)).max();
        now.max(before.map_or(0.0, |calls| f64::from(calls / PART)))
    }

    /// Counts that come in grains spread by a grain at least.
    fn coarse_spread(&self) -> f64 {
        self.spread.max(self.grain).max(1.0)
    }

    /// Calls in the quarter of an hour so many minutes before `minute`, where that is known.
    fn known(&self, minute: i64, ago: i64) -> Option<u32> {
        let then = minute.saturating_sub(ago);
        let whole = self.first.saturating_add(QUARTER);
        if then < whole || then >= self.minute {
            return None;
        }
        self.week.get(slot(then)).copied()
    }

    fn turn(&mut self, minute: i64, sensitivity: f64) -> Option<Turn> {
        if self.seen == 0 && self.calls == 0 {
            (self.first, self.minute) = (minute, minute);
        }
        if minute <= self.minute {
            return None;
        }
        self.learn(minute);
        let fewer = (minute.div_euclid(QUARTER) > self.minute.div_euclid(QUARTER))
            .then(|| self.turn_quarter(minute, sensitivity));
        (self.minute, self.calls, self.told) = (minute, 0, false);
        // A silence was told already.
        fewer.flatten().filter(|_| !self.silent)
    }

    #[expect(clippy::cast_precision_loss, reason = "a count")]
    fn learn(&mut self, minute: i64) {
        // Too many are learnt as the most that was usual, so that they stay unusual for some minutes.
        let mut calls = self.calls as f64;
        if self.seen >= MINUTES && calls > 2.0 * self.surely() {
            calls = calls.min(2.0 * self.most(1.0));
        }
        self.seen = self.seen.saturating_add(1);
        let off = calls - self.level;
        let over = off * off / self.level.max(1.0);
        let first = 1.0 / self.seen as f64;
        if self.seen > 1 {
            self.spread += first.max(SPREAD_WEIGHT) * (over - self.spread);
        }
        self.level += first.max(WEIGHT) * off;
        let minutes = i32::try_from(minute.saturating_sub(self.minute)).unwrap_or(i32::MAX);
        let faded = FADE.powi(minutes);
        self.peak = (self.calls as f64).max(self.peak) * faded;
        self.grain = (self.grain * faded).max(1.0);
        let gap = u32::try_from(minute.saturating_sub(self.minute)).unwrap_or(u32::MAX);
        self.active = (self.active | 1).checked_shl(gap).unwrap_or(0);
        let without = minute.saturating_sub(self.minute).saturating_sub(1).clamp(0, 1000);
        let without = i32::try_from(without).unwrap_or(0);
        // Many minutes without a call count, but not at the beginning, where nothing is known.
        if self.seen > MINUTES {
            self.level *= (1.0 - WEIGHT).powi(without);
        }
    }

    fn turn_quarter(&mut self, minute: i64, sensitivity: f64) -> Option<Turn> {
        let calls = self.quarter;
        let fewer = self.fewer(calls, sensitivity);
        if self.week.is_empty() {
            self.week = vec![0; WEEK_QUARTERS];
        }
        if let Some(quarter) = self.week.get_mut(slot(self.minute)) {
            *quarter = calls;
        }
        // The quarters in between had no call.
        let next = self.minute.div_euclid(QUARTER).saturating_add(1);
        let here = minute.div_euclid(QUARTER);
        let between = usize::try_from(here.saturating_sub(next)).unwrap_or(0);
        if let Some((before, from)) =
            self.week.split_at_mut_checked(slot(next.saturating_mul(QUARTER)))
        {
            from.iter_mut().chain(before).take(between).for_each(|quarter| *quarter = 0);
        }
        self.last_quarter = if here == next { calls } else { 0 };
        self.quarter = 0;
        fewer
    }

    /// Whether the quarter that ends had much less than the one before, than yesterday's and than that of a
    /// week ago.
    fn fewer(&self, calls: u32, sensitivity: f64) -> Option<Turn> {
        let yesterday = self.known(self.minute, DAY)?;
        let week = self.known(self.minute, WEEK);
        let least = week.unwrap_or(u32::MAX).min(yesterday).min(self.last_quarter);
        let less = if week.is_some() { LESS } else { LESS / 2.0 };
        let usual = f64::from(least);
        let (calls, few) = (f64::from(calls), f64::from(calls) < less * usual);
        let surprise =
            if calls > 0.0 { calls * (calls / usual).ln() + usual - calls } else { usual };
        let enough = surprise >= SURPRISE * self.coarse_spread() / sensitivity;
        (few && enough).then_some(Turn::Fewer { calls: u64::from(self.quarter), usual })
    }
}

fn slot(minute: i64) -> usize {
    usize::try_from(minute.rem_euclid(WEEK).div_euclid(QUARTER)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days whose minutes have so many calls, by the hour: what is told, with day and hour?
    #[track_caller]
    fn check(days: i64, calls: impl Fn(i64, i64) -> u64, told: &[(i64, i64, &str)]) {
        let mut volume = Volume::default();
        let mut said = Vec::new();
        for minute in 0..days * DAY {
            let (day, hour) = (minute / DAY, minute % DAY / 60);
            let mut found = vec![volume.pass(minute, 1.0)];
            for _ in 0..calls(day, hour) {
                let (more, fewer) = volume.take(minute, 1, 3, 1.0);
                found.extend([more, fewer]);
            }
            said.extend(found.into_iter().flatten().map(|turn| match turn {
                Turn::More { .. } => (day, hour, "more"),
                Turn::Fewer { .. } => (day, hour, "fewer"),
                Turn::Silent { .. } => (day, hour, "silent"),
            }));
        }
        said.dedup();
        assert_eq!(said, told);
    }

    #[test]
    fn a_rush_is_told_on_its_first_day_only() {
        check(4, |_, hour| if hour == 9 { 100 } else { 5 }, &[(0, 9, "more")]);
    }

    #[test]
    fn many_more_are_told_also_at_a_busy_time() {
        let calls = |day, hour| if (day, hour) == (3, 12) { 200 } else { 20 };
        check(4, calls, &[(3, 12, "more")]);
    }

    #[test]
    fn a_silence_by_day_is_told_and_every_night_is_not() {
        let calls = |day, hour: i64| {
            if (8..20).contains(&hour) && !(day == 3 && hour >= 12) { 10 } else { 0 }
        };
        check(5, calls, &[(3, 12, "silent")]);
    }

    #[test]
    fn much_less_is_told_once() {
        check(3, |day, hour| if day == 2 && hour >= 12 { 2 } else { 20 }, &[(2, 12, "fewer")]);
    }

    #[test]
    fn calls_that_come_late_are_no_rush() {
        let mut volume = Volume::default();
        let mut told = 0;
        for minute in 1..=2000 {
            for _ in 0..10 {
                told += usize::from(volume.take(minute, 1, 3, 1.0).0.is_some());
            }
        }
        let late = (1900..1998).flat_map(|minute| std::iter::repeat_n(minute, 10));
        for minute in late {
            told += usize::from(volume.take(minute, 1, 3, 1.0).0.is_some());
        }
        assert_eq!(told, 0);
        // As many of now are one.
        let now = (0..980).filter(|_| volume.take(2000, 1, 3, 1.0).0.is_some());
        assert_eq!(now.count(), 1);
    }

    /// Of each minute's calls one in a hundred is reported, and stands for all: in which minutes are more
    /// told?
    #[track_caller]
    fn check_sampled(minutes: i64, calls: impl Fn(i64) -> u64, told: &[i64]) {
        let (mut volume, mut dice) = (Volume::default(), 7_u64);
        let mut said = Vec::new();
        for minute in 1..=minutes {
            for _ in 0..calls(minute) {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if (dice >> 33) % 100 == 0 && volume.take(minute, 100, 3, 1.0).0.is_some() {
                    said.push(minute);
                }
            }
        }
        assert_eq!(said, told);
    }

    #[test]
    fn a_sample_is_judged_as_what_it_stands_for() {
        check_sampled(3000, |_| 500, &[]);
        check_sampled(3000, |minute| if minute % 7 == 0 { 100 } else { 20 }, &[]);
        check_sampled(3000, |minute| if minute == 2000 { 5000 } else { 500 }, &[2000]);
    }
}
