//! What do limits by expressions count for a call?

use plan::Plan;

use super::check::Asked;
use super::facts::CallFacts;
use crate::handlers::{Customs, Permit};

/// The counters of the policies that are about the call, and who is counted there. While there is no
/// policy, it costs one look at a number.
pub fn customs<'p>(plan: &'p Plan, permit: &Permit<'_>, asked: Asked<'_>) -> Customs<'p> {
    if !plan.has_customs() {
        return Customs::new();
    }
    let (matched, facts) = (permit.matched(), CallFacts::of(permit, asked));
    let met = plan.customs().filter(|custom| custom.meets(matched.api(), matched.home()));
    let counted = met.filter_map(|custom| {
        let key = custom.key(&facts)?;
        Some((&custom.counters, custom.counters.subject(&key)))
    });
    counted.collect()
}
