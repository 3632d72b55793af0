//! Which conditions does each operation have?
//!
//! Those of the product, of the API and of the operation hold together: an operation carries all of
//! them, so that a call finds them in one place.

use std::sync::Arc;

use turnpike_proto::config::v1::{Access, AccessCondition, ApiProductSpec, ApiSpec};

use super::claim::{ClaimRule, compile_rule};
use super::csrf::{CsrfPlan, compile_csrf};
use crate::compile::head::has_control;
use crate::compile::operation::{OperationPlan, Wants};
use crate::expression::{Expression, Wanted};
use crate::problem::{At, Problems, shown};
use crate::router::Parameters;

/// The most rules about claims in one list.
const MAX_RULES: usize = 32;
/// The most expressions in one list.
const MAX_CONDITIONS: usize = 16;
const MAX_MESSAGE_BYTES: usize = 256;

/// What calls have to fulfil.
#[derive(Clone, Debug, Default)]
pub struct AccessPlan {
    /// What the token has to say.
    pub claims: Vec<Arc<ClaimRule>>,
    /// What has to be true.
    pub conditions: Vec<Arc<ConditionPlan>>,
    /// Which pages may make a browser send calls; each of these has to hold.
    pub csrf: Vec<Arc<CsrfPlan>>,
}

/// An expression that has to be true.
#[derive(Clone, Debug)]
pub struct ConditionPlan {
    /// The expression.
    pub when: Expression,
    /// What a caller is told for whom it is not true; `None`: a general text.
    pub message: Option<Arc<str>>,
}

impl AccessPlan {
    /// Both together.
    fn both(first: Option<&Arc<Self>>, then: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        let (first, then) = match (first, then) {
            (Some(first), Some(then)) => (first, then),
            (one, other) => return one.or(other).cloned(),
        };
        let mut both = Self::clone(first);
        both.claims.extend(then.claims.iter().cloned());
        both.conditions.extend(then.conditions.iter().cloned());
        both.csrf.extend(then.csrf.iter().cloned());
        Some(Arc::new(both))
    }

    fn wanted(&self) -> impl Iterator<Item = &Wanted> {
        self.conditions.iter().flat_map(|condition| condition.when.wanted())
    }

    /// Whether it looks at what tokens say.
    fn needs_token(&self) -> bool {
        !self.claims.is_empty() || self.wanted().any(Wanted::is_claim)
    }
}

/// What is asked for; `None`: nothing.
pub(crate) fn compile_access(
    written: Option<&Access>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Arc<AccessPlan>> {
    let written = written?;
    let (rules, conditions) = (at.name("claims"), at.name("conditions"));
    let most = [
        (written.claims.len(), MAX_RULES, &rules),
        (written.conditions.len(), MAX_CONDITIONS, &conditions),
    ];
    for (length, most, at) in most {
        if length > most {
            problems.add(at, format!("there are {length}, at most {most}"), "");
            return None;
        }
    }
    let each = written.claims.iter().enumerate();
    let claims = each
        .filter_map(|(index, rule)| compile_rule(rule, &rules.index(index), problems))
        .map(Arc::new)
        .collect();
    let each = written.conditions.iter().enumerate();
    let conditions = each
        .filter_map(|(index, one)| condition(one, &conditions.index(index), problems))
        .map(Arc::new)
        .collect();
    let csrf = written.csrf.iter();
    let csrf = csrf.map(|csrf| Arc::new(compile_csrf(csrf, &at.name("csrf"), problems))).collect();
    let plan = AccessPlan { claims, conditions, csrf };
    let is_empty = plan.claims.is_empty() && plan.conditions.is_empty() && plan.csrf.is_empty();
    (!is_empty).then(|| Arc::new(plan))
}

fn condition(
    written: &AccessCondition,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<ConditionPlan> {
    let message = written.message.as_str();
    if message.len() > MAX_MESSAGE_BYTES || has_control(message) {
        let reason = format!("a message is one line of at most {MAX_MESSAGE_BYTES} bytes");
        problems.add(&at.name("message"), reason, "");
    }
    let when = Expression::parse(&written.when, &at.name("when"), problems)?;
    Some(ConditionPlan { when, message: (!message.is_empty()).then(|| message.into()) })
}

/// Gives the operations of an API what it asks for and what they ask for themselves. `is_open`: the
/// API asks for no credential.
pub(crate) fn attach(
    operations: &mut [Arc<OperationPlan>],
    spec: &ApiSpec,
    is_open: bool,
    at: &At<'_>,
    problems: &mut Problems,
) {
    let place = at.name("access");
    let of_api = compile_access(spec.access.as_ref(), &place, problems);
    let list = at.name("operations");
    for (index, operation) in operations.iter_mut().enumerate() {
        let here = list.index(index);
        let own = spec.operations.get(index).and_then(|written| written.access.as_ref());
        let own = compile_access(own, &here.name("access"), problems);
        // One that was met by nobody yet, so that it can be changed.
        let Some(operation) = Arc::get_mut(operation) else { continue };
        for (access, at) in [(&of_api, &place), (&own, &here.name("access"))] {
            if let Some(access) = access {
                check(access, operation, is_open, at, problems);
            }
        }
        operation.access = AccessPlan::both(of_api.as_ref(), own.as_ref());
        operation.look_for_parameters();
    }
}

/// Gives the operations of a product what it asks for besides. `is_open`: the product asks for no
/// credential.
pub(crate) fn attach_besides(
    operations: &mut [Arc<OperationPlan>],
    spec: &ApiProductSpec,
    is_open: bool,
    at: &At<'_>,
    problems: &mut Problems,
) {
    let place = at.name("access");
    let of_product = compile_access(spec.access.as_ref(), &place, problems);
    for operation in operations {
        let Some(operation) = Arc::get_mut(operation) else { continue };
        let access = AccessPlan::both(of_product.as_ref(), operation.access.as_ref());
        if let Some(access) = &access {
            check(access, operation, is_open, &place, problems);
        }
        operation.access = access;
        operation.look_for_parameters();
    }
}

/// Whether calls of the operation can have what is asked for.
fn check(
    access: &AccessPlan,
    operation: &OperationPlan,
    is_open: bool,
    at: &At<'_>,
    problems: &mut Problems,
) {
    let spelled = || format!("`{} {}`", shown(&operation.method), shown(&operation.path));
    let told = problems.has(&at.to_string());
    if access.needs_token() && (is_open || operation.wants == Wants::Nobody) && !told {
        let reason = format!("claims are of tokens, and {} asks for no credential", spelled());
        problems.add(at, reason, "let it ask for one, or ask for claims where one is");
    }
    let names = parameters(access);
    let found = Parameters::of(&operation.path, &names);
    if let Some(missing) = names.iter().find(|name| !found.has(name)).filter(|_| !told) {
        let reason = format!("{} has no parameter `{}`", spelled(), shown(missing));
        problems.add(at, reason, "ask for it at the operations that have it");
    }
}

fn parameters(access: &AccessPlan) -> Vec<&str> {
    let names = access.wanted().filter_map(|wanted| match wanted {
        Wanted::Parameter(name) => Some(&**name),
        _ => None,
    });
    names.collect()
}

impl OperationPlan {
    /// Finds out where the parameters are that its conditions name.
    fn look_for_parameters(&mut self) {
        let Some(access) = &self.access else { return };
        self.parameters = Parameters::of(&self.path, &parameters(access));
    }
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
