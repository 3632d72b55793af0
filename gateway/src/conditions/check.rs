//! In which order are conditions judged, and what is told to whom they refuse?
//!
//! What costs least comes first. Whatever cannot be judged refuses the call; the caller learns
//! neither the rule nor what it looked at, the log does.

use std::borrow::Cow;
use std::sync::Arc;

use chassis::proxies::Proxies;
use plan::{AccessPlan, ConditionPlan};

use super::csrf;
use super::facts::CallFacts;
use crate::fault::{ClaimRefused, ConditionRefused, Fault};
use crate::handlers::{Permit, said};
use crate::received::Received;

/// What is known of a call besides its permit.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The request.
    pub received: &'a Received,
    /// Who may say what the client called.
    pub proxies: &'a Proxies,
    /// The bytes of the body; `None`: that is not known before it comes.
    pub size: Option<u64>,
    /// When it came, in microseconds since the Unix epoch.
    pub at_us: i64,
}

/// Judges a call by the conditions of its operation.
pub fn check(permit: &Permit<'_>, asked: Asked<'_>) -> Result<(), Fault> {
    let Some(access) = &permit.matched().operation().access else { return Ok(()) };
    for plan in &access.csrf {
        csrf::check(plan, asked.received, asked.proxies).map_err(Fault::CrossSite)?;
    }
    claims(access, permit)?;
    if access.conditions.is_empty() {
        return Ok(());
    }
    let facts = CallFacts::of(permit, asked);
    access.conditions.iter().try_for_each(|condition| holds(condition, &facts))
}

fn claims(access: &AccessPlan, permit: &Permit<'_>) -> Result<(), Fault> {
    if access.claims.is_empty() {
        return Ok(());
    }
    let token = permit.caller().token().ok_or(Fault::ClaimNotFulfilled(ClaimRefused::NoToken))?;
    let claims = token.claims();
    for rule in &access.claims {
        // A claim whose own name has dots comes first.
        let claim = said(claims, &rule.name).or_else(|| claims.at(&rule.name).map(Cow::Borrowed));
        if !rule.holds(claim.as_deref()) {
            return Err(Fault::ClaimNotFulfilled(ClaimRefused::Rule(Arc::clone(rule))));
        }
    }
    Ok(())
}

fn holds(condition: &ConditionPlan, facts: &CallFacts<'_>) -> Result<(), Fault> {
    let when = || Arc::clone(condition.when.source());
    let cause = match condition.when.holds(facts) {
        Ok(true) => return Ok(()),
        Ok(false) => ConditionRefused::False(when()),
        Err(error) => ConditionRefused::Unclear(when(), error),
    };
    Err(Fault::ConditionNotFulfilled { message: condition.message.clone(), cause })
}
