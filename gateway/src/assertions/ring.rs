//! Which key signs, which one is next, and which one is past?
//!
//! A key signs only after others could know it: the key manager has told it to all gateways, and then
//! the time is over for which who reads key sets keeps them. The first key of an algorithm does not
//! wait for the latter, because nobody can have a set without it that would do; nor for longer than
//! `patience` for the former.

use std::collections::BTreeSet;
use std::sync::Arc;

use jose::Algorithm;

use super::signer::Signer;

/// How long a key stays published that signs no more, in seconds: what it signed last is good for one
/// minute, and clocks differ.
const RETIRES_FOR: i64 = 300;

/// What holds for keys; in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long a key signs.
    pub rotate: i64,
    /// How long the next key is known before it signs.
    pub publish: i64,
    /// How long the first key of an algorithm waits to be told to others.
    pub patience: i64,
    /// Whether there is nobody who tells others.
    pub alone: bool,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stage {
    /// Published, and does not sign yet.
    Next,
    /// Signs.
    Active,
    /// Published, and signs no more.
    Retiring,
}

impl Stage {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retiring => "retiring",
        }
    }
}

/// A key of this gateway. Times are Unix seconds.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) signer: Arc<Signer>,
    pub(super) stage: Stage,
    /// When it came into this stage.
    pub(super) since: i64,
    /// When all gateways were told of it; `None`: that is not known.
    pub(super) told: Option<i64>,
}

impl Held {
    pub(super) fn kid(&self) -> &str {
        self.signer.key().kid()
    }

    fn algorithm(&self) -> Algorithm {
        self.signer.key().algorithm()
    }

    fn is(&self, algorithm: Algorithm, stage: Stage) -> bool {
        self.algorithm() == algorithm && self.stage == stage
    }
}

/// The keys of this gateway.
#[derive(Clone, Debug, Default)]
pub(super) struct Ring(pub(super) Vec<Held>);

impl Ring {
    /// The algorithms among `wanted` for which a key has to be made now.
    pub(super) fn lacks(
        &self,
        wanted: &BTreeSet<Algorithm>,
        rules: &Rules,
        now: i64,
    ) -> Vec<Algorithm> {
        let lacks = |algorithm: &Algorithm| {
            if self.find(*algorithm, Stage::Next).is_some() {
                return false;
            }
            let due = |active: &Held| now >= active.since + rules.rotate - rules.publish;
            self.find(*algorithm, Stage::Active).is_none_or(due)
        };
        wanted.iter().copied().filter(lacks).collect()
    }

    /// Takes a key that was just made.
    pub(super) fn add(&mut self, signer: Signer, now: i64) {
        let signer = Arc::new(signer);
        self.0.push(Held { signer, stage: Stage::Next, since: now, told: None });
    }

    /// Notes that all gateways know these keys. Whether that is news.
    pub(super) fn told(&mut self, kids: &BTreeSet<String>, now: i64) -> bool {
        let mut news = false;
        for held in self.0.iter_mut().filter(|held| held.told.is_none()) {
            if kids.contains(held.kid()) {
                held.told = Some(now);
                news = true;
            }
        }
        news
    }

    /// Takes the steps that the time asks for. Whether there were any.
    pub(super) fn advance(
        &mut self,
        wanted: &BTreeSet<Algorithm>,
        rules: &Rules,
        now: i64,
    ) -> bool {
        let before = self.0.len();
        let past = |held: &Held| held.stage == Stage::Retiring && now >= held.since + RETIRES_FOR;
        self.0.retain(|held| !past(held));
        let mut news = self.0.len() != before;
        let all: BTreeSet<Algorithm> = self.0.iter().map(Held::algorithm).collect();
        for algorithm in all {
            news |= self.step(algorithm, wanted.contains(&algorithm), rules, now);
        }
        news
    }

    fn step(&mut self, algorithm: Algorithm, wanted: bool, rules: &Rules, now: i64) -> bool {
        let due = self.find(algorithm, Stage::Active).map(|active| active.since + rules.rotate);
        let next = self.find(algorithm, Stage::Next);
        let ready = next.is_some_and(|next| now >= ready_at(next, due.is_some(), rules));
        match due {
            None if ready => self.turn(algorithm, Stage::Next, Stage::Active, now),
            Some(due) if now >= due && (ready || !wanted) => {
                self.turn(algorithm, Stage::Active, Stage::Retiring, now);
                self.turn(algorithm, Stage::Next, Stage::Active, now);
            }
            _ => return false,
        }
        true
    }

    fn turn(&mut self, algorithm: Algorithm, from: Stage, to: Stage, now: i64) {
        if let Some(held) = self.0.iter_mut().find(|held| held.is(algorithm, from)) {
            (held.stage, held.since) = (to, now);
        }
    }

    pub(super) fn find(&self, algorithm: Algorithm, stage: Stage) -> Option<&Held> {
        self.0.iter().find(|held| held.is(algorithm, stage))
    }
}

/// When a next key may sign. One that follows another waits for a whole period where nobody tells it
/// to others: the one before is as good.
fn ready_at(next: &Held, follows: bool, rules: &Rules) -> i64 {
    let known = next.told.or_else(|| rules.alone.then_some(next.since));
    match (known, follows) {
        (Some(known), true) => known + rules.publish,
        (Some(known), false) => known,
        (None, true) => next.since + rules.rotate,
        (None, false) => next.since + rules.patience,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { rotate: 1000, publish: 100, patience: 10, alone: false };

    /// Lets `steps` happen: `@N` is a moment, at which what is missing is made and what is due happens;
    /// `told` tells all gateways of every key. Compares stages, oldest key first, with the moment
    /// since when.
    #[track_caller]
    fn check(rules: &Rules, steps: &str, expected: &str) {
        let wanted = BTreeSet::from([Algorithm::ES256]);
        let (mut ring, mut now) = (Ring::default(), 0);
        for step in steps.split_whitespace() {
            if let Some(moment) = step.strip_prefix('@') {
                now = moment.parse().expect("a moment");
            } else {
                let kids = ring.0.iter().map(|held| held.kid().to_owned()).collect();
                ring.told(&kids, now);
            }
            for algorithm in ring.lacks(&wanted, rules, now) {
                ring.add(Signer::generate(algorithm).expect("a key"), now);
            }
            ring.advance(&wanted, rules, now);
        }
        let all = ring.0.iter().map(|held| format!("{}:{}", held.stage.name(), held.since));
        assert_eq!(all.collect::<Vec<_>>().join(" "), expected, "{steps}");
    }

    #[test]
    fn the_first_key_signs_once_it_is_told_and_not_much_later_in_any_case() {
        check(&RULES, "@0", "next:0");
        check(&RULES, "@0 @9", "next:0");
        check(&RULES, "@0 @3 told", "active:3");
        check(&RULES, "@0 @10", "active:10");
    }

    #[test]
    fn a_gateway_without_a_key_manager_signs_at_once() {
        check(&Rules { alone: true, ..RULES }, "@0", "active:0");
    }

    #[test]
    fn the_next_key_is_known_for_a_while_before_it_signs() {
        check(&RULES, "@0 told @899", "active:0");
        check(&RULES, "@0 told @900 told @999", "active:0 next:900");
        check(&RULES, "@0 told @900 told @1000", "retiring:1000 active:1000");
        check(&RULES, "@0 told @900 @950 told @1049", "active:0 next:900");
        check(&RULES, "@0 told @900 @950 told @1050", "retiring:1050 active:1050");
    }

    #[test]
    fn a_next_key_of_which_nobody_was_told_waits_for_a_whole_period() {
        check(&RULES, "@0 told @900 @1899", "active:0 next:900");
        check(&RULES, "@0 told @900 @1900", "retiring:1900 active:1900");
    }

    #[test]
    fn a_past_key_goes_when_its_last_jwt_has_ended() {
        let past = "@0 told @900 told @1000";
        check(&RULES, &format!("{past} @1299"), "retiring:1000 active:1000");
        check(&RULES, &format!("{past} @1300"), "active:1000");
    }

    #[test]
    fn an_algorithm_that_nobody_wants_any_more_gets_no_further_key() {
        let wanted = BTreeSet::from([Algorithm::ES256]);
        let mut ring = Ring::default();
        ring.add(Signer::generate(Algorithm::ES256).expect("a key"), 0);
        ring.advance(&wanted, &RULES, 10);
        let nothing = BTreeSet::new();
        assert!(ring.lacks(&nothing, &RULES, 1010).is_empty());
        assert!(ring.advance(&nothing, &RULES, 1010) && ring.advance(&nothing, &RULES, 1310));
        assert!(ring.0.is_empty());
    }
}
