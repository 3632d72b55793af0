//! Plans that follow each other, and the plan that is made at once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::probe::{found, rejected, stored};
use super::*;
use crate::fixtures::{admitted, objects, resources};
use crate::{Objects, OperationMatch, Slice, admit};

/// Everything that can be asked of a plan, as text.
fn observed(plan: &Plan) -> String {
    let mut lines = vec![plan.objects().hash().to_string(), rejected(plan)];
    for context in ["a", "b", "a/1", "c"] {
        for rest in ["", "/1", "/2", "/1/x", "/x"] {
            for host in ["h.example", "other"] {
                let path = format!("/{context}{rest}");
                let operation =
                    plan.find(host, &path).map(|hit| match hit.api.operation("GET", hit.rest) {
                        OperationMatch::Found(one) => one.path.to_string(),
                        other => format!("{other:?}"),
                    });
                lines.push(format!(
                    "{path} {} {operation:?}",
                    found(plan, &format!("{host} {path}"))
                ));
            }
        }
    }
    for name in ["x", "y"] {
        for key in ["k1", "k2"] {
            let consumer = plan.consumer("resident", key).map(|one| {
                let meter = one.application.meter.config();
                format!("{} {:?} {meter:?}", one.application.name, one.key_type)
            });
            lines.push(format!("{key} {consumer:?}"));
        }
        for api in ["p:1", "p:2", "q:1"] {
            let right = plan.subscription(name, api);
            let right = right.map(|one| (one.name.clone(), one.state, one.meter.config()));
            lines.push(format!("{name} {api} {right:?}"));
        }
    }
    for issuer in ["https://i", "https://j"] {
        lines.push(format!("{:?}", plan.key_manager_by_issuer(issuer).map(|one| &one.name)));
    }
    lines.join("\n")
}

fn any_resource() -> impl Strategy<Value = String> {
    let context = prop::sample::select(vec!["/a", "/b", "/a/1", "/c"]);
    let state = prop::sample::select(vec![
        "CREATED",
        "PUBLISHED",
        "PUBLISHED",
        "BLOCKED",
        "PROTOTYPED",
        "RETIRED",
    ]);
    let path = prop::sample::select(vec!["/*", "/x", "/{id}"]);
    let group = prop::sample::select(vec!["default", "eu"]);
    let api = ("[pq]", "[12]", context, state, path, group, any::<bool>()).prop_map(
        |(name, version, context, state, path, group, default)| {
            format!(
                "api {name} {version} {context} + lifecycle: {state}, defaultVersion: {default}, gateways: [{group}], operations: [{{method: GET, path: '{path}'}}]"
            )
        },
    );
    let tier = ("[TU]", 1_u8..4).prop_map(|(name, n)| {
        let level = if name == "T" { "subscription" } else { "application" };
        format!("tier {name} {level} {n}/60")
    });
    let tiers = prop::sample::select(vec!["U", "Unlimited"]);
    let app = ("[xy]", tiers, "k[12]", any::<bool>()).prop_map(|(name, tier, key, sandbox)| {
        let of = if sandbox { "sandbox" } else { "production" };
        format!("app {name} + tier: {tier}, keys: [{{consumerKey: {key}, type: {of}}}]")
    });
    let sub =
        ("s[12]", "[xy]", "[pq]:[12]", any::<bool>()).prop_map(|(name, app, api, blocked)| {
            let state = if blocked { "BLOCKED" } else { "UNBLOCKED" };
            format!("sub {name} {app} {api} Unlimited + state: {state}")
        });
    let group = any::<bool>().prop_map(|hosts| {
        let hosts = if hosts { "h.example" } else { "'*.example'" };
        format!("group eu + selector: {{region: eu}}, virtualHosts: [{hosts}]")
    });
    let km = ("m[12]", "[ij]").prop_map(|(name, issuer)| format!("km {name} https://{issuer}"));
    prop_oneof![4 => api, 1 => tier, 2 => app, 3 => sub, 1 => group, 1 => km]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// However the objects came, step by step and admitted, the plan is the one made at once; and
    /// a gateway that follows the difference holds what the control plane holds.
    #[test]
    fn a_plan_that_followed_each_change_is_the_plan_made_at_once(
        steps in prop::collection::vec((prop::collection::vec(any_resource(), 1..4), any::<prop::sample::Index>(), any::<bool>()), 1..25),
    ) {
        let mut objects = admitted("group eu\ntier U application 9/9");
        let (mut plan, _) = Plan::empty().replaced(&stored(&objects));
        let eu = BTreeMap::from([("region".to_owned(), "eu".to_owned())]);
        let mut slices = [BTreeMap::new(), eu].map(|labels| {
            let slice = Slice::new(&objects, &labels);
            (labels, slice)
        });
        for (written, which, deletes) in steps {
            let upserts = resources(&written.join("\n"));
            let keys: Vec<ResourceKey> = stored(&objects).into_iter().map(|(key, _)| key).collect();
            let gone = if deletes { vec![which.get(&keys).clone()] } else { Vec::new() };
            let Ok(admitted) = admit(&objects, &upserts, &gone) else { continue };
            let (upserts, gone) = objects.difference(&admitted.objects);
            let upserts: Vec<_> =
                upserts.iter().map(|one| (one.key().clone(), one.bytes().clone())).collect();
            let (next, told) = plan.next(&upserts, &gone);
            prop_assert!(told.is_empty(), "{:?}", told);
            (plan, objects) = (next, admitted.objects);
            prop_assert_eq!(plan.objects().hash(), objects.hash());
            let (fresh, _) = Plan::empty().replaced(&stored(&objects));
            prop_assert_eq!(observed(&plan), observed(&fresh));
            for (labels, slice) in &mut slices {
                *slice = slice.follow(&objects);
                let fresh = crate::slice(&objects, labels);
                let keys = |objects: &Objects| stored(objects).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
                prop_assert_eq!(keys(slice.objects()), keys(&fresh));
                prop_assert_eq!(slice.objects().hash(), fresh.hash());
            }
        }
    }

    /// Without admission, whatever is written in whatever order: no panic, the hash is right, and
    /// what is removed leaves nothing behind.
    #[test]
    fn a_plan_survives_what_nobody_admitted(
        steps in prop::collection::vec((any_resource(), any::<bool>()), 1..40),
    ) {
        let mut plan = Plan::empty();
        for (written, removed) in steps {
            let upserts = stored(&objects(&written));
            plan = plan.next(&upserts, &[]).0;
            if removed {
                plan = plan.next(&[], &[upserts[0].0.clone()]).0;
            }
            let (fresh, _) = Plan::empty().replaced(&stored(plan.objects()));
            prop_assert_eq!(fresh.objects().hash(), plan.objects().hash());
        }
        let keys: Vec<ResourceKey> = stored(plan.objects()).into_iter().map(|(key, _)| key).collect();
        let (empty, told) = plan.next(&[], &keys);
        prop_assert!(told.is_empty());
        prop_assert_eq!(observed(&empty), observed(&Plan::empty()));
        prop_assert!(empty.rights.is_clean() && empty.consumers.is_empty());
    }
}
