//! Which of these resources may be stored, if not all?
//!
//! Those with problems are refused, then those that depend on them, until what is left may be stored
//! together. What is left is as much as possible without guessing: of two resources that are in each
//! other's way neither is taken.

use std::collections::BTreeSet;

use turnpike_proto::config::v1::{Problem, Resource};

use super::admit::{Admitted, admit};
use crate::objects::Objects;
use crate::resource::{ResourceKey, key};

/// The part of `upserts` that may be stored on top of `before`, and what is wrong with the rest. No
/// problem: that is all of them.
pub fn admit_good(before: &Objects, upserts: &[Resource]) -> (Admitted, Vec<Problem>) {
    let mut good: Vec<Resource> = upserts.to_vec();
    let mut told: Vec<Problem> = Vec::new();
    loop {
        match admit(before, &good, &[]) {
            Ok(admitted) => return (admitted, told),
            Err(problems) => {
                let refused = refused(before, &good, &problems);
                let count = good.len();
                good.retain(|one| !is_in(&refused, one));
                told.extend(problems);
                if good.len() == count {
                    // Whose fault it is cannot be said, so nothing is taken.
                    good.clear();
                }
            }
        }
    }
}

/// Whom these problems are about; `None` stands for resources that have no key.
fn refused(
    before: &Objects,
    upserts: &[Resource],
    problems: &[Problem],
) -> BTreeSet<Option<ResourceKey>> {
    let named: BTreeSet<&str> = problems.iter().map(|problem| problem.resource.as_str()).collect();
    let is_named =
        |one: &Option<ResourceKey>| named.contains(one.as_ref().map_or("", |key| key.as_str()));
    let mut refused: BTreeSet<_> = upserts.iter().map(key).filter(is_named).collect();
    let given: BTreeSet<String> =
        upserts.iter().filter_map(key).map(|key| key.to_string()).collect();
    // What is stored already was good: it is what it refers to that has changed.
    for stored in named.into_iter().filter(|named| !given.contains(*named)) {
        let stored = ResourceKey::from_wire(stored);
        let changed = |one: &ResourceKey| before.referrers(one).any(|other| other == stored);
        refused.extend(upserts.iter().filter_map(key).filter(changed).map(Some));
    }
    refused
}

fn is_in(refused: &BTreeSet<Option<ResourceKey>>, one: &Resource) -> bool {
    refused.contains(&key(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{admitted, lines, resources};

    /// The keys that are taken and those that are told of, each in their order.
    #[track_caller]
    fn check(before: &str, upserts: &str, taken: &str, told: &str) {
        let (admitted, problems) = admit_good(&admitted(before), &resources(upserts));
        let keys: Vec<&str> = admitted.changes.iter().map(|(key, _)| key.as_str()).collect();
        let mut refused: Vec<&str> = problems.iter().map(|one| one.resource.as_str()).collect();
        refused.dedup();
        assert_eq!(keys.join(" "), taken, "{}", lines(&problems));
        assert_eq!(refused.join(" "), told, "{}", lines(&problems));
        let stored: Vec<ResourceKey> = keys.iter().map(|key| ResourceKey::from_wire(key)).collect();
        assert!(stored.iter().all(|key| admitted.objects.get(key).is_some()));
    }

    #[test]
    fn what_is_good_is_taken_without_the_rest() {
        check(
            "",
            "tier Gold subscription 5/60
             tier Bad subscription 0/60
             api orders 1.0 /orders + tiers: [Gold]",
            "Tier/Gold Api/orders:1.0",
            "Tier/Bad",
        );
        check("", "app a", "Application/a", "");
    }

    #[test]
    fn what_depends_on_something_refused_is_refused_with_it() {
        check(
            "",
            "tier Bad subscription 0/60
             api orders 1.0 /orders + tiers: [Bad]
             app shop
             sub s shop orders:1.0 Bad
             api other 1.0 /other",
            "Application/shop Api/other:1.0",
            "Tier/Bad Api/orders:1.0 Subscription/s",
        );
    }

    #[test]
    fn of_two_in_each_others_way_neither_is_taken() {
        check(
            "",
            "api a 1.0 /same
             api b 1.0 /same
             app shop",
            "Application/shop",
            "Api/a:1.0 Api/b:1.0",
        );
    }

    #[test]
    fn what_would_break_something_stored_is_refused() {
        check(
            "api orders 1.0 /orders + tiers: [Gold]
             app shop
             sub s shop orders:1.0 Gold",
            "api orders 1.0 /orders + tiers: [Silver]
             app other",
            "Application/other",
            "Subscription/s",
        );
    }
}
