//! Which calls have other limits than the rest?
//!
//! Groups of conditions, in their order; all conditions of a group have to hold.

use std::net::IpAddr;
use std::sync::Arc;

use throttle::MeterConfig;
use turnpike_proto::config::v1::{Condition as Asks, ConditionGroup, LimitCondition, TierSpec};

use super::address::Addresses;
use super::head::{check_description, has_control};
use super::matching::{check_name, compile_test, spelling};
use super::tier::{Written, compile_limits};
use crate::problem::{At, Problems, shown};
use crate::router::{Asked, Condition, Constraints, Part, Test};

/// The most groups of a tier.
const MAX_GROUPS: usize = 32;
/// The most conditions of a group.
const MAX_CONDITIONS: usize = 16;
/// The most addresses of a condition.
const MAX_ADDRESSES: usize = 1_000;
const MAX_NAME_BYTES: usize = 256;

/// What a call carries, for the conditions of its limits.
pub trait Carried: Asked {
    /// Where it comes from.
    fn address(&self) -> IpAddr;
    /// Whether `test` holds for what the token says under this name, or for one entry of a list.
    fn claim(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool;
}

/// Limits for calls of which all conditions hold.
#[derive(Clone, Debug)]
pub(crate) struct GroupForm {
    pub(crate) when: Arc<[Clause]>,
    pub(crate) meter: MeterConfig,
    /// Equal spellings ask for the same.
    pub(crate) spelling: Box<str>,
}

/// One condition.
#[derive(Debug)]
pub(crate) struct Clause {
    looks_at: LooksAt,
    /// Whether it holds where it would not.
    not: bool,
}

#[derive(Debug)]
enum LooksAt {
    Addresses(Addresses),
    Carried(Condition),
    Claim(Box<str>, Test),
}

impl GroupForm {
    /// Whether a call is one of those that are meant.
    pub(crate) fn fits(&self, call: &dyn Carried) -> bool {
        self.when.iter().all(|clause| clause.fits(call))
    }
}

impl Clause {
    fn fits(&self, call: &dyn Carried) -> bool {
        let found = match &self.looks_at {
            LooksAt::Addresses(addresses) => addresses.contains(call.address()),
            LooksAt::Carried(condition) => condition.fits(call),
            LooksAt::Claim(name, test) => {
                let wanted = !matches!(test, Test::Absent);
                call.claim(name, &mut |value| test.holds(value)) == wanted
            }
        };
        found != self.not
    }
}

/// The groups of a tier, whose effects and way of counting are those of the tier.
pub(super) fn compile_groups(
    spec: &TierSpec,
    of_tier: Written<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Arc<[GroupForm]> {
    if spec.conditions.len() > MAX_GROUPS {
        let reason = format!("there are {}, at most {MAX_GROUPS}", spec.conditions.len());
        problems.add(at, reason, "");
        return Arc::default();
    }
    let mut constraints = Constraints::default();
    let each = spec.conditions.iter().enumerate();
    each.filter_map(|(index, group)| {
        compile_group(group, of_tier, &mut constraints, &at.index(index), problems)
    })
    .collect()
}

fn compile_group(
    group: &ConditionGroup,
    of_tier: Written<'_>,
    constraints: &mut Constraints,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<GroupForm> {
    check_description(&group.description, &at.name("description"), problems);
    let list = at.name("when");
    if group.when.is_empty() || group.when.len() > MAX_CONDITIONS {
        let reason = format!("there are {}, from 1 to {MAX_CONDITIONS}", group.when.len());
        problems.add(&list, reason, "limits for all calls stand beside `conditions`");
        return None;
    }
    let (mut when, mut lines) = (Vec::with_capacity(group.when.len()), String::new());
    for (index, written) in group.when.iter().enumerate() {
        let here = list.index(index);
        if let Some((looks_at, line)) = compile_condition(written, constraints, &here, problems) {
            lines.push_str(if written.not { "not " } else { "" });
            lines.push_str(&line);
            when.push(Clause { looks_at, not: written.not });
        }
    }
    let (quota, burst) = (group.quota.as_ref(), group.burst.as_ref());
    let written = Written { quota, quotas: &group.quotas, burst, ..of_tier };
    let meter = compile_limits(written, at, problems)?;
    Some(GroupForm { when: when.into(), meter, spelling: lines.into() })
}

/// A condition, and how it is spelled.
fn compile_condition(
    written: &LimitCondition,
    constraints: &mut Constraints,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<(LooksAt, String)> {
    let (addresses, header) = (&written.addresses, written.header.as_ref());
    let (query, claim) = (written.query.as_ref(), written.claim.as_ref());
    match (addresses.is_empty(), header, query, claim) {
        (false, None, None, None) => {
            let set = compile_addresses(addresses, &at.name("addresses"), problems);
            Some((LooksAt::Addresses(set), format!("{addresses:?}\n")))
        }
        (true, Some(asks), None, None) => {
            let here = at.name("header");
            refuse_credential(&asks.name, &here.name("name"), problems);
            compile_carried(Part::Field, asks, constraints, &here, problems)
        }
        (true, None, Some(asks), None) => {
            compile_carried(Part::Parameter, asks, constraints, &at.name("query"), problems)
        }
        (true, None, None, Some(asks)) => {
            compile_claim(asks, constraints, &at.name("claim"), problems)
        }
        _ => {
            let reason = "a condition looks at one thing";
            problems.add(at, reason, "write one of `addresses`, `header`, `query` and `claim`");
            None
        }
    }
}

fn compile_addresses(given: &[String], at: &At<'_>, problems: &mut Problems) -> Addresses {
    let mut set = Addresses::default();
    if given.len() > MAX_ADDRESSES {
        problems.add(at, format!("there are {}, at most {MAX_ADDRESSES}", given.len()), "");
        return set;
    }
    for (index, text) in given.iter().enumerate() {
        if let Err((reason, suggestion)) = set.add(text.trim()) {
            problems.add(&at.index(index), reason, suggestion);
        }
    }
    set
}

fn refuse_credential(name: &str, at: &At<'_>, problems: &mut Problems) {
    let lower = name.to_ascii_lowercase();
    if matches!(&*lower, "authorization" | "cookie" | "proxy-authorization") {
        let reason = format!("`{lower}` carries credentials of the client");
        problems.add(at, reason, "look at a `claim` of the token");
    }
}

fn compile_carried(
    part: Part,
    asks: &Asks,
    constraints: &mut Constraints,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<(LooksAt, String)> {
    check_name(part, &asks.name, &at.name("name"), problems);
    let test = compile_test(asks, constraints, at, problems)?;
    let name = match part {
        Part::Field => asks.name.to_ascii_lowercase(),
        Part::Parameter | Part::Cookie => asks.name.clone(),
    };
    let line = spelling(part, &name, &test);
    Some((LooksAt::Carried(Condition { part, name: name.into(), test }), line))
}

fn compile_claim(
    asks: &Asks,
    constraints: &mut Constraints,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<(LooksAt, String)> {
    let name = asks.name.as_str();
    if name.is_empty() || name.len() > MAX_NAME_BYTES || has_control(name) {
        let reason = format!("`{}` is no name of a claim", shown(name));
        problems.add(&at.name("name"), reason, "a name has 1 to 256 bytes on one line");
    }
    let test = compile_test(asks, constraints, at, problems)?;
    // What is spelled is a claim, and no parameter: the word before it says so.
    let line = format!("claim {}", spelling(Part::Parameter, name, &test));
    Some((LooksAt::Claim(name.into(), test), line))
}

#[cfg(test)]
#[path = "tier_group_tests.rs"]
mod tests;
