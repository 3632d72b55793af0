//! Which calls does a `CustomThrottle` count, and together with which others?

use std::sync::Arc;

use throttle::MeterConfig;
use turnpike_proto::config::v1::{CustomThrottle, CustomThrottleSpec};

use super::api::ApiPlan;
use super::counters::Keyed;
use super::deny::{ApiNames, compile_apis};
use super::head::{check_description, required};
use super::tier::{Written, compile_counting, compile_limits};
use crate::expression::{EvaluationError, Expression, Facts, TextExpression, Wanted};
use crate::problem::{At, Problems};

/// The most policies at once: each is asked about each call.
pub(crate) const MAX_CUSTOM: usize = 100;

/// A `CustomThrottle`, ready to be asked.
#[derive(Clone, Debug)]
pub struct CustomPlan {
    /// Its name.
    pub name: Arc<str>,
    /// The counters, one for each key.
    pub counters: Keyed,
    pub(crate) disabled: bool,
    apis: Option<ApiNames>,
    key: TextExpression,
    when: Option<Expression>,
}

impl CustomPlan {
    /// Whether it is about calls of `called`, an API or a product, which `home` serves.
    pub fn meets(&self, called: &ApiPlan, home: &ApiPlan) -> bool {
        self.apis.as_ref().is_none_or(|apis| apis.meet(called, home))
    }

    /// With which calls this one is counted; `None`: it is not counted. What the policy asks and the
    /// call does not have leaves the call uncounted; where something else goes wrong, it is counted with
    /// all others of the kind, so that nobody gets out of it by sending what cannot be evaluated.
    pub fn key(&self, facts: &dyn Facts) -> Option<String> {
        if self.when.as_ref().is_some_and(|when| when.holds(facts) == Ok(false)) {
            return None;
        }
        match self.key.text(facts) {
            Ok(key) => key.filter(|key| !key.is_empty()),
            Err(EvaluationError::Missing(_)) => None,
            Err(_) => Some(String::new()),
        }
    }
}

pub(crate) fn compile_custom(
    name: &str,
    policy: &CustomThrottle,
    most: usize,
    problems: &mut Problems,
) -> Option<CustomPlan> {
    let spec = required(policy.spec.as_ref(), problems)?;
    let root = At::ROOT;
    let at = root.name("spec");
    check_description(&spec.description, &at.name("description"), problems);
    let apis = compile_apis(&spec.apis, &at, problems);
    let key = TextExpression::parse(&spec.key, &at.name("key"), problems);
    let when = (!spec.when.is_empty())
        .then(|| Expression::parse(&spec.when, &at.name("when"), problems))
        .flatten();
    let of_key = key.iter().flat_map(TextExpression::wanted).map(|wanted| ("key", wanted));
    let of_when = when.iter().flat_map(Expression::wanted).map(|wanted| ("when", wanted));
    for (field, wanted) in of_key.chain(of_when) {
        if matches!(wanted, Wanted::Parameter(_)) {
            let reason = "parameters of a path are those of one operation";
            problems.add(&at.name(field), reason, "use `operation.path` and `request.path`");
        }
    }
    let meter = limits(spec, &at, problems);
    let (key, meter) = (key?, meter?);
    let counters = Keyed::new(name, ("custom", &[name]), &meter, most);
    let (name, disabled) = (name.into(), spec.disabled);
    let plan = CustomPlan { name, counters, disabled, apis, key, when };
    problems.is_empty().then_some(plan)
}

fn limits(spec: &CustomThrottleSpec, at: &At<'_>, problems: &mut Problems) -> Option<MeterConfig> {
    let written = Written {
        quota: spec.quota.as_ref(),
        quotas: &spec.quotas,
        burst: spec.burst.as_ref(),
        stops: spec.stop_on_quota_reached.unwrap_or(true),
        shadow: spec.shadow,
        sharing: compile_counting(spec.counting.as_ref(), &at.name("counting"), problems),
    };
    if written.quota.is_none() && written.quotas.is_empty() && written.burst.is_none() {
        problems.add(at, "a policy without limits limits nobody", "write a `quota` or a `burst`");
    }
    compile_limits(written, at, problems)
}

#[cfg(test)]
#[path = "custom_tests.rs"]
mod tests;
