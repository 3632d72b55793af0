//! What is sent to gateways, and what is known of them?

use std::time::Duration;

use turnpike_proto::admin::v1::apis_client::ApisClient;
use turnpike_proto::admin::v1::gateways_client::GatewaysClient;
use turnpike_proto::admin::v1::{
    ApplyRequest, GatewayState, GetRequest, ListGatewaysRequest, wait_for,
};
use turnpike_proto::config::v1::{Applied, Programmed, Rejected};

use crate::gateway::{Gateway, Held, Sent};
use crate::stack::{Plane, Stack, api, apis, check, tier};

pub(crate) async fn gateways(stack: &Stack, plane: &Plane) -> Vec<GatewayState> {
    let mut client = GatewaysClient::new(stack.channel(plane, "admin"));
    client.list(ListGatewaysRequest {}).await.unwrap().into_inner().gateways
}

/// The state of a gateway, once `holds` is true of it.
pub(crate) async fn gateway_once(
    stack: &Stack,
    plane: &Plane,
    holds: impl Fn(&GatewayState) -> bool,
) -> GatewayState {
    for _ in 0..500 {
        if let Some(state) = gateways(stack, plane).await.into_iter().find(&holds) {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never so: {:?}", gateways(stack, plane).await);
}

pub(crate) fn wait_all(seconds: i64) -> ApplyRequest {
    ApplyRequest {
        wait: wait_for::Gateways::All.into(),
        timeout: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..ApplyRequest::default()
    }
}

#[test]
fn a_new_gateway_gets_everything_and_then_only_what_changes() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &apis((0..100).map(|n| format!("api{n}")))).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        assert_eq!(gateway.step().await, "full +100");
        stack.apply(&plane, &api("more")).await;
        let Sent::Delta(delta, 1) = gateway.receive().await.unwrap() else { panic!("no delta") };
        gateway.answer().await;
        assert_eq!(delta.upserts.len(), 1);
        assert!(delta.committed_at.is_some());
        assert!(prost::Message::encoded_len(&delta) < 2048);
    });
}

#[test]
fn a_gateway_that_holds_nothing_of_nothing_is_current() {
    check(async |stack| {
        let plane = stack.start().await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        assert_eq!(gateway.step().await, "current");
        stack.apply(&plane, &api("first")).await;
        assert_eq!(gateway.step().await, "full +1");
    });
}

#[test]
fn an_unchanged_apply_writes_nothing_and_sends_nothing() {
    check(async |stack| {
        let plane = stack.start().await;
        let first = stack.apply(&plane, &api("a")).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        gateway.step().await;
        let second = stack.apply(&plane, &api("a")).await;
        assert_eq!(second.revision, first.revision);
        stack.apply(&plane, &api("b")).await;
        // The first thing that comes is the change after it.
        assert_eq!(gateway.step().await, "delta +1");
        assert_eq!(gateway.held.revision, first.revision + 1);
    });
}

#[test]
fn a_restarted_control_plane_sends_nothing_to_who_holds_the_right_things() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &apis((0..10).map(|n| format!("api{n}")))).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        assert_eq!(gateway.step().await, "full +10");
        let before = gateway.held.clone();
        plane.stop().await;
        let plane = stack.start().await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", before.clone()).await;
        assert_eq!(gateway.step().await, "current");
        assert_eq!((&gateway.held.epoch, gateway.held.revision), (&before.epoch, before.revision));
        let state = gateway_once(&stack, &plane, |state| state.in_sync).await;
        assert_eq!(state.applied, before.revision);
    });
}

#[test]
fn a_gateway_that_was_away_gets_the_difference() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &apis((0..10).map(|n| format!("api{n}")))).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        gateway.step().await;
        let held = gateway.held.clone();
        drop(gateway);
        for name in ["x", "y", "z"] {
            stack.apply(&plane, &api(name)).await;
        }
        let mut gateway = Gateway::connect(&stack, &plane, "one", held).await;
        assert_eq!(gateway.step().await, "delta +3");
    });
}

#[test]
fn a_gateway_whose_hash_is_wrong_gets_everything_once_more() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        gateway.step().await;
        stack.apply(&plane, &api("b")).await;
        let Sent::Delta(delta, _) = gateway.receive().await.unwrap() else { panic!("no delta") };
        let wrong = Applied {
            epoch: delta.epoch,
            revision: delta.revision,
            state_hash: vec![7; 32],
            ..Applied::default()
        };
        gateway.send(wrong).await;
        assert_eq!(gateway.step().await, "full +2");
        gateway_once(&stack, &plane, |state| state.in_sync).await;
    });
}

#[test]
fn changes_that_come_faster_than_answers_are_sent_together() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        gateway.step().await;
        stack.apply(&plane, &api("first")).await;
        let _unanswered = gateway.receive().await.unwrap();
        for n in 0..20 {
            stack.apply(&plane, &api(&format!("more{n}"))).await;
        }
        gateway.answer().await;
        let (mut changes, mut transactions) = (0, 0);
        while changes < 20 {
            let Sent::Delta(delta, _) = gateway.receive().await.unwrap() else {
                panic!("no delta")
            };
            gateway.answer().await;
            changes += delta.upserts.len();
            transactions += 1;
        }
        // The last change may just have missed the transaction that carries the others.
        assert!(changes == 20 && transactions <= 2, "{changes} in {transactions}");
    });
}

#[test]
fn a_large_state_comes_in_parts_of_one_transaction() {
    check(async |stack| {
        let plane = stack.start().await;
        let text = "x".repeat(1500);
        let large = |n: usize| {
            api(&format!("api{n}")).replace("spec: {", &format!("spec: {{description: {text}, "))
        };
        for hundred in 0..10 {
            let many: Vec<String> = (0..200).map(|n| large(hundred * 200 + n)).collect();
            stack.apply(&plane, &many.join("---\n")).await;
        }
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        let Sent::Full(whole, parts) = gateway.receive().await.unwrap() else { panic!("not full") };
        assert_eq!(whole.upserts.len(), 2000);
        assert!((3..6).contains(&parts), "{parts} parts");
        gateway.answer().await;
        gateway_once(&stack, &plane, |state| state.in_sync).await;
    });
}

#[test]
fn waiting_for_all_returns_when_every_gateway_has_answered() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        for node in ["one", "two", "three"] {
            let gateway = Gateway::connect(&stack, &plane, node, Held::default()).await;
            stack.tasks.spawn("gateway", gateway.serve());
        }
        let answer = stack.apply_with(&plane, &api("b"), wait_all(30)).await.unwrap();
        assert!(answer.applied);
        assert_eq!(answer.gateways.len(), 3);
        assert!(
            answer.gateways.iter().all(|state| state.applied >= answer.revision && state.in_sync)
        );
    });
}

#[test]
fn waiting_for_a_gateway_that_does_not_answer_ends_and_says_so() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        gateway.step().await;
        let answer = stack.apply_with(&plane, &api("b"), wait_all(1)).await.unwrap();
        assert!(!answer.applied);
        assert_eq!(answer.gateways[0].offered, answer.revision);
        assert!(answer.gateways[0].applied < answer.revision);
    });
}

#[test]
fn a_quorum_does_not_wait_for_the_last_gateway() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        for node in ["one", "two"] {
            let gateway = Gateway::connect(&stack, &plane, node, Held::default()).await;
            stack.tasks.spawn("gateway", gateway.serve());
        }
        let mut silent = Gateway::connect(&stack, &plane, "three", Held::default()).await;
        silent.step().await;
        let quorum = ApplyRequest { wait: wait_for::Gateways::Quorum.into(), ..wait_all(30) };
        let answer = stack.apply_with(&plane, &api("b"), quorum).await.unwrap();
        assert!(answer.applied);
        let late: Vec<_> =
            answer.gateways.iter().filter(|row| row.applied < answer.revision).collect();
        assert!(late.len() == 1 && late[0].node == "three", "{late:?}");
    });
}

#[test]
fn who_went_away_a_moment_ago_is_waited_for() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        gateway.step().await;
        let held = gateway.held.clone();
        drop(gateway);
        gateway_once(&stack, &plane, |state| !state.connected).await;
        let answer = stack.apply_with(&plane, &api("b"), wait_all(1)).await.unwrap();
        assert!(!answer.applied, "it serves what was in force before, wherever it is");
        let back = Gateway::connect(&stack, &plane, "one", held).await;
        stack.tasks.spawn("gateway", back.serve());
        let answer = stack.apply_with(&plane, &api("c"), wait_all(30)).await.unwrap();
        assert!(answer.applied);
    });
}

#[test]
fn a_resource_says_how_gateways_are_doing_with_it() {
    check(async |stack| {
        let plane = stack.start().await;
        let stored = stack.apply(&plane, &api("a")).await.revision;
        let status = async || {
            let mut apis = ApisClient::new(stack.channel(&plane, "admin"));
            let request = GetRequest { name: "a".to_owned(), version: "1".to_owned() };
            let api = apis.get(request).await.unwrap().into_inner();
            api.metadata.unwrap().status.unwrap()
        };
        assert_eq!(status().await.programmed, None);
        assert_eq!(status().await.accepted.unwrap().revision, stored);
        let mut one = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        let mut two = Gateway::connect(&stack, &plane, "two", Held::default()).await;
        one.step().await;
        gateway_once(&stack, &plane, |state| state.node == "one" && state.in_sync).await;
        let half = Programmed { all: false, revision: stored, gateways: 1, of: 2 };
        assert_eq!(status().await.programmed, Some(half));
        two.receive().await.unwrap();
        two.answer_with(vec![Rejected {
            key: "Api/a:1".to_owned(),
            reason: "no".to_owned(),
            ..Rejected::default()
        }])
        .await;
        gateway_once(&stack, &plane, |state| state.node == "two" && state.in_sync).await;
        let refused = status().await;
        assert_eq!(refused.programmed, Some(half));
        assert_eq!((refused.rejecting, refused.rejected[0].gateway.as_str()), (1, "two"));
        assert!(refused.rejected[0].since.is_some() && refused.rejected[0].reason == "no");
        // Said once more, with nothing refused.
        two.answer().await;
        gateway_once(&stack, &plane, |state| state.node == "two" && state.rejected.is_empty())
            .await;
        let all = Programmed { all: true, gateways: 2, ..half };
        assert_eq!(status().await.programmed, Some(all));
    });
}

#[test]
fn a_gateway_of_another_group_is_sent_nothing_and_holds_nobody_up() {
    check(async |stack| {
        let plane = stack.start().await;
        let groups = "{apiVersion: turnpike/v1, kind: GatewayGroup, metadata: {name: eu}, spec: \
                      {selector: {region: eu}}}\n";
        stack.apply(&plane, groups).await;
        let labels = |region: &str| [("region".to_owned(), region.to_owned())].into();
        let eu = Gateway::connect_with(&stack, &plane, "eu", Held::default(), labels("eu")).await;
        let mut us =
            Gateway::connect_with(&stack, &plane, "us", Held::default(), labels("us")).await;
        assert_eq!(us.step().await, "current");
        stack.tasks.spawn("gateway", eu.serve());
        let only_eu = api("a").replace("spec: {", "spec: {gateways: [eu], ");
        let answer = stack.apply_with(&plane, &only_eu, wait_all(30)).await.unwrap();
        assert!(answer.applied, "{answer:?}");
        let groups: Vec<_> = answer.gateways.iter().map(|state| state.groups.join(",")).collect();
        assert_eq!(groups, ["default,eu", "default"]);
    });
}

#[test]
fn what_a_gateway_rejects_is_shown_and_nothing_else_is_held_up() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        gateway.receive().await.unwrap();
        let rejected =
            Rejected { key: "Api/a:1".to_owned(), reason: "no".to_owned(), ..Rejected::default() };
        gateway.answer_with(vec![rejected.clone()]).await;
        let state = gateway_once(&stack, &plane, |state| !state.rejected.is_empty()).await;
        assert_eq!((state.rejected, state.in_sync), (vec![rejected], true));
        stack.apply(&plane, &api("b")).await;
        assert_eq!(gateway.step().await, "delta +1");
    });
}

#[test]
fn a_node_that_comes_back_takes_over_from_its_old_stream() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let mut old = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        old.step().await;
        let mut new = Gateway::connect(&stack, &plane, "one", old.held.clone()).await;
        assert_eq!(new.step().await, "current");
        let ended = old.receive().await.unwrap_err();
        assert_eq!(ended.code(), tonic::Code::Aborted);
        assert!(gateways(&stack, &plane).await[0].connected);
        drop(new);
        gateway_once(&stack, &plane, |state| !state.connected).await;
    });
}

#[test]
fn a_deleted_resource_is_deleted_at_the_gateway() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &apis(["a", "b"].map(String::from))).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        gateway.step().await;
        crate::admin::delete_api(&stack, &plane, "a", "1").await.unwrap();
        assert_eq!(gateway.step().await, "delta +0 -1");
    });
}

#[test]
fn a_tier_that_nothing_offers_stays_at_home() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &format!("{}---\n{}", api("a"), tier("Idle", 5))).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        assert_eq!(gateway.step().await, "full +1");
    });
}

#[test]
fn only_a_gateway_may_open_a_config_stream() {
    check(async |stack| {
        use turnpike_proto::config::v1::config_sync_client::ConfigSyncClient;
        let plane = stack.start().await;
        for name in ["admin", "key-manager"] {
            let mut client = ConfigSyncClient::new(stack.channel(&plane, name));
            let refused = client.sync(tokio_stream::empty()).await.unwrap_err();
            assert_eq!(refused.code(), tonic::Code::PermissionDenied, "{name}");
        }
    });
}

#[test]
fn a_new_certificate_vouches_again_for_what_gateways_hold() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        assert_eq!(gateway.step().await, "full +1");
        let before = gateway.vouched_by.clone();
        let pki = stack.path().join("pki");
        std::fs::remove_file(pki.join("control-plane.pem")).unwrap();
        chassis::pki::development(&pki, &["control-plane"]).unwrap();
        // As a SIGHUP does it.
        assert!(plane.host.tls.reload(plane.host.clock.unix_seconds()).unwrap());
        assert_eq!(gateway.step().await, "current");
        assert_ne!(gateway.vouched_by, before);
        stack.apply(&plane, &api("b")).await;
        assert_eq!(gateway.step().await, "delta +1");
    });
}

#[test]
fn a_gateway_that_believes_nobody_is_told_why_its_stream_ends() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        let Sent::Full(full, _) = gateway.receive().await.unwrap() else { panic!("not full") };
        let refused = Applied {
            epoch: full.epoch,
            revision: full.revision,
            refused: "not ours".to_owned(),
            ..Applied::default()
        };
        gateway.send(refused).await;
        let ended = gateway.receive().await.unwrap_err();
        assert_eq!(ended.code(), tonic::Code::FailedPrecondition);
        assert!(ended.message().contains("not ours"), "{ended:?}");
        let metrics = plane.host.metrics.render().unwrap();
        assert!(metrics.contains("turnpike_config_refused_transactions_total 1"), "{metrics}");
    });
}
