//! What are the limits of one subject?
//!
//! Up to four, in the order in which they are asked, and how gateways count them together.

use std::sync::Arc;

use crate::{LimitError, Quota, Rate, Sharing, Unit};

/// The most limits of one meter.
pub(crate) const MOST_LIMITS: usize = 4;

/// The limits of a subject, in the order in which they are asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MeterConfig(Arc<Terms>);

/// Behind one pointer: there is a `MeterConfig` in each of a million meters.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Terms {
    limits: Box<[Limit]>,
    sharing: Sharing,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// How much of what it counts.
    pub measure: Measure,
    /// What it counts.
    pub unit: Unit,
    /// What happens where it is used up.
    pub effect: Effect,
}

/// How much may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// A pace.
    Rate(Rate),
    /// A number per stretch of time.
    Quota(Quota),
}

/// What happens where a limit is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Calls are refused.
    Refuse,
    /// Calls pass, are counted, and are marked by `Hold::over_quota`.
    Mark,
    /// Calls pass, are not counted, and are told by `Hold::shadow`: what refusing would do.
    Shadow,
}

impl MeterConfig {
    /// At most four limits, which each gateway counts for itself.
    pub fn new(limits: &[Limit]) -> Result<Self, LimitError> {
        if limits.len() > MOST_LIMITS {
            return Err(LimitError::TooMany);
        }
        Ok(Self::of(limits.into(), Sharing::default()))
    }

    /// No limits.
    pub fn unlimited() -> Self {
        Self::of(Box::default(), Sharing::default())
    }

    /// The same limits, counted together as `sharing` says.
    #[must_use]
    pub fn shared(self, sharing: Sharing) -> Self {
        Self::of(self.limits().into(), sharing)
    }

    pub(crate) fn of(limits: Box<[Limit]>, sharing: Sharing) -> Self {
        Self(Arc::new(Terms { limits, sharing }))
    }

    /// Where it is in memory: all that were cloned of one are in the same place, and no other one is while
    /// one of them is there.
    pub fn place(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// The limits.
    pub fn limits(&self) -> &[Limit] {
        &self.0.limits
    }

    /// How gateways count them together.
    pub fn sharing(&self) -> Sharing {
        self.0.sharing
    }
}

impl Limit {
    /// A limit of calls that refuses.
    pub const fn of_calls(measure: Measure) -> Self {
        Self { measure, unit: Unit::Requests, effect: Effect::Refuse }
    }

    /// The same limit of so many units, at least one.
    pub(crate) fn of(self, amount: u64) -> Self {
        let measure = match self.measure {
            Measure::Rate(rate) => Measure::Rate(rate.of(amount)),
            Measure::Quota(quota) => Measure::Quota(quota.of(amount)),
        };
        Self { measure, ..self }
    }

    /// How many units fit.
    pub const fn amount(&self) -> u64 {
        match self.measure {
            Measure::Rate(rate) => rate.amount(),
            Measure::Quota(quota) => quota.amount(),
        }
    }

    /// In which time, in microseconds; of months and years the longest.
    pub const fn period_us(&self) -> u64 {
        match self.measure {
            Measure::Rate(rate) => rate.per_us(),
            Measure::Quota(quota) => quota.span().longest_us(),
        }
    }

    /// Whether it is a pace.
    pub const fn is_rate(&self) -> bool {
        matches!(self.measure, Measure::Rate(_))
    }

    /// Whether a counter of the one goes on as one of the other.
    pub(crate) fn counts_like(&self, other: &Self) -> bool {
        self.unit == other.unit && self.is_rate() == other.is_rate()
    }
}
