//! Which limits does an API have, beside those of its callers?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use throttle::{Limit, Measure, Meter, MeterConfig, Rate, Sharing, Subject};
use turnpike_proto::config::v1::tier_spec::Level;
use turnpike_proto::config::v1::{MaxTps, Operation, Throttle};

use super::backend::positive;
use super::built_in::{SUBSCRIPTIONLESS, UNAUTHENTICATED};
use super::counters::{Keyed, LimitsPlan, Place};
use super::named::Named;
use super::operation::OperationPlan;
use super::tier::{TierPlan, UNLIMITED, compile_counting};
use crate::objects::or_default;
use crate::problem::{At, Problems};

/// The limits of an API or a product; each is `None` where there is none.
#[derive(Debug, Default)]
pub struct ThrottlePlan {
    /// Of all calls, but for those of operations that have limits of their own.
    pub limits: Option<LimitsPlan>,
    /// How much its production backends take.
    pub production: Option<Arc<Meter>>,
    /// How much its sandbox backends take.
    pub sandbox: Option<Arc<Meter>>,
    /// Of whoever shows nothing, by address.
    pub unauthenticated: Option<Keyed>,
    /// Of each caller who needs no subscription and has none.
    pub subscriptionless: Option<Keyed>,
}

/// Whose limits are compiled.
#[derive(Clone, Copy)]
pub(super) struct Limited<'s> {
    /// `name:version`.
    pub(super) id: &'s str,
    /// Whether it has backends of its own.
    pub(super) has_backends: bool,
    pub(super) named: Named<'s>,
}

impl ThrottlePlan {
    /// Goes on counting where `old`, of the same API, has.
    pub(super) fn count_on(&mut self, old: &Self, id: &str) {
        if let (Some(new), Some(old)) = (&mut self.limits, &old.limits) {
            new.count_on(old);
        }
        let backends = [
            (&mut self.production, &old.production, "production"),
            (&mut self.sandbox, &old.sandbox, "sandbox"),
        ];
        for (new, old, which) in backends {
            if let (Some(new), Some(old)) = (new, old) {
                *new = old.under(new.config(), || backend(id, which));
            }
        }
        let keyed = [
            (&mut self.unauthenticated, &old.unauthenticated),
            (&mut self.subscriptionless, &old.subscriptionless),
        ];
        for (new, old) in keyed {
            if let (Some(new), Some(old)) = (new, old) {
                new.count_on(old);
            }
        }
    }

    /// These limits are in force from now on.
    pub(super) fn put_in_force(&self) {
        self.limits.iter().for_each(LimitsPlan::put_in_force);
        let keyed = [&self.unauthenticated, &self.subscriptionless];
        keyed.into_iter().flatten().for_each(Keyed::put_in_force);
    }

    /// Whether a tier of this name limits anybody.
    pub(super) fn is_limited_by(&self, tier: &str) -> bool {
        let keyed = [&self.unauthenticated, &self.subscriptionless].into_iter().flatten();
        let keyed = keyed.map(|keyed| &keyed.name);
        self.limits.iter().map(|limits| &limits.tier).chain(keyed).any(|name| **name == *tier)
    }
}

fn backend(id: &str, which: &str) -> Subject {
    Subject::of("backend", &[id, which])
}

/// The limits that are written; `None`: there are none.
pub(super) fn compile_throttle(
    written: Option<&Throttle>,
    limited: Limited<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Box<ThrottlePlan>> {
    let written = written?;
    let Limited { id, has_backends, named } = limited;
    let most = named.subjects();
    let mut plan = ThrottlePlan::default();
    if !written.tier.is_empty() {
        let tier = find(&written.tier, Level::Advanced, named, &at.name("tier"), problems);
        let limits = |tier| LimitsPlan::new(&written.tier, &tier, Place::Api(id.into()), most);
        plan.limits = tier.map(limits);
    }
    let mut keyed = |name: &str, scope, field| {
        let tier = find(name, Level::Subscription, named, &at.name(field), problems)?;
        let has_limits = !tier.meter.limits().is_empty();
        has_limits.then(|| Keyed::new(name, (scope, &[id]), &tier.meter, most))
    };
    let unauthenticated = or_default(&written.unauthenticated_tier, UNAUTHENTICATED);
    plan.unauthenticated = keyed(unauthenticated, "address", "unauthenticatedTier");
    let subscriptionless = or_default(&written.subscriptionless_tier, SUBSCRIPTIONLESS);
    plan.subscriptionless = keyed(subscriptionless, "subscriptionless", "subscriptionlessTier");
    if let Some(max) = &written.max_tps {
        let at = at.name("maxTps");
        if has_backends {
            (plan.production, plan.sandbox) = compile_max(max, id, &at, problems);
        } else {
            let reason = "a product has no backends of its own";
            problems.add(&at, reason, "say it at the APIs whose backends they are");
        }
    }
    Some(Box::new(plan))
}

/// The tier of this name; `None`: it is missing, which is told, or not at hand.
fn find(
    name: &str,
    level: Level,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<TierPlan> {
    match name {
        UNLIMITED => Some(TierPlan::unlimited(level)),
        name => named.tier(name, level, at, problems),
    }
}

type Backends = (Option<Arc<Meter>>, Option<Arc<Meter>>);

fn compile_max(max: &MaxTps, id: &str, at: &At<'_>, problems: &mut Problems) -> Backends {
    let sharing = compile_counting(max.counting.as_ref(), &at.name("counting"), problems);
    let per = match &max.per {
        None => Some(Duration::from_secs(1)),
        Some(per) => positive(per, Duration::from_hours(1)),
    };
    let Some(per) = per.filter(|per| *per >= Duration::from_millis(1)) else {
        let reason = "what backends take is said per 1 millisecond to 1 hour";
        problems.add(&at.name("per"), reason, "write for example `1s`");
        return (None, None);
    };
    if max.production.is_none() && max.sandbox.is_none() {
        let reason = "it does not say how much the backends take";
        problems.add(at, reason, "write `production`, `sandbox` or both");
    }
    let mut meter = |calls: Option<u64>, which: &str| {
        let calls = calls?;
        match Rate::new(calls, per) {
            Ok(rate) => Some(of_backend(rate, sharing, id, which)?),
            Err(error) => {
                problems.add(&at.name(which), error.to_string(), "");
                None
            }
        }
    };
    (meter(max.production, "production"), meter(max.sandbox, "sandbox"))
}

fn of_backend(rate: Rate, sharing: Sharing, id: &str, which: &str) -> Option<Arc<Meter>> {
    let config = MeterConfig::new(&[Limit::of_calls(Measure::Rate(rate))]).ok()?.shared(sharing);
    Some(Arc::new(Meter::named(config, || backend(id, which))))
}

/// Gives the operations of an API the limits of the tiers that they name.
pub(super) fn attach_limits(
    operations: &mut [Arc<OperationPlan>],
    written: &[Operation],
    limited: Limited<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) {
    let Limited { id, named, .. } = limited;
    let mut known: BTreeMap<&str, Option<TierPlan>> = BTreeMap::new();
    let each = operations.iter_mut().zip(written).enumerate();
    for (index, (operation, written)) in each.filter(|(_, (_, it))| !it.tier.is_empty()) {
        let at = at.index(index);
        let tier = known.entry(&written.tier).or_insert_with(|| {
            find(&written.tier, Level::Advanced, named, &at.name("tier"), problems)
        });
        // One that was met by nobody yet, so that it can be changed.
        if let (Some(tier), Some(operation)) = (tier, Arc::get_mut(operation)) {
            let spelled = format!("{} {}", written.method, written.path);
            let asks = operation.asks.as_ref().map_or("", |asks| &asks.spelling);
            let spelled = if asks.is_empty() { spelled } else { format!("{spelled}\n{asks}") };
            let place = Place::Operation(id.into(), spelled.into());
            let limits = LimitsPlan::new(&written.tier, tier, place, named.subjects());
            operation.limits = Some(Arc::new(limits));
        }
    }
}

/// Has the operations of an API go on counting where those of its earlier form have. Those of a
/// product are limited as at their API, and count there.
pub(super) fn count_on(operations: &mut [Arc<OperationPlan>], old: &[Arc<OperationPlan>]) {
    let of_api = |it: &&mut Arc<OperationPlan>| it.limits.is_some() && it.member.is_none();
    let mut limited = operations.iter_mut().filter(of_api).peekable();
    if limited.peek().is_none() {
        return;
    }
    let asks = |one: &OperationPlan| one.asks.as_ref().map(|asks| asks.spelling.clone());
    let name = |one: &OperationPlan| (one.method.clone(), one.path.clone(), asks(one));
    let counted = old.iter().filter_map(|one| Some((name(one), one.limits.as_ref()?)));
    let counted: BTreeMap<_, _> = counted.collect();
    for operation in limited {
        let Some(before) = counted.get(&name(operation)) else { continue };
        let limits = Arc::get_mut(operation).and_then(|it| it.limits.as_mut());
        if let Some(limits) = limits.and_then(Arc::get_mut) {
            limits.count_on(before);
        }
    }
}
