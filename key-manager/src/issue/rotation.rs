//! Which step does the life of the keys take now?
//!
//! Pure: keys and time in, steps out. For each algorithm in use there is one key that signs and
//! one that everybody already knows before it signs; keys that signed stay until the last token
//! they signed has ended (KM-080, KM-081).

use crate::domain::{KeyState, TokenAlgorithm};
use crate::store::{KeyHome, StoredKey};

/// Why the keys are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Time has passed.
    Tend,
    /// The algorithm is to be usable.
    Have(TokenAlgorithm),
    /// A new key is to sign now, for each algorithm in use; whether it was published long enough is
    /// the caller's to know.
    Rotate,
    /// The key with this `kid` is in wrong hands.
    Revoke(String),
}

/// When keys change, and where new ones come to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// How long a key signs.
    pub(super) rotate_seconds: i64,
    /// How long a key is published before it signs.
    pub(super) publish_seconds: i64,
    pub(super) home: KeyHome,
}

impl Plan {
    /// When `next` signs in the place of `active`, if nobody wishes otherwise.
    pub(super) fn rotates_at(&self, active: &StoredKey, next: &StoredKey) -> i64 {
        active.since.saturating_add(self.rotate_seconds).max(self.known_at(next))
    }

    /// From when on everybody knows a key that was published.
    pub(super) fn known_at(&self, next: &StoredKey) -> i64 {
        next.since.saturating_add(self.publish_seconds)
    }
}

/// In order: a key retires before another becomes active, and only then comes a new next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Remove { kid: String },
    Retire { kid: String },
    Revoke { kid: String },
    Activate { kid: String },
    Make { algorithm: TokenAlgorithm, state: KeyState },
}

pub(super) fn steps(keys: &[StoredKey], wish: &Wish, plan: &Plan, now: i64) -> Vec<Step> {
    let over = |key: &&StoredKey| is_past(key.state) && key.gone_after < now;
    let mut steps: Vec<Step> =
        keys.iter().filter(over).map(|key| Step::Remove { kid: key.kid.clone() }).collect();
    let ended = |key: &&StoredKey| {
        key.state != KeyState::Revoked && matches!(wish, Wish::Revoke(kid) if *kid == key.kid)
    };
    if let Some(key) = keys.iter().find(ended) {
        steps.push(Step::Revoke { kid: key.kid.clone() });
    }
    for algorithm in in_use(keys, wish) {
        let of = |state| {
            let mut same = keys.iter().filter(|key| key.algorithm == algorithm && !ended(key));
            same.find(|key| key.state == state)
        };
        let (mut active, mut next) = (of(KeyState::Active), of(KeyState::Next));
        // Where new keys come to be elsewhere, those that are there already stop signing.
        if let Some(key) = next.take_if(|key| key.home != plan.home) {
            steps.push(Step::Remove { kid: key.kid.clone() });
        }
        if let Some(key) = active.take_if(|key| key.home != plan.home) {
            steps.push(Step::Retire { kid: key.kid.clone() });
        }
        let make = |state| Step::Make { algorithm, state };
        match (active, next) {
            (Some(active), Some(next)) => {
                if *wish == Wish::Rotate || now >= plan.rotates_at(active, next) {
                    steps.push(Step::Retire { kid: active.kid.clone() });
                    steps.push(Step::Activate { kid: next.kid.clone() });
                    steps.push(make(KeyState::Next));
                }
            }
            (Some(_), None) => steps.push(make(KeyState::Next)),
            (None, Some(next)) => {
                steps.push(Step::Activate { kid: next.kid.clone() });
                steps.push(make(KeyState::Next));
            }
            (None, None) => {
                steps.push(make(KeyState::Active));
                steps.push(make(KeyState::Next));
            }
        }
    }
    steps
}

const fn is_past(state: KeyState) -> bool {
    matches!(state, KeyState::Retiring | KeyState::Revoked)
}

/// An algorithm stays in use once it has a key that is not past.
fn in_use(keys: &[StoredKey], wish: &Wish) -> Vec<TokenAlgorithm> {
    let serving = keys.iter().filter(|key| !is_past(key.state));
    let mut algorithms: Vec<_> = serving.map(|key| key.algorithm).collect();
    if let Wish::Have(algorithm) = wish {
        algorithms.push(*algorithm);
    }
    algorithms.sort_unstable();
    algorithms.dedup();
    algorithms
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { rotate_seconds: 100, publish_seconds: 10, home: KeyHome::Store };

    /// `keys` is "kid:algorithm:state:since[:end] …"; keys sign for 100 seconds, and are published 10
    /// before; `taken` are the steps.
    #[track_caller]
    fn check(keys: &str, wish: &Wish, now: i64, taken: &str) {
        check_at(keys, wish, &PLAN, now, taken);
    }

    #[track_caller]
    fn check_at(keys: &str, wish: &Wish, plan: &Plan, now: i64, taken: &str) {
        let keys: Vec<StoredKey> = keys.split_whitespace().map(key).collect();
        let said: Vec<String> = steps(&keys, wish, plan, now)
            .into_iter()
            .map(|step| match step {
                Step::Remove { kid } => format!("remove {kid}"),
                Step::Retire { kid } => format!("retire {kid}"),
                Step::Revoke { kid } => format!("revoke {kid}"),
                Step::Activate { kid } => format!("activate {kid}"),
                Step::Make { algorithm, state } => format!("make {algorithm} {}", state.name()),
            })
            .collect();
        assert_eq!(said.join(", "), taken);
    }

    fn key(text: &str) -> StoredKey {
        let parts: Vec<&str> = text.split(':').collect();
        StoredKey {
            kid: parts[0].to_owned(),
            algorithm: parts[1].parse().expect("an algorithm"),
            state: KeyState::find(parts[2]).expect("a state"),
            home: KeyHome::Store,
            sealed: String::new(),
            since: parts[3].parse().expect("a time"),
            gone_after: parts.get(4).map_or(0, |at| at.parse().expect("a time")),
        }
    }

    const ES: Wish = Wish::Have(TokenAlgorithm::Es256);
    const RS: Wish = Wish::Have(TokenAlgorithm::Rs256);
    const PAIR: &str = "a:ES256:active:0 n:ES256:next:0";

    #[test]
    fn a_first_start_makes_a_key_that_signs_and_one_that_will() {
        check("", &ES, 0, "make ES256 active, make ES256 next");
        check(PAIR, &ES, 0, "");
    }

    #[test]
    fn a_key_signs_for_its_time_and_no_longer() {
        check(PAIR, &Wish::Tend, 99, "");
        check(PAIR, &Wish::Tend, 100, "retire a, activate n, make ES256 next");
        check(PAIR, &Wish::Rotate, 1, "retire a, activate n, make ES256 next");
    }

    #[test]
    fn a_key_that_not_everybody_knows_does_not_sign_for_its_turn_alone() {
        let late = "a:ES256:active:0 n:ES256:next:95";
        check(late, &Wish::Tend, 100, "");
        check(late, &Wish::Tend, 104, "");
        check(late, &Wish::Tend, 105, "retire a, activate n, make ES256 next");
        check(late, &Wish::Rotate, 96, "retire a, activate n, make ES256 next");
    }

    #[test]
    fn a_retiring_key_stays_until_its_last_token_has_ended() {
        let keys = format!("{PAIR} r:ES256:retiring:0:50");
        check(&keys, &Wish::Tend, 50, "");
        check(&keys, &Wish::Tend, 51, "remove r");
    }

    #[test]
    fn another_algorithm_gets_keys_of_its_own() {
        check(PAIR, &RS, 0, "make RS256 active, make RS256 next");
        let both = format!("{PAIR} b:RS256:active:90 m:RS256:next:90");
        check(&both, &Wish::Tend, 100, "retire a, activate n, make ES256 next");
        check("r:ES256:retiring:0:500", &Wish::Tend, 1, "");
    }

    #[test]
    fn what_a_lost_process_left_undone_is_completed() {
        check("a:ES256:active:0", &Wish::Tend, 1, "make ES256 next");
        check("n:ES256:next:0", &Wish::Tend, 1, "activate n, make ES256 next");
    }

    #[test]
    fn a_revoked_key_is_followed_at_once() {
        let revoke = |kid: &str| Wish::Revoke(kid.to_owned());
        check(PAIR, &revoke("a"), 1, "revoke a, activate n, make ES256 next");
        check(PAIR, &revoke("n"), 1, "revoke n, make ES256 next");
        check("a:ES256:active:0", &revoke("a"), 1, "revoke a, make ES256 active, make ES256 next");
        let keys = format!("{PAIR} r:ES256:retiring:0:50 x:ES256:revoked:0:60");
        check(&keys, &revoke("r"), 1, "revoke r");
        check(&keys, &revoke("x"), 1, "");
        check(&keys, &revoke("other"), 1, "");
        check(&keys, &Wish::Tend, 61, "remove r, remove x");
    }

    #[test]
    fn keys_that_come_to_be_elsewhere_take_over_at_once() {
        let plan = Plan { home: KeyHome::Hsm, ..PLAN };
        let taken = "remove n, retire a, make ES256 active, make ES256 next";
        check_at(PAIR, &Wish::Tend, &plan, 1, taken);
    }
}
