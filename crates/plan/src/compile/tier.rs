//! How much does a tier allow?

use std::sync::Arc;
use std::time::Duration;

use throttle::{
    Authority, Effect, Limit, LimitError, Measure, MeterConfig, OnFailure, Period, Quota, Rate,
    Sharing, Span, Strategy, Unit,
};
use turnpike_proto::config::v1 as proto;
use turnpike_proto::config::v1::counting::{Authority as Who, Failure, Strategy as How};
use turnpike_proto::config::v1::quota::{Direction, Period as Calendar};
use turnpike_proto::config::v1::tier_spec::Level;
use turnpike_proto::config::v1::{Tier, TierSpec};

use super::api::unknown;
use super::backend::positive;
use super::head::{check_description, required};
use super::tier_group::{GroupForm, compile_groups};
use crate::problem::{At, Problems};

/// Beside `quota`.
const MAX_QUOTAS: usize = 2;
const DAY: Duration = Duration::from_hours(24);

/// A tier, ready to be metered.
#[derive(Clone, Debug)]
pub(crate) struct TierPlan {
    pub(crate) level: Level,
    pub(crate) meter: MeterConfig,
    pub(crate) priority: u8,
    /// Whether each user is counted by itself.
    pub(crate) per_user: bool,
    /// Other limits for some calls; the first that fits is taken.
    pub(crate) groups: Arc<[GroupForm]>,
}

/// The limits that are written in one place.
#[derive(Clone, Copy)]
pub(super) struct Written<'s> {
    pub(super) quota: Option<&'s proto::Quota>,
    pub(super) quotas: &'s [proto::Quota],
    pub(super) burst: Option<&'s proto::Burst>,
    /// Whether a used-up quota refuses.
    pub(super) stops: bool,
    /// Whether the limits are only tried.
    pub(super) shadow: bool,
    pub(super) sharing: Sharing,
}

/// The tier that has no limits.
pub(crate) const UNLIMITED: &str = "Unlimited";
/// Of a tier that says none, and of calls without one.
pub const USUAL_PRIORITY: u8 = 5;
const HIGHEST_PRIORITY: u8 = 9;

pub(crate) fn compile_tier(name: &str, tier: &Tier, problems: &mut Problems) -> Option<TierPlan> {
    let spec = required(tier.spec.as_ref(), problems)?;
    let root = At::ROOT;
    let at = root.name("spec");
    if name == UNLIMITED {
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
    let written = Written {
        quota: spec.quota.as_ref(),
        quotas: &spec.quotas,
        burst: spec.burst.as_ref(),
        stops: spec.stop_on_quota_reached.unwrap_or(true),
        shadow: spec.shadow,
        sharing: compile_counting(spec.counting.as_ref(), &at.name("counting"), problems),
    };
    let meter = compile_limits(written, &at, problems);
    if spec.per_user && level == Level::Subscription {
        let reason = "a subscription counts its application, and not users";
        problems.add(&at.name("perUser"), reason, "it goes with `application` and `advanced`");
    }
    if !spec.conditions.is_empty() && level != Level::Advanced {
        let reason = "a tier of this level has the same limits for all calls";
        problems.add(&at.name("conditions"), reason, "they go with `level: advanced`");
    }
    let groups = compile_groups(spec, written, &at.name("conditions"), problems);
    let (meter, per_user) = (meter?, spec.per_user);
    let plan = TierPlan { level, meter, priority, per_user, groups };
    problems.is_empty().then_some(plan)
}

impl TierPlan {
    /// A tier that limits nothing.
    pub(crate) fn unlimited(level: Level) -> Self {
        Self::of(level, MeterConfig::unlimited())
    }

    /// A tier with these limits for all calls.
    pub(crate) fn of(level: Level, meter: MeterConfig) -> Self {
        let (priority, per_user, groups) = (USUAL_PRIORITY, false, Arc::default());
        Self { level, meter, priority, per_user, groups }
    }
}

/// What is written comes to these limits; `None`: they cannot be counted, which is told.
pub(super) fn compile_limits(
    written: Written<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<MeterConfig> {
    let of_quotas = if written.stops { Effect::Refuse } else { Effect::Mark };
    let effect = |usual| if written.shadow { Effect::Shadow } else { usual };
    let quotas = compile_quotas(written, at, problems).into_iter();
    let quotas = quotas.map(|limit| Limit { effect: effect(of_quotas), ..limit });
    let burst = compile_burst(written.burst, at, problems).map(|burst| Limit {
        effect: effect(Effect::Refuse),
        ..Limit::of_calls(Measure::Rate(burst))
    });
    let limits: Vec<_> = quotas.chain(burst).collect();
    Some(MeterConfig::new(&limits).ok()?.shared(written.sharing))
}

fn compile_quotas(written: Written<'_>, at: &At<'_>, problems: &mut Problems) -> Vec<Limit> {
    let list = at.name("quotas");
    if written.quotas.len() > MAX_QUOTAS {
        let reason = format!("there are {}, at most {MAX_QUOTAS}", written.quotas.len());
        problems.add(&list, reason, "");
        return Vec::new();
    }
    let first = written.quota;
    let first = first.and_then(|quota| compile_quota(quota, &at.name("quota"), problems));
    let further = written.quotas.iter().enumerate();
    let further: Vec<_> = further
        .filter_map(|(index, quota)| compile_quota(quota, &list.index(index), problems))
        .collect();
    first.into_iter().chain(further).collect()
}

fn compile_quota(quota: &proto::Quota, at: &At<'_>, problems: &mut Problems) -> Option<Limit> {
    let (unit, amount, field) = match (quota.requests, quota.bytes, quota.events) {
        (requests, 0, 0) => (Unit::Requests, requests, "requests"),
        (0, bytes, 0) => (compile_direction(quota, at, problems), bytes, "bytes"),
        (0, 0, events) => (Unit::Events, events, "events"),
        _ => {
            problems.add(at, "it counts more than one thing", "write a quota for each");
            return None;
        }
    };
    if field != "bytes" && quota.direction != 0 {
        problems.add(&at.name("direction"), "only bytes have one", "it goes with `bytes`");
    }
    check_requests(amount, field, at, problems);
    let span = compile_span(quota, at, problems)?;
    match Quota::new(amount, span) {
        Ok(quota) => {
            let measure = Measure::Quota(quota);
            Some(Limit { measure, unit, effect: Effect::Refuse })
        }
        Err(LimitError::TooMuch) => {
            let reason = LimitError::TooMuch.to_string();
            problems.add(&at.name(field), reason, "take a longer time");
            None
        }
        Err(_) => None,
    }
}

fn compile_direction(quota: &proto::Quota, at: &At<'_>, problems: &mut Problems) -> Unit {
    match Direction::try_from(quota.direction) {
        Ok(Direction::Both) => Unit::Bytes,
        Ok(Direction::Request) => Unit::BytesIn,
        Ok(Direction::Response) => Unit::BytesOut,
        Err(_) => {
            problems.add(&at.name("direction"), unknown(quota.direction), "");
            Unit::Bytes
        }
    }
}

fn compile_span(quota: &proto::Quota, at: &At<'_>, problems: &mut Problems) -> Option<Span> {
    let period = match Calendar::try_from(quota.calendar) {
        Ok(Calendar::None) => None,
        Ok(Calendar::Day) => Some(Period::Day),
        Ok(Calendar::Week) => Some(Period::Week),
        Ok(Calendar::Month) => Some(Period::Month),
        Ok(Calendar::Year) => Some(Period::Year),
        Err(_) => {
            problems.add(&at.name("calendar"), unknown(quota.calendar), "");
            return None;
        }
    };
    let offset = quota.utc_offset_minutes;
    let Some(period) = period else {
        if offset != 0 {
            let suggestion = "it goes with `calendar`";
            problems.add(&at.name("utcOffsetMinutes"), "`per` knows no places", suggestion);
        }
        let per = quota.per.as_ref().and_then(|per| positive(per, 400 * DAY));
        let Some(per) = per.filter(|per| *per >= Duration::from_secs(1)) else {
            let reason = "a quota's window is 1 second to 400 days";
            problems.add(&at.name("per"), reason, "write for example `60s`, or a `calendar`");
            return None;
        };
        return if quota.rolling { Span::rolling(per) } else { Span::fixed(per) }.ok();
    };
    if quota.per.is_some() || quota.rolling {
        problems.add(at, "it has a period of the calendar and another time", "keep one of them");
    }
    let span = i16::try_from(offset).ok().and_then(|it| Span::calendar(period, it).ok());
    if span.is_none() {
        let reason = format!("{offset} minutes are no place's, -720 to 840");
        problems.add(&at.name("utcOffsetMinutes"), reason, "");
    }
    span
}

fn compile_burst(
    burst: Option<&proto::Burst>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Rate> {
    let burst = burst?;
    let at = at.name("burst");
    check_requests(burst.requests, "requests", &at, problems);
    let per = burst.per.as_ref().and_then(|per| positive(per, Duration::from_hours(1)));
    let Some(per) = per.filter(|per| *per >= Duration::from_millis(1)) else {
        let reason = "a burst is spread over 1 millisecond to 1 hour";
        problems.add(&at.name("per"), reason, "write for example `1s`");
        return None;
    };
    Rate::new(burst.requests, per).ok()
}

pub(super) fn compile_counting(
    counting: Option<&proto::Counting>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Sharing {
    let Some(counting) = counting else { return Sharing::default() };
    let (how, who) = (How::try_from(counting.strategy), Who::try_from(counting.authority));
    let strategy = match (how, who) {
        (Ok(How::InProcess), Ok(Who::ControlPlane)) => Strategy::InProcess,
        (Ok(How::Split), Ok(Who::ControlPlane)) => Strategy::Split,
        (Ok(How::Lease), Ok(Who::ControlPlane)) => Strategy::Lease(Authority::ControlPlane),
        (Ok(How::Lease), Ok(Who::Store)) => Strategy::Lease(Authority::Store),
        (Ok(How::Strict), Ok(Who::Store)) => Strategy::Strict,
        (Ok(How::Strict), Ok(Who::ControlPlane)) => {
            let reason = "the control plane is not asked call by call";
            problems.add(at, reason, "write `authority: store`, or `strategy: lease`");
            Strategy::default()
        }
        (Ok(How::InProcess | How::Split), Ok(Who::Store)) => {
            let reason = "nobody is asked, so there is no authority";
            problems.add(&at.name("authority"), reason, "it goes with `lease` and `strict`");
            Strategy::default()
        }
        (Err(_), _) => {
            problems.add(&at.name("strategy"), unknown(counting.strategy), "");
            Strategy::default()
        }
        (_, Err(_)) => {
            problems.add(&at.name("authority"), unknown(counting.authority), "");
            Strategy::default()
        }
    };
    let on_failure = Failure::try_from(counting.on_failure).unwrap_or_else(|_| {
        problems.add(&at.name("onFailure"), unknown(counting.on_failure), "");
        Failure::Local
    });
    if on_failure != Failure::Local && strategy.authority().is_none() {
        let reason = "nobody is asked who could fail";
        problems.add(&at.name("onFailure"), reason, "it goes with `lease` and `strict`");
    }
    let on_failure = match on_failure {
        Failure::Local => OnFailure::Local,
        Failure::Open => OnFailure::Open,
        Failure::Closed => OnFailure::Closed,
    };
    Sharing { strategy, on_failure }
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

fn check_requests(amount: u64, field: &str, at: &At<'_>, problems: &mut Problems) {
    if amount == 0 {
        let suggestion = "to refuse every call, block the subscription";
        problems.add(&at.name(field), "at least one request is allowed", suggestion);
    }
}

#[cfg(test)]
#[path = "tier_tests.rs"]
mod tests;
