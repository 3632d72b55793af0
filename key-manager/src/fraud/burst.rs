//! Does a client ask for far more tokens than it uses to? (KM-141 rule 11)
//!
//! Per client, requests are counted by the minute; what is usual is the exponentially weighted mean
//! and variance of the minutes before. A minute is told of once, when it has more than the floor,
//! more than so many times the mean, and more than four standard deviations above it.

use std::collections::HashMap;

/// How much a new minute weighs.
const WEIGHT: f64 = 0.1;

/// What a client uses to do is known after so many minutes.
const LEARNING: u32 = 10;

/// A client that asked for nothing for so many minutes is forgotten when room is needed.
const IDLE: i64 = 60;

/// When a minute is far too much.
#[derive(Clone, Copy, Debug)]
pub(super) struct BurstRules {
    pub(super) floor: u32,
    pub(super) times: f64,
    /// Clients that are watched.
    pub(super) most: usize,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Burst {
    pub(super) minute: i64,
    pub(super) count: u32,
    pub(super) usual: f64,
}

#[derive(Debug)]
pub(super) struct Bursts {
    rules: BurstRules,
    clients: HashMap<String, Habit>,
}

#[derive(Clone, Copy, Debug)]
struct Habit {
    minute: i64,
    count: u32,
    told: bool,
    minutes: u32,
    mean: f64,
    variance: f64,
}

impl Bursts {
    pub(super) fn new(rules: BurstRules) -> Self {
        Self { rules, clients: HashMap::new() }
    }

    pub(super) fn see(&mut self, client: &str, now: i64) -> Option<Burst> {
        let minute = now.div_euclid(60);
        if !self.clients.contains_key(client) && self.clients.len() >= self.rules.most {
            self.clients.retain(|_, habit| minute.saturating_sub(habit.minute) < IDLE);
            if self.clients.len() >= self.rules.most {
                return None;
            }
        }
        let habit = self.clients.entry(client.to_owned()).or_insert(Habit {
            minute,
            count: 0,
            told: false,
            minutes: 0,
            mean: 0.0,
            variance: 0.0,
        });
        habit.move_to(minute);
        habit.count = habit.count.saturating_add(1);
        let far = habit.is_far(&self.rules);
        if !far || habit.told {
            return None;
        }
        habit.told = true;
        Some(Burst { minute, count: habit.count, usual: habit.mean })
    }
}

impl Habit {
    /// Learns the minutes that are over, those without a request too.
    fn move_to(&mut self, minute: i64) {
        let over = minute.saturating_sub(self.minute);
        if over <= 0 {
            return;
        }
        self.learn(f64::from(self.count));
        // After hours of nothing more zeros change nothing.
        for _ in 1..over.min(IDLE) {
            self.learn(0.0);
        }
        (self.minute, self.count, self.told) = (minute, 0, false);
    }

    fn learn(&mut self, count: f64) {
        // A burst weighs no more than what would just have passed: it does not become usual.
        let most = self.mean + 4.0 * self.variance.sqrt();
        let known = self.minutes >= LEARNING;
        let count = if known { count.min(most.max(1.0) * 2.0) } else { count };
        let off = count - self.mean;
        self.mean += WEIGHT * off;
        self.variance = (1.0 - WEIGHT) * (self.variance + WEIGHT * off * off);
        self.minutes = self.minutes.saturating_add(1);
    }

    fn is_far(&self, rules: &BurstRules) -> bool {
        let count = f64::from(self.count);
        self.minutes >= LEARNING
            && self.count > rules.floor
            && count > rules.times * self.mean
            && count > self.mean + 4.0 * self.variance.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `minutes` are requests per minute; `told` the minutes that were told of.
    #[track_caller]
    fn check(minutes: &[u32], told: &[i64]) {
        let rules = BurstRules { floor: 20, times: 5.0, most: 2 };
        let mut bursts = Bursts::new(rules);
        let mut found = Vec::new();
        for (minute, count) in (0..).zip(minutes) {
            for _ in 0..*count {
                found.extend(bursts.see("app", minute * 60).map(|burst| burst.minute));
            }
        }
        assert_eq!(found, told, "{minutes:?}");
    }

    #[test]
    fn a_minute_far_above_what_is_usual_is_told_of_once() {
        let steady = [[4; 30].as_slice(), &[60, 4, 60]].concat();
        check(&steady, &[30, 32]);
        check(&[[4; 30].as_slice(), &[15]].concat(), &[]);
    }

    #[test]
    fn what_is_usual_is_learned_first() {
        check(&[100; 40], &[]);
        check(&[[100; 20].as_slice(), &[300, 100]].concat(), &[]);
        check(&[500], &[]);
    }

    #[test]
    fn a_burst_that_lasts_is_told_of_until_it_is_usual() {
        let mut minutes = vec![4; 20];
        minutes.extend([100; 60]);
        let rules = BurstRules { floor: 20, times: 5.0, most: 2 };
        let mut bursts = Bursts::new(rules);
        let mut told = Vec::new();
        for (minute, count) in (0..).zip(&minutes) {
            for _ in 0..*count {
                told.extend(bursts.see("app", minute * 60).map(|burst| burst.minute));
            }
        }
        assert_eq!(told.first(), Some(&20));
        assert!((2..40).contains(&told.len()), "{told:?}");
    }

    #[test]
    fn clients_are_bounded_and_idle_ones_make_room() {
        let rules = BurstRules { floor: 1, times: 1.0, most: 2 };
        let mut bursts = Bursts::new(rules);
        for client in ["a", "b", "c"] {
            bursts.see(client, 0);
        }
        assert_eq!(bursts.clients.len(), 2);
        bursts.see("c", 61 * 60);
        assert_eq!(bursts.clients.keys().collect::<Vec<_>>(), ["c"]);
    }
}
