//! What holds with etcd behind it, also while etcd is away?

use std::time::Duration;

use tonic::Code;
use turnpike_proto::admin::v1::apis_client::ApisClient;
use turnpike_proto::admin::v1::{ApplyRequest, GetRequest};

use crate::gateway::{Gateway, Held};
use crate::server::{Server, is_installed};
use crate::stack::{Plane, Stack, api, apis, check};
use crate::sync::{gateway_once, gateways, wait_all};

pub(crate) fn section(server: &Server) -> String {
    format!("[store]\nengine = \"etcd\"\n[etcd]\nendpoints = [\"http://{}\"]\n", server.address())
}

#[track_caller]
pub(crate) fn check_on_etcd(story: impl AsyncFnOnce(Stack, Server)) {
    if is_installed() {
        check(async |stack| story(stack, Server::start()).await);
    }
}

#[test]
fn a_change_at_one_control_plane_reaches_the_gateways_of_another() {
    check_on_etcd(async |stack, server| {
        let one = stack.start_with("one", &section(&server)).await;
        let two = stack.start_with("two", &section(&server)).await;
        stack.apply(&one, &api("a")).await;
        // The other one hears of it a moment later.
        let request = GetRequest { name: "a".to_owned(), version: "1".to_owned() };
        let mut apis = ApisClient::new(stack.channel(&two, "admin"));
        while apis.get(request.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut gateway = Gateway::connect(&stack, &two, "one", Held::default()).await;
        assert_eq!(gateway.step().await, "full +1");
        stack.apply(&one, &api("b")).await;
        assert_eq!(gateway.step().await, "delta +1");
        // A gateway may change its control plane and lacks nothing.
        let mut moved = Gateway::connect(&stack, &one, "one", gateway.held.clone()).await;
        assert_eq!(moved.step().await, "current");
        assert_eq!(moved.held.revision, gateway.held.revision);
    });
}

/// Two control planes of one store.
pub(crate) async fn two_planes(stack: &Stack, server: &Server) -> (Plane, Plane) {
    let one = stack.start_with("one", &section(server)).await;
    // Control planes that share a store share the key that secrets are sealed with.
    std::fs::create_dir_all(stack.path().join("two")).unwrap();
    let key = stack.path().join("two/master.key");
    std::fs::copy(one.host.data.join("master.key"), key).unwrap();
    let two = stack.start_with("two", &section(server)).await;
    (one, two)
}

#[test]
fn each_control_plane_knows_and_waits_for_the_gateways_of_all() {
    check_on_etcd(async |stack, server| {
        let (one, two) = two_planes(&stack, &server).await;
        stack.apply(&one, &api("a")).await;
        stack.apply(&two, &api("b")).await;
        let here = Gateway::connect(&stack, &one, "here", Held::default()).await;
        stack.tasks.spawn("gateway", here.serve());
        let mut there = Gateway::connect(&stack, &two, "there", Held::default()).await;
        there.step().await;
        gateway_once(&stack, &one, |row| row.node == "there" && row.in_sync).await;
        // Who does not answer over there holds up who waits here.
        let late = stack.apply_with(&one, &api("c"), wait_all(1)).await.unwrap();
        assert!(!late.applied);
        there.step().await;
        stack.tasks.spawn("gateway", there.serve());
        let done = stack.apply_with(&one, &api("d"), wait_all(20)).await.unwrap();
        assert!(done.applied, "{done:?}");
        assert_eq!(done.gateways.len(), 2);
        // The gateways of a control plane that ends are nowhere, and still expected.
        two.stop().await;
        gateway_once(&stack, &one, |row| row.node == "there" && !row.connected).await;
        let gone = stack.apply_with(&one, &api("e"), wait_all(1)).await.unwrap();
        assert!(!gone.applied, "{gone:?}");
    });
}

#[test]
fn rows_of_gateways_wake_nobody_who_watches_resources() {
    check_on_etcd(async |stack, server| {
        let (one, two) = two_planes(&stack, &server).await;
        let stored = stack.apply(&one, &api("a")).await.revision;
        for node in ["x", "y", "z"] {
            let gateway = Gateway::connect(&stack, &two, node, Held::default()).await;
            stack.tasks.spawn("gateway", gateway.serve());
            gateway_once(&stack, &one, |row| row.node == node && row.in_sync).await;
        }
        let rows = gateways(&stack, &one).await;
        assert!(rows.iter().all(|row| row.applied == stored), "{rows:?}");
        assert_eq!(stack.apply(&one, &api("a")).await.revision, stored);
    });
}

#[test]
fn two_control_planes_do_not_store_what_is_wrong_only_together() {
    check_on_etcd(async |stack, server| {
        let one = stack.start_with("one", &section(&server)).await;
        let two = stack.start_with("two", &section(&server)).await;
        stack.apply(&one, &api("z")).await;
        stack.apply(&two, &api("z")).await;
        let same = |name: &str, n: usize| {
            api(&format!("{name}{n}"))
                .replace(&format!("context: /{name}{n}"), &format!("context: /same{n}"))
        };
        for n in 0..10 {
            let (a, b) = (same("a", n), same("b", n));
            let (a, b) =
                futures_util::future::join(stack.apply(&one, &a), stack.apply(&two, &b)).await;
            let stored = [&a, &b].iter().filter(|answer| answer.problems.is_empty()).count();
            assert_eq!(stored, 1, "{a:?} {b:?}");
        }
    });
}

#[test]
fn while_etcd_is_away_reads_and_gateways_go_on_and_writes_are_refused() {
    check_on_etcd(async |stack, mut server| {
        let plane = stack.start_with("one", &section(&server)).await;
        stack.apply(&plane, &api("a")).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        gateway.step().await;
        server.kill();
        let refused =
            stack.apply_with(&plane, &api("b"), ApplyRequest::default()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        let request = GetRequest { name: "a".to_owned(), version: "1".to_owned() };
        ApisClient::new(stack.channel(&plane, "admin")).get(request).await.unwrap();
        let mut second = Gateway::connect(&stack, &plane, "two", Held::default()).await;
        assert_eq!(second.step().await, "full +1");
        assert!(plane.host.ready.is_ready());
        server.restart();
        let mut answer = stack.apply_with(&plane, &api("b"), ApplyRequest::default()).await;
        while answer.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer = stack.apply_with(&plane, &api("b"), ApplyRequest::default()).await;
        }
        assert_eq!(gateway.step().await, "delta +1");
        assert_eq!(second.step().await, "delta +1");
    });
}

#[test]
fn a_store_restored_from_a_backup_is_compared_and_not_sent_again() {
    check_on_etcd(async |stack, mut server| {
        let plane = stack.start_with("one", &section(&server)).await;
        stack.apply(&plane, &apis((0..20).map(|n| format!("api{n}")))).await;
        let mut gateway = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        gateway.step().await;
        let epoch = gateway.held.epoch.clone();
        server.snapshot();
        stack.apply(&plane, &api("lost")).await;
        assert_eq!(gateway.step().await, "delta +1");
        server.restore(true);
        assert_eq!(gateway.step().await, "delta +0 -1");
        assert_ne!(gateway.held.epoch, epoch);
    });
}

#[test]
fn what_does_not_fit_into_etcd_is_a_problem_of_the_resource() {
    check_on_etcd(async |stack, server| {
        let plane = stack.start_with("one", &section(&server)).await;
        // Random, so that no compression makes it fit.
        let text = chassis::random::token(2_000_000);
        let large =
            api("a").replace("spec: {", &format!("spec: {{definition: {{text: \"{text}\"}}, "));
        let answer = stack.apply(&plane, &large).await;
        let reasons: Vec<&str> =
            answer.problems.iter().map(|problem| problem.reason.as_str()).collect();
        assert!(reasons.iter().any(|reason| reason.contains("in the store")), "{reasons:?}");
    });
}
