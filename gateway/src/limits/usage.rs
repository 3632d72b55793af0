//! How full are the limits of an application at this gateway?

use std::sync::Arc;

use plan::Plan;
use throttle::{LimitUsage, Meter};

use crate::counters::Journal;

/// Whose limits, and of which.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// Name of the application.
    pub application: &'a str,
    /// The APIs and products, as `name:version`, whose subscriptions are asked about.
    pub apis: &'a [String],
    /// Whose part of limits that are per user; empty: nobody's.
    pub user: &'a str,
    /// Whether they begin afresh first.
    pub reset: bool,
}

/// What a limit is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// The calls of an application to an API.
    Subscription,
    /// All calls of an application.
    Application,
    /// Those of one of its users.
    ApplicationUser,
}

/// How full one limit is.
#[derive(Clone, Debug)]
pub(super) struct Usage {
    /// What it is one of.
    pub level: Level,
    /// The API or product; empty: all.
    pub api: String,
    /// The tier that says it.
    pub tier: Arc<str>,
    /// Whose it is.
    pub meter: Arc<Meter>,
    /// Its place among the limits of the meter.
    pub index: usize,
    /// How full it is.
    pub used: LimitUsage,
}

/// The limits that this gateway has to do with; who is not known here has none.
pub(super) fn usage(plan: &Plan, journal: &Journal, asked: Asked<'_>, now_us: u64) -> Vec<Usage> {
    let application = plan.application(asked.application);
    let of_user = application.filter(|_| !asked.user.is_empty()).and_then(|it| {
        let users = it.users.as_ref()?;
        let meter = users.meter(users.subject(asked.user), now_us).ok()?;
        Some((Level::ApplicationUser, "", &it.tier, meter))
    });
    let of_application =
        application.map(|it| (Level::Application, "", &it.tier, Arc::clone(&it.meter)));
    let of_apis = asked.apis.iter().filter_map(|api| {
        let subscription = plan.subscription(asked.application, api)?;
        let meter = Arc::clone(&subscription.meter);
        Some((Level::Subscription, api.as_str(), &subscription.tier, meter))
    });
    let mut all = Vec::new();
    for (level, api, tier, meter) in of_application.into_iter().chain(of_user).chain(of_apis) {
        let meter = &meter;
        journal.wake(meter);
        if asked.reset {
            meter.reset();
            journal.note(meter);
        }
        all.extend(meter.usage(now_us).enumerate().map(|(index, used)| Usage {
            level,
            api: api.to_owned(),
            tier: Arc::clone(tier),
            meter: Arc::clone(meter),
            index,
            used,
        }));
    }
    all
}
