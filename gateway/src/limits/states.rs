//! How is the control plane told how full limits are?

use plan::Plan;
use throttle::{Authority, OnFailure, Sharing, Strategy, Subject};
use turnpike_proto::config::v1::{
    Counting, LimitQuery, LimitState, LimitStates, SharedLimit, counting, limit_state,
};

use super::to_proto::shared_limit;
use super::usage::{self, Asked, Level, Usage};
use crate::counters::Journal;

/// The answer to a query: the limits that it asks about begin afresh before, where it says so.
pub(super) fn states(
    plan: &Plan,
    journal: &Journal,
    query: &LimitQuery,
    now_us: u64,
) -> LimitStates {
    let LimitQuery { application, apis, user, reset, .. } = query;
    let asked = Asked { application, apis, user, reset: *reset };
    let states = usage::usage(plan, journal, asked, now_us).iter().map(state).collect();
    LimitStates { query: query.query, states }
}

fn state(usage: &Usage) -> LimitState {
    let level = match usage.level {
        Level::Subscription => limit_state::Level::Subscription,
        Level::Application => limit_state::Level::Application,
        Level::ApplicationUser => limit_state::Level::ApplicationUser,
    };
    LimitState {
        level: level.into(),
        api: usage.api.clone(),
        tier: usage.tier.to_string(),
        limit: Some(limit(usage)),
        used: usage.used.used,
        remaining: usage.used.state.remaining,
        reset_us: usage.used.state.reset_us,
        part: usage.used.part,
        counting: Some(counting(usage.meter.config().sharing())),
    }
}

/// The limit; one that only this gateway knows has no name.
fn limit(usage: &Usage) -> SharedLimit {
    let Usage { meter, index, used, .. } = usage;
    let name = meter.name().or_else(|| meter.kept_as());
    let limit = shared_limit(name.unwrap_or(Subject([0; 16])), *index, &used.state.limit);
    if name.is_some() { limit } else { SharedLimit { counter: Vec::new(), ..limit } }
}

fn counting(sharing: Sharing) -> Counting {
    let strategy = match sharing.strategy {
        Strategy::InProcess => counting::Strategy::InProcess,
        Strategy::Split => counting::Strategy::Split,
        Strategy::Lease(_) => counting::Strategy::Lease,
        Strategy::Strict => counting::Strategy::Strict,
    };
    let authority = match sharing.strategy.authority() {
        Some(Authority::Store) => counting::Authority::Store,
        Some(Authority::ControlPlane) | None => counting::Authority::ControlPlane,
    };
    let on_failure = match sharing.on_failure {
        OnFailure::Local => counting::Failure::Local,
        OnFailure::Open => counting::Failure::Open,
        OnFailure::Closed => counting::Failure::Closed,
    };
    Counting {
        strategy: strategy.into(),
        authority: authority.into(),
        on_failure: on_failure.into(),
    }
}
