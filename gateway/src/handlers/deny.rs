//! Is the call turned away, whatever else it may?
//!
//! What is said by where a call comes from and what it calls is asked before anybody looks at its
//! credential; what is said by who makes it, once that is known. While there is no policy, both cost
//! one look at a number.

use std::net::IpAddr;

use plan::{Plan, Visit, Visitor};

use super::authorize::Permit;
use crate::credentials::Known;
use crate::fault::Fault;
use crate::router::Matched;

/// How many names a user has at most: three of a token and two of a person.
const MOST_NAMES: usize = 5;

/// Asks the policies about addresses and APIs.
pub fn deny_place(
    plan: &Plan,
    matched: &Matched<'_>,
    client: IpAddr,
    now_unix: i64,
) -> Result<(), Fault> {
    if !plan.denies() {
        return Ok(());
    }
    refused(plan.denied_place(&visit(matched, client, now_unix)))
}

/// Asks the policies about applications, users and clients.
pub fn deny_caller(
    plan: &Plan,
    permit: &Permit<'_>,
    client: IpAddr,
    now_unix: i64,
) -> Result<(), Fault> {
    if !plan.denies() {
        return Ok(());
    }
    let visit = visit(permit.matched(), client, now_unix);
    let caller = permit.caller();
    let of_key = || caller.api_key().map(|key| &*key.consumer.consumer_key);
    // No policy names nobody, so that what is left empty is found by none.
    let mut users = [""; MOST_NAMES];
    users.iter_mut().zip(caller.users()).for_each(|(place, user)| *place = user);
    let visitor = Visitor {
        application: permit.application().map(|application| &*application.name),
        client: caller.token().and_then(|token| Known::consumer_key(token)).or_else(of_key),
        users: &users,
    };
    refused(plan.denied_caller(&visit, &visitor))
}

fn visit<'a>(matched: &'a Matched<'_>, address: IpAddr, now_unix: i64) -> Visit<'a> {
    Visit { called: matched.api(), home: matched.home(), address, now_unix }
}

/// Who is refused is not told by which policy; the log is.
fn refused(policy: Option<&std::sync::Arc<plan::DenyPlan>>) -> Result<(), Fault> {
    let Some(policy) = policy else { return Ok(()) };
    Err(Fault::Denied { policy: std::sync::Arc::clone(&policy.name) })
}
