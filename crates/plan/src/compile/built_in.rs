//! Which tiers exist without anybody writing them?
//!
//! Those of WSO2 API Manager. A resource of the same name takes the place of any but `Unlimited`.

use std::time::Duration;

use throttle::{Effect, Limit, Measure, MeterConfig, Quota, Span, Unit};
use turnpike_proto::config::v1::tier_spec::Level;

use super::tier::{TierPlan, UNLIMITED};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// The tier of callers who show nothing, where the API names none.
pub(crate) const UNAUTHENTICATED: &str = "Unauthenticated";
/// The tier of callers who need no subscription, where the API names none.
pub(crate) const SUBSCRIPTIONLESS: &str = "DefaultSubscriptionless";

/// Name, level, how many of which units in which time.
const TIERS: [(&str, Level, u64, Unit, Duration); 14] = [
    ("50PerMin", Level::Application, 50, Unit::Requests, MINUTE),
    ("20PerMin", Level::Application, 20, Unit::Requests, MINUTE),
    ("10PerMin", Level::Application, 10, Unit::Requests, MINUTE),
    ("Gold", Level::Subscription, 5_000, Unit::Requests, MINUTE),
    ("Silver", Level::Subscription, 2_000, Unit::Requests, MINUTE),
    ("Bronze", Level::Subscription, 1_000, Unit::Requests, MINUTE),
    (UNAUTHENTICATED, Level::Subscription, 500, Unit::Requests, MINUTE),
    (SUBSCRIPTIONLESS, Level::Subscription, 10_000, Unit::Requests, MINUTE),
    ("AsyncGold", Level::Subscription, 50_000, Unit::Events, DAY),
    ("AsyncSilver", Level::Subscription, 25_000, Unit::Events, DAY),
    ("AsyncBronze", Level::Subscription, 5_000, Unit::Events, DAY),
    ("50KPerMin", Level::Advanced, 50_000, Unit::Requests, MINUTE),
    ("20KPerMin", Level::Advanced, 20_000, Unit::Requests, MINUTE),
    ("10KPerMin", Level::Advanced, 10_000, Unit::Requests, MINUTE),
];

/// The names of tiers that exist always.
pub(crate) fn built_in_tiers() -> impl Iterator<Item = &'static str> {
    std::iter::once(UNLIMITED).chain(TIERS.iter().map(|(name, ..)| *name))
}

/// Whether a tier of this name exists always and is of another level.
pub(crate) fn is_of_other_level(name: &str, level: Level) -> bool {
    TIERS.iter().any(|(known, of, ..)| *known == name && *of != level)
}

/// Whether a tier of this name and level exists without anybody writing it.
pub fn is_built_in_tier(name: &str, level: Level) -> bool {
    name == UNLIMITED || TIERS.iter().any(|(known, of, ..)| *known == name && *of == level)
}

/// The tier of this name and level that exists without being written.
pub(crate) fn built_in_tier(name: &str, level: Level) -> Option<TierPlan> {
    if name == UNLIMITED {
        return Some(TierPlan::unlimited(level));
    }
    let (.., amount, unit, per) =
        TIERS.iter().find(|(known, of, ..)| *known == name && *of == level)?;
    let quota = Span::fixed(*per).and_then(|span| Quota::new(*amount, span)).ok()?;
    let limit = Limit { measure: Measure::Quota(quota), unit: *unit, effect: Effect::Refuse };
    Some(TierPlan::of(level, MeterConfig::new(&[limit]).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_tier_of_its_level_and_of_no_other() {
        for (name, level, amount, ..) in TIERS {
            let tier = built_in_tier(name, level).unwrap();
            let amounts: Vec<_> = tier.meter.limits().iter().map(Limit::amount).collect();
            assert_eq!(amounts, [amount], "{name}");
            for other in [Level::Application, Level::Subscription, Level::Advanced] {
                assert_eq!(built_in_tier(name, other).is_none(), other != level, "{name}");
                assert_eq!(is_of_other_level(name, other), other != level, "{name}");
            }
        }
    }
}
