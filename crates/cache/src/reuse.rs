//! What is a kept answer good for?
//!
//! RFC 9111 §4.2 and §5.2.1: fresh, stale and still welcome, or to be asked about.

use crate::answer::Kept;
use crate::directives::Directives;
use crate::freshness::from_seconds;
use crate::storing::Question;

/// What may be done with a kept answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is given.
    Fresh,
    /// It is given, and a new one is fetched behind the client's back (RFC 5861 §3).
    Renew,
    /// It is given although it is stale: the client asked for that.
    Stale,
    /// Its server is asked first.
    Ask,
}

impl Kept {
    /// How old it is, in milliseconds.
    pub fn age(&self, now: i64) -> i64 {
        self.initial_age.saturating_add((now - self.answered).max(0))
    }

    /// How long it is still fresh, in milliseconds; negative: how long it has been stale.
    pub fn left(&self, now: i64) -> i64 {
        self.worth.lifetime - self.age(now)
    }

    /// What it is good for, now and for a request that says this.
    pub fn fit(&self, asked: &Directives, now: i64) -> Fit {
        let (said, left) = (&self.worth.said, self.left(now));
        if said.no_cache || asked.no_cache {
            return Fit::Ask;
        }
        if asked.max_age.is_some_and(|most| self.age(now) > from_seconds(most))
            || asked.min_fresh.is_some_and(|least| left < from_seconds(least))
        {
            return Fit::Ask;
        }
        if left > 0 {
            return Fit::Fresh;
        }
        let stale = -left;
        let strict = said.must_revalidate || said.s_maxage.is_some();
        if !strict && asked.max_stale.is_some_and(|most| stale <= from_seconds(most)) {
            return Fit::Stale;
        }
        if stale < self.worth.stale_while { Fit::Renew } else { Fit::Ask }
    }

    /// Whether it was chosen by fields that this request has, too.
    pub fn suits(&self, question: &Question<'_>) -> bool {
        self.worth.variant.fits(question.headers)
    }

    /// Whether it may be given because its server fails (RFC 5861 §4).
    pub fn helps_out(&self, now: i64) -> bool {
        -self.left(now) < self.worth.stale_if_error
    }
}
