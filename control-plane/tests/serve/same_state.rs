//! Do a gateway and its control plane know whether they hold the same, whatever has happened between?
//!
//! Incidents of other gateways that are about this, and where what must stay true is tried; others are
//! in `incidents.rs`, those of whole fleets in `tests/system`:
//!
//! | incident | what must stay true | test |
//! |---|---|---|
//! | wso2/api-platform#1196: a counter restarts at 1 and equals an old 1 | the hash decides | `a_counter_that_comes_round_again_is_not_taken_for_the_same_state` |
//! | wso2/api-platform#1421: a restart skips the policies, 403 becomes 200 | a route without its policies answers 503 | `gateway --test control faults`, `plan table::fault_tests` |
//! | wso2/api-platform#3197: another name for the same thing after a restart | a restart changes no byte | `a_restart_of_the_control_plane_changes_no_byte` |
//! | kubernetes-ingress-controller#5854: one bad object freezes the fleet | it is refused alone | `sync::what_a_gateway_rejects_is_shown_and_nothing_else_is_held_up`, `gateway --test control sync::an_object_that_cannot_be_served_is_reported_alone` |
//! | envoyproxy/gateway#8739: shown and not served | the hash told is that of what is served | `gateway --test control sync::a_change_that_leads_elsewhere_does_not_count_and_the_real_hash_is_told` |
//! | wso2/api-platform#1099: the route is ready before its policy | waiting returns when all is served | `sync::waiting_for_all_returns_when_every_gateway_has_answered` |

use turnpike_proto::config::v1::{Hello, Object};

use crate::gateway::{Gateway, Held, Sent};
use crate::stack::{Plane, Stack, api, apis, check, tier};

/// All that a new gateway is sent, as it is.
async fn everything(stack: &Stack, plane: &Plane) -> Vec<Object> {
    let mut gateway = Gateway::connect(stack, plane, "new", Held::default()).await;
    let Sent::Full(full, _) = gateway.receive().await.unwrap() else { panic!("not full") };
    full.upserts
}

/// wso2/api-platform#1196: the counter of snapshots began at 1 after a restart, which was what the
/// proxy had, and the proxy never got its configuration.
#[test]
fn a_counter_that_comes_round_again_is_not_taken_for_the_same_state() {
    check(async |stack| {
        let first = stack.start().await;
        stack.apply(&first, &api("old")).await;
        let mut gateway = Gateway::connect(&stack, &first, "one", Held::default()).await;
        gateway.step().await;
        let held = gateway.held.clone();
        drop(gateway);
        first.stop().await;
        // Another store, that has come as far by other ways.
        let second = stack.start_with("another", "").await;
        let revision = stack.apply(&second, &api("new")).await.revision;
        assert_eq!(revision, held.revision, "the counter has come round");
        for epoch in [held.epoch.clone(), String::new()] {
            let held = Held { epoch, ..held.clone() };
            let mut gateway = Gateway::connect(&stack, &second, "one", held).await;
            assert_eq!(gateway.step().await, "full +1");
            let keys = gateway.held.objects.iter().map(|object| object.key().to_string());
            assert_eq!(keys.collect::<Vec<_>>(), ["Api/new:1"]);
        }
    });
}

/// wso2/api-platform#3197: two snapshots called the same cluster differently after a restart, and
/// calls were answered 503 until the next deployment.
#[test]
fn a_restart_of_the_control_plane_changes_no_byte() {
    check(async |stack| {
        let plane = stack.start().await;
        let limited = api("limited").replace("spec: {", "spec: {tiers: [Own], ");
        let many = apis((0..50).map(|n| format!("api{n}")));
        stack.apply(&plane, &format!("{}---\n{limited}---\n{many}", tier("Own", 5))).await;
        let before = everything(&stack, &plane).await;
        assert_eq!(before.len(), 52);
        plane.stop().await;
        let plane = stack.start().await;
        assert_eq!(everything(&stack, &plane).await, before);
    });
}

/// What nobody else has: a gateway whose state nobody knows is sent where it differs, not everything.
#[test]
fn a_gateway_that_has_gone_astray_gets_only_the_buckets_that_differ() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &apis((0..200).map(|n| format!("api{n}")))).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        gateway.step().await;
        // It has lost one object, has another one in an old form, and one that nobody has any more.
        let mut held = gateway.held.clone();
        drop(gateway);
        held.objects.remove(&"Api/api7:1".parse().unwrap());
        let stray = ["gone", "api9"].map(api).join("---\n").replace("/api9", "/old9");
        for resource in crate::stack::resources(&stray) {
            held.objects.insert(plan::Object::new(resource).unwrap().into());
        }
        let said = Hello { node: "one".to_owned(), repairs: true, ..Hello::default() };
        let mut gateway = Gateway::connect_as(&stack, &plane, held.clone(), said).await;
        let sent = gateway.receive().await.unwrap();
        gateway.answer().await;
        let Sent::Delta(repair, 1) = sent else { panic!("{sent:?}") };
        assert!((1..=3).contains(&repair.buckets.len()), "{:?}", repair.buckets);
        assert!(repair.upserts.len() < 20, "{} objects", repair.upserts.len());
        assert_eq!(gateway.held.objects.len(), 200);
        let metrics = plane.host.metrics.render().unwrap();
        assert!(metrics.contains("turnpike_config_repairs_total 1"), "{metrics}");
        // One that cannot say where it differs gets everything, as before.
        let mut early = Gateway::connect(&stack, &plane, "two", held).await;
        assert_eq!(early.step().await, "full +200");
    });
}

/// A fleet that comes back in the same moment is served in turns, and all of it is served.
#[test]
fn two_hundred_gateways_that_come_back_together_are_all_served() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &apis((0..100).map(|n| format!("api{n}")))).await;
        let channel = stack.channel(&plane, "gateway");
        let come = (0..200).map(|n| {
            let (stack, channel) = (&stack, channel.clone());
            async move {
                let said = Hello { node: format!("gw{n}"), ..Hello::default() };
                let held = Held::default();
                let opened = Gateway::open_on(stack, channel, said, held).await;
                let mut gateway = opened.unwrap();
                assert_eq!(gateway.step().await, "full +100");
                gateway
            }
        });
        let all = futures_util::future::join_all(come).await;
        let metrics = plane.host.metrics.render().unwrap();
        assert!(
            metrics.contains("turnpike_config_full_syncs_total{reason=\"empty\"} 200"),
            "{metrics}"
        );
        // All hold the same, by one signature.
        assert!(metrics.contains("turnpike_config_signing_seconds_count 1"), "{metrics}");
        drop(all);
    });
}
