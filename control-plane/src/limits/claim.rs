//! What is a limit, where gateways say different things?
//!
//! While a change travels some gateways know the limit before it and some the one after it. The newest
//! configuration counts, and of two that are as new the narrower limit, unless nobody says it any more.

use throttle::{Limit, Measure};

/// Who is silent for so long about another form of the limit has changed its mind.
const STALE_US: u64 = 2_000_000;

/// What a gateway says that a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) measure: Measure,
    /// The revision of the configuration that says so; 0: not known.
    pub(super) revision: u64,
}

/// The claim in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct InForce {
    pub(super) claim: Claim,
    heard_us: u64,
}

impl InForce {
    pub(super) const fn new(claim: Claim, now_us: u64) -> Self {
        Self { claim, heard_us: now_us }
    }

    /// Whether another limit is in force from now on, because of `claim`.
    pub(super) fn hear(&mut self, claim: Claim, now_us: u64) -> bool {
        let held = self.claim;
        if claim.measure == held.measure {
            self.claim.revision = held.revision.max(claim.revision);
            self.heard_us = now_us;
            return false;
        }
        let stale = now_us.saturating_sub(self.heard_us) > STALE_US;
        let same = claim.revision == held.revision;
        let changes = claim.revision > held.revision
            || (same && (stale || is_narrower(claim.measure, held.measure)));
        if changes {
            *self = Self::new(claim, now_us);
        }
        changes
    }

    /// The line of revisions begins anew: none counts more than another one.
    pub(super) const fn forget_revision(&mut self) {
        self.claim.revision = 0;
    }
}

/// Whether one lets less through than the other.
fn is_narrower(one: Measure, other: Measure) -> bool {
    let per = |a: Measure, b: Measure| {
        let (a, b) = (Limit::of_calls(a), Limit::of_calls(b));
        u128::from(a.amount()) * u128::from(b.period_us())
    };
    per(one, other) < per(other, one)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use throttle::Rate;

    use super::*;

    fn claim(text: &str) -> Claim {
        let (amount, revision) = text.split_once('@').unwrap();
        let rate = Rate::new(amount.parse().unwrap(), Duration::from_secs(1)).unwrap();
        Claim { measure: Measure::Rate(rate), revision: revision.parse().unwrap() }
    }

    /// Claims "amount@revision" that come after so many milliseconds each; what is in force in the end.
    #[track_caller]
    fn check(claims: &[(u64, &str)], expected: &str) {
        let mut now_us = 0;
        let mut in_force = InForce::new(claim("100@1"), now_us);
        for (after_ms, said) in claims {
            now_us += after_ms * 1_000;
            in_force.hear(claim(said), now_us);
        }
        assert_eq!(in_force.claim, claim(expected));
    }

    #[test]
    fn the_newest_configuration_counts() {
        check(&[(0, "200@2"), (1, "100@1"), (5_000, "50@1")], "200@2");
        check(&[(0, "50@2"), (5_000, "100@1")], "50@2");
    }

    #[test]
    fn of_two_that_are_as_new_the_narrower_counts_while_it_is_said() {
        check(&[(0, "200@1")], "100@1");
        check(&[(0, "50@1"), (1_000, "100@1")], "50@1");
        check(&[(0, "50@1"), (2_001, "100@1")], "100@1");
    }
}
