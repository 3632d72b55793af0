//! Which step does the life of the keys take now?
//!
//! Pure: keys and time in, steps out. For each algorithm in use there is one key that signs and
//! one that everybody already knows before it signs; keys that signed stay until the last token
//! they signed has ended (KM-080, KM-081).

use crate::domain::{KeyState, TokenAlgorithm};
use crate::store::StoredKey;

/// Why the keys are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Time has passed.
    Tend,
    /// The algorithm is to be usable.
    Have(TokenAlgorithm),
    /// A new key is to sign now, for each algorithm in use.
    Rotate,
}

/// In order: a key retires before another becomes active, and only then comes a new next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Remove { kid: String },
    Retire { kid: String },
    Activate { kid: String },
    Make { algorithm: TokenAlgorithm, state: KeyState },
}

/// `rotate_seconds`: how long a key signs.
pub(super) fn steps(keys: &[StoredKey], wish: Wish, rotate_seconds: i64, now: i64) -> Vec<Step> {
    let over = |key: &&StoredKey| key.state == KeyState::Retiring && key.gone_after < now;
    let mut steps: Vec<Step> =
        keys.iter().filter(over).map(|key| Step::Remove { kid: key.kid.clone() }).collect();
    for algorithm in in_use(keys, wish) {
        let of = |state| keys.iter().find(|key| key.algorithm == algorithm && key.state == state);
        let due = |key: &StoredKey| {
            wish == Wish::Rotate || now.saturating_sub(key.since) >= rotate_seconds
        };
        let make = |state| Step::Make { algorithm, state };
        match (of(KeyState::Active), of(KeyState::Next)) {
            (Some(active), Some(next)) if due(active) => {
                steps.push(Step::Retire { kid: active.kid.clone() });
                steps.push(Step::Activate { kid: next.kid.clone() });
                steps.push(make(KeyState::Next));
            }
            (Some(_), Some(_)) => {}
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

/// An algorithm stays in use once it has a key that is not retiring.
fn in_use(keys: &[StoredKey], wish: Wish) -> Vec<TokenAlgorithm> {
    let serving = keys.iter().filter(|key| key.state != KeyState::Retiring);
    let mut algorithms: Vec<_> = serving.map(|key| key.algorithm).collect();
    if let Wish::Have(algorithm) = wish {
        algorithms.push(algorithm);
    }
    algorithms.sort_unstable();
    algorithms.dedup();
    algorithms
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `keys` is "kid:algorithm:state:since[:end] …"; keys sign for 100 seconds; `taken`
    /// are the steps.
    #[track_caller]
    fn check(keys: &str, wish: Wish, now: i64, taken: &str) {
        let keys: Vec<StoredKey> = keys.split_whitespace().map(key).collect();
        let said: Vec<String> = steps(&keys, wish, 100, now)
            .into_iter()
            .map(|step| match step {
                Step::Remove { kid } => format!("remove {kid}"),
                Step::Retire { kid } => format!("retire {kid}"),
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
        check("", ES, 0, "make ES256 active, make ES256 next");
        check(PAIR, ES, 0, "");
    }

    #[test]
    fn a_key_signs_for_its_time_and_no_longer() {
        check(PAIR, Wish::Tend, 99, "");
        check(PAIR, Wish::Tend, 100, "retire a, activate n, make ES256 next");
        check(PAIR, Wish::Rotate, 1, "retire a, activate n, make ES256 next");
    }

    #[test]
    fn a_retiring_key_stays_until_its_last_token_has_ended() {
        let keys = format!("{PAIR} r:ES256:retiring:0:50");
        check(&keys, Wish::Tend, 50, "");
        check(&keys, Wish::Tend, 51, "remove r");
    }

    #[test]
    fn another_algorithm_gets_keys_of_its_own() {
        check(PAIR, RS, 0, "make RS256 active, make RS256 next");
        let both = format!("{PAIR} b:RS256:active:90 m:RS256:next:90");
        check(&both, Wish::Tend, 100, "retire a, activate n, make ES256 next");
        check("r:RS256:retiring:0:500", Wish::Tend, 1, "");
    }

    #[test]
    fn what_a_lost_process_left_undone_is_completed() {
        check("a:ES256:active:0", Wish::Tend, 1, "make ES256 next");
        check("n:ES256:next:0", Wish::Tend, 1, "activate n, make ES256 next");
    }
}
