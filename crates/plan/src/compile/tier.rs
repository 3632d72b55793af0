//! How much does a tier allow?

use std::time::Duration;

use throttle::{MeterConfig, Quota, Rate};
use turnpike_proto::config::v1::tier_spec::Level;
use turnpike_proto::config::v1::{Tier, TierSpec};

use super::api::unknown;
use super::backend::positive;
use super::head::{check_description, required};
use crate::problem::{At, Problems};

const DAY: Duration = Duration::from_hours(24);

/// A tier, ready to be metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TierPlan {
    pub(crate) level: Level,
    pub(crate) meter: MeterConfig,
    pub(crate) priority: u8,
}

/// Of a tier that says none, and of calls without one.
pub const USUAL_PRIORITY: u8 = 5;
const HIGHEST_PRIORITY: u8 = 9;

pub(crate) fn compile_tier(name: &str, tier: &Tier, problems: &mut Problems) -> Option<TierPlan> {
    let spec = required(tier.spec.as_ref(), problems)?;
    let root = At::ROOT;
    let at = root.name("spec");
    if name == "Unlimited" {
        let at = root.name("metadata");
        let reason = "the tier `Unlimited` exists always and has no limits";
        problems.add(&at.name("name"), reason, "choose another name");
    }
    check_description(&spec.description, &at.name("description"), problems);
    let level = Level::try_from(spec.level).unwrap_or_else(|_| {
        problems.add(&at.name("level"), unknown(spec.level), "");
        Level::Subscription
    });
    let priority = compile_priority(spec, &at, problems);
    let meter = MeterConfig {
        rate: compile_burst(spec, &at, problems),
        quota: compile_quota(spec, &at, problems),
        stop_on_quota: spec.stop_on_quota_reached.unwrap_or(true),
    };
    problems.is_empty().then_some(TierPlan { level, meter, priority })
}

fn compile_quota(spec: &TierSpec, at: &At<'_>, problems: &mut Problems) -> Option<Quota> {
    let quota = spec.quota.as_ref()?;
    let at = at.name("quota");
    check_requests(quota.requests, &at, problems);
    let per = quota.per.as_ref().and_then(|per| positive(per, 400 * DAY));
    let Some(per) = per.filter(|per| *per >= Duration::from_secs(1)) else {
        let reason = "a quota's window is 1 second to 400 days";
        problems.add(&at.name("per"), reason, "write for example `60s`");
        return None;
    };
    Quota::new(quota.requests, per).ok()
}

fn compile_burst(spec: &TierSpec, at: &At<'_>, problems: &mut Problems) -> Option<Rate> {
    let burst = spec.burst.as_ref()?;
    let at = at.name("burst");
    check_requests(burst.requests, &at, problems);
    let per = burst.per.as_ref().and_then(|per| positive(per, Duration::from_hours(1)));
    let Some(per) = per.filter(|per| *per >= Duration::from_millis(1)) else {
        let reason = "a burst is spread over 1 millisecond to 1 hour";
        problems.add(&at.name("per"), reason, "write for example `1s`");
        return None;
    };
    Rate::new(burst.requests, per).ok()
}

fn compile_priority(spec: &TierSpec, at: &At<'_>, problems: &mut Problems) -> u8 {
    let Some(said) = spec.priority else { return USUAL_PRIORITY };
    let priority = u8::try_from(said).ok().filter(|priority| *priority <= HIGHEST_PRIORITY);
    priority.unwrap_or_else(|| {
        let reason = format!("{said} is no priority");
        problems.add(&at.name("priority"), reason, "0 (let go of first) to 9");
        USUAL_PRIORITY
    })
}

fn check_requests(requests: u64, at: &At<'_>, problems: &mut Problems) {
    if requests == 0 {
        let suggestion = "to refuse every call, block the subscription";
        problems.add(&at.name("requests"), "at least one request is allowed", suggestion);
    }
}
