//! Does a change in waves reach the gateways that it should, and does harm take it back?

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tonic::{Code, Status};
use turnpike_proto::admin::v1::apis_client::ApisClient;
use turnpike_proto::admin::v1::rollout::State;
use turnpike_proto::admin::v1::rollouts_client::RolloutsClient;
use turnpike_proto::admin::v1::{
    AbortRolloutRequest, ApplyRequest, ContinueRolloutRequest, GetRequest, GetRolloutRequest,
    Rollout, RolloutGuard, RolloutPlan,
};
use turnpike_proto::config::v1::{ApiReport, CallSpan, Hello, Rejected, Report};

use crate::etcd::{check_on_etcd, two_planes};
use crate::gateway::{Gateway, Held, Sent};
use crate::rest::curl;
use crate::stack::{Plane, Stack, api, check};
use crate::sync::gateway_once;

/// How often scripted gateways tell how calls are.
const TELL: Duration = Duration::from_millis(50);

/// How gateways behave with what they hold.
#[derive(Clone, Copy, Default)]
struct Script {
    /// Of the API `b`: what they say against it.
    refuses: &'static str,
    /// With the API `b`: how many of 100 calls are answered 5xx.
    errors: u64,
    /// With the API `b`: how long calls take, without it 10 ms; 0: as long.
    slow_us: u64,
    /// With the API `b`: how many of 100 calls of the API `a`, a thousandth of all, are answered 5xx.
    errors_of_a: u64,
    /// The label `at` that each has; empty: none.
    at: &'static str,
}

impl Script {
    fn api(&self, has_b: bool, calls: u64) -> Option<ApiReport> {
        let server_errors = if has_b { calls * self.errors_of_a / 100 } else { 0 };
        let api = "a:1".to_owned();
        (self.errors_of_a > 0).then_some(ApiReport { api, calls, server_errors, spans: Vec::new() })
    }
}

/// Gateways that serve by a script, and what each was sent.
struct Fleet {
    script: Script,
    nodes: BTreeMap<&'static str, Node>,
}

#[derive(Clone, Default)]
struct Node {
    sent: Arc<Mutex<Vec<String>>>,
    held: Arc<Mutex<Held>>,
}

impl Fleet {
    fn of(names: impl IntoIterator<Item = &'static str>, script: Script) -> Self {
        let nodes = names.into_iter().map(|name| (name, Node::default())).collect();
        Self { script, nodes }
    }

    /// Connects all of them, each with what it holds, and waits until they hold what they should.
    async fn connect(&self, stack: &Stack, plane: &Plane) {
        for name in self.nodes.keys() {
            self.connect_one(stack, plane, name).await;
        }
    }

    async fn connect_one(&self, stack: &Stack, plane: &Plane, name: &'static str) {
        let node = self.nodes[name].clone();
        let at = Some(("at".to_owned(), self.script.at.to_owned()));
        let labels = at.filter(|(_, at)| !at.is_empty()).into_iter().collect();
        let hello = Hello { node: name.to_owned(), reports: true, labels, ..Hello::default() };
        let held = node.held.lock().unwrap().clone();
        let gateway = Gateway::connect_as(stack, plane, held, hello).await;
        stack.tasks.spawn("gateway", serve(gateway, node, self.script));
        gateway_once(stack, plane, |row| row.node == name && row.connected && row.in_sync).await;
    }

    /// What each was sent since it was asked last, with those of the same together: `2: full +1`.
    fn sent(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for node in self.nodes.values() {
            let sent = std::mem::take(&mut *node.sent.lock().unwrap()).join(", ");
            *counts.entry(sent).or_default() += 1;
        }
        let told = counts.iter().map(|(sent, count)| format!("{count}: {sent}"));
        told.collect::<Vec<_>>().join("; ")
    }
}

async fn serve(mut gateway: Gateway, node: Node, script: Script) {
    let mut tick = tokio::time::interval(TELL);
    let (mut calls, mut server_errors) = (0, 0);
    let mut spans: BTreeMap<u64, u64> = BTreeMap::new();
    loop {
        let has_b = gateway.held.objects.iter().any(|object| object.key().name() == "b");
        tokio::select! {
            _ = tick.tick() => {
                calls += 100;
                server_errors += if has_b { script.errors } else { 0 };
                let took = if has_b && script.slow_us > 0 { script.slow_us } else { 10_000 };
                *spans.entry(took).or_default() += 100;
                let spans = spans.iter().map(|(up_to_us, calls)| {
                    CallSpan { up_to_us: *up_to_us, calls: *calls }
                });
                let (spans, apis) = (spans.collect(), Vec::from_iter(script.api(has_b, calls)));
                gateway.report(Report { calls, server_errors, spans, apis }).await;
            }
            sent = gateway.receive() => {
                let Ok(sent) = sent else { return };
                *node.held.lock().unwrap() = gateway.held.clone();
                if matches!(sent, Sent::Current) {
                    continue;
                }
                node.sent.lock().unwrap().push(sent.told());
                let has_b = gateway.held.objects.iter().any(|object| object.key().name() == "b");
                let refuses = has_b && !script.refuses.is_empty();
                let refused = refuses.then(|| Rejected {
                    key: "Api/b:1".to_owned(),
                    reason: script.refuses.to_owned(),
                    ..Rejected::default()
                });
                gateway.answer_with(refused.into_iter().collect()).await;
            }
        }
    }
}

fn plan(steps: &[u32], pauses: bool) -> RolloutPlan {
    let guard = RolloutGuard {
        latency_percent: Some(20.0),
        watch: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..RolloutGuard::default()
    };
    RolloutPlan { steps: steps.to_vec(), guard: Some(guard), pauses, group: String::new() }
}

async fn begin(
    stack: &Stack,
    plane: &Plane,
    text: &str,
    plan: RolloutPlan,
) -> Result<Rollout, Status> {
    let request = ApplyRequest { rollout: Some(plan), ..ApplyRequest::default() };
    let answer = stack.apply_with(plane, text, request).await?;
    assert!(answer.problems.is_empty(), "{:?}", answer.problems);
    Ok(answer.rollout.expect("a rollout"))
}

/// The rollout, once it is `state`.
async fn once(stack: &Stack, plane: &Plane, name: &str, state: State) -> Rollout {
    let mut client = RolloutsClient::new(stack.channel(plane, "admin"));
    loop {
        let request = GetRolloutRequest { name: name.to_owned() };
        match client.get(request).await {
            Ok(found) if found.get_ref().state() == state => return found.into_inner(),
            Err(status) if status.code() != Code::Unavailable => panic!("{status:?}"),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn go_on(stack: &Stack, plane: &Plane, name: &str) {
    let mut client = RolloutsClient::new(stack.channel(plane, "admin"));
    client.r#continue(ContinueRolloutRequest { name: name.to_owned() }).await.unwrap();
}

/// Whether the API `b` is in force.
async fn is_stored(stack: &Stack, plane: &Plane) -> bool {
    let mut apis = ApisClient::new(stack.channel(plane, "admin"));
    let request = GetRequest { name: "b".to_owned(), version: "1".to_owned() };
    apis.get(request).await.is_ok()
}

const FOUR: [&str; 4] = ["one", "two", "three", "four"];

/// Waits until all four have at least this revision in force.
async fn four_at(stack: &Stack, plane: &Plane, revision: u64) {
    for name in FOUR {
        gateway_once(stack, plane, |row| row.node == name && row.applied >= revision).await;
    }
}

#[test]
fn a_change_goes_from_wave_to_wave_and_its_end_sends_nothing() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let fleet = Fleet::of(FOUR, Script::default());
        fleet.connect(&stack, &plane).await;
        assert_eq!(fleet.sent(), "4: full +1");
        let rollout = begin(&stack, &plane, &api("b"), plan(&[25, 75, 100], true)).await.unwrap();
        let first = once(&stack, &plane, &rollout.name, State::Paused).await;
        assert_eq!((first.step, first.gateways.len()), (1, 1));
        assert_eq!(fleet.sent(), "3: ; 1: delta +1");
        assert!(!is_stored(&stack, &plane).await);
        go_on(&stack, &plane, &rollout.name).await;
        let second = once(&stack, &plane, &rollout.name, State::Paused).await;
        assert_eq!((second.step, second.gateways.len()), (2, 3));
        assert!(second.gateways.contains(&first.gateways[0]));
        assert_eq!(fleet.sent(), "2: ; 2: delta +1");
        go_on(&stack, &plane, &rollout.name).await;
        once(&stack, &plane, &rollout.name, State::Paused).await;
        assert_eq!(fleet.sent(), "3: ; 1: delta +1");
        go_on(&stack, &plane, &rollout.name).await;
        once(&stack, &plane, &rollout.name, State::Completed).await;
        assert!(is_stored(&stack, &plane).await);
        // The next thing that comes is the next change.
        let revision = stack.apply(&plane, &api("c")).await.revision;
        four_at(&stack, &plane, revision).await;
        assert_eq!(fleet.sent(), "4: delta +1");
    });
}

/// A rollout to one of four gateways that behave by `script`: why is it taken back?
#[track_caller]
fn check_taken_back(script: Script, expected: &'static str) {
    check(async move |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let fleet = Fleet::of(FOUR, script);
        fleet.connect(&stack, &plane).await;
        fleet.sent();
        let rollout = begin(&stack, &plane, &api("b"), plan(&[25, 100], false)).await.unwrap();
        let ended = once(&stack, &plane, &rollout.name, State::Aborted).await;
        assert!(ended.reason.contains(expected), "{}", ended.reason);
        let revision = stack.apply(&plane, &api("c")).await.revision;
        four_at(&stack, &plane, revision).await;
        let sent = fleet.sent();
        assert!(sent.contains("3: delta +1"), "the others have seen nothing of it: {sent}");
        assert!(!is_stored(&stack, &plane).await);
    });
}

#[test]
fn a_refusal_takes_the_change_back() {
    let script = Script { refuses: "no such thing", ..Script::default() };
    check_taken_back(script, "refuses Api/b:1: no such thing");
}

#[test]
fn calls_that_fail_take_the_change_back() {
    check_taken_back(Script { errors: 5, ..Script::default() }, "were answered 5xx");
}

#[test]
fn calls_that_take_longer_take_the_change_back() {
    check_taken_back(Script { slow_us: 13_000, ..Script::default() }, "took up to 13000 µs");
}

#[test]
fn one_api_that_fails_takes_the_change_back_though_all_calls_hide_it() {
    check_taken_back(Script { errors_of_a: 5, ..Script::default() }, "Api/a:1: 5.00 % of");
}

const CANARY: &str = "{apiVersion: turnpike/v1, kind: GatewayGroup, metadata: {name: canary}, spec: \
                      {selector: {at: edge}}}\n";

#[test]
fn waves_of_a_group_leave_all_others_alone_until_the_end() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &[api("a"), CANARY.to_owned()].join("---\n")).await;
        let group = Fleet::of(["one", "two"], Script { at: "edge", ..Script::default() });
        let others = Fleet::of(["three", "four"], Script::default());
        group.connect(&stack, &plane).await;
        others.connect(&stack, &plane).await;
        group.sent();
        others.sent();
        let of = |name: &str| RolloutPlan { group: name.to_owned(), ..plan(&[50, 100], true) };
        let none = begin(&stack, &plane, &api("b"), of("none")).await.unwrap_err();
        assert_eq!(none.code(), Code::InvalidArgument, "{none:?}");
        let rollout = begin(&stack, &plane, &api("b"), of("canary")).await.unwrap();
        let first = once(&stack, &plane, &rollout.name, State::Paused).await;
        assert_eq!((first.step, first.gateways.len()), (1, 1));
        assert_eq!((group.sent(), others.sent()), ("1: ; 1: delta +1".into(), "2: ".into()));
        go_on(&stack, &plane, &rollout.name).await;
        let second = once(&stack, &plane, &rollout.name, State::Paused).await;
        assert_eq!((second.step, second.gateways.len()), (2, 2));
        assert_eq!((group.sent(), others.sent()), ("1: ; 1: delta +1".into(), "2: ".into()));
        assert!(!is_stored(&stack, &plane).await);
        go_on(&stack, &plane, &rollout.name).await;
        once(&stack, &plane, &rollout.name, State::Completed).await;
        assert!(is_stored(&stack, &plane).await);
        let revision = stack.apply(&plane, &api("c")).await.revision;
        four_at(&stack, &plane, revision).await;
        let others = others.sent();
        assert_eq!(
            (group.sent().as_str(), others.as_str()),
            ("2: delta +1", "2: delta +1, delta +1")
        );
    });
}

#[test]
fn a_rollout_begins_over_rest() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let fleet = Fleet::of(FOUR, Script::default());
        fleet.connect(&stack, &plane).await;
        let text = api("b");
        let body = ["-H", "content-type: application/yaml", "--data-binary", &text];
        let at = "/api/v1/apply?rollout=25,100&stepByStep=true&watch=1s&minimumCalls=1";
        let (status, said) = curl(&plane, true, &[&body[..], &[at]].concat()).await;
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(status, 200, "{said}");
        let name = said["rollout"]["name"].as_str().unwrap();
        let first = once(&stack, &plane, name, State::Paused).await;
        assert_eq!((first.step, first.gateways.len()), (1, 1));
        let at = "/api/v1/apply?rollout=25,100&wait=all";
        let (status, said) = curl(&plane, true, &[&body[..], &[at]].concat()).await;
        assert!(status == 400 && said.contains("not for it"), "{status} {said}");
        let (status, said) =
            curl(&plane, true, &[&body[..], &["/api/v1/apply?rollout=100"]].concat()).await;
        assert!(status == 409 && said.contains("is under way"), "{status} {said}");
    });
}

#[test]
fn a_change_for_the_only_gateway_is_compared_with_what_was_before() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let fleet = Fleet::of(["one"], Script { slow_us: 20_000, ..Script::default() });
        fleet.connect(&stack, &plane).await;
        fleet.sent();
        let rollout = begin(&stack, &plane, &api("b"), plan(&[100], false)).await.unwrap();
        let ended = once(&stack, &plane, &rollout.name, State::Aborted).await;
        assert!(ended.reason.contains("took up to 20000 µs"), "{}", ended.reason);
        assert!(!is_stored(&stack, &plane).await);
    });
}

#[test]
fn a_gateway_of_the_wave_that_goes_away_takes_the_change_back() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let mut only = Gateway::connect(&stack, &plane, "one", Held::default()).await;
        only.step().await;
        let guard = RolloutGuard { minimum_calls: Some(0), ..plan(&[], false).guard.unwrap() };
        let plan = RolloutPlan { guard: Some(guard), ..plan(&[100], true) };
        let rollout = begin(&stack, &plane, &api("b"), plan).await.unwrap();
        assert_eq!(only.step().await, "delta +1");
        once(&stack, &plane, &rollout.name, State::Paused).await;
        drop(only);
        let ended = once(&stack, &plane, &rollout.name, State::Aborted).await;
        assert_eq!(ended.reason, "the gateway one has gone away");
    });
}

#[test]
fn a_restart_of_the_control_plane_loses_nothing_of_a_rollout() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let fleet = Fleet::of(FOUR, Script::default());
        fleet.connect(&stack, &plane).await;
        let rollout = begin(&stack, &plane, &api("b"), plan(&[25, 100], true)).await.unwrap();
        once(&stack, &plane, &rollout.name, State::Paused).await;
        fleet.sent();
        plane.stop().await;
        let plane = stack.start().await;
        fleet.connect(&stack, &plane).await;
        assert_eq!(fleet.sent(), "4: ", "everybody holds what they should");
        go_on(&stack, &plane, &rollout.name).await;
        once(&stack, &plane, &rollout.name, State::Paused).await;
        assert_eq!(fleet.sent(), "1: ; 3: delta +1");
        let mut client = RolloutsClient::new(stack.channel(&plane, "admin"));
        let name = rollout.name.clone();
        let abort = AbortRolloutRequest { name, reason: "not today".to_owned() };
        let ended = client.abort(abort.clone()).await.unwrap().into_inner();
        assert!(ended.reason.ends_with("has aborted it: not today"), "{}", ended.reason);
        assert_eq!(client.abort(abort).await.unwrap_err().code(), Code::FailedPrecondition);
        let revision = stack.apply(&plane, &api("a2")).await.revision;
        four_at(&stack, &plane, revision).await;
        assert!(!is_stored(&stack, &plane).await);
    });
}

#[test]
fn other_changes_go_on_and_one_that_contradicts_ends_the_rollout() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let fleet = Fleet::of(FOUR, Script::default());
        fleet.connect(&stack, &plane).await;
        let rollout = begin(&stack, &plane, &api("b"), plan(&[25, 100], true)).await.unwrap();
        once(&stack, &plane, &rollout.name, State::Paused).await;
        fleet.sent();
        let revision = stack.apply(&plane, &api("c")).await.revision;
        four_at(&stack, &plane, revision).await;
        assert_eq!(fleet.sent(), "4: delta +1");
        let second = begin(&stack, &plane, &api("d"), plan(&[100], false)).await.unwrap_err();
        assert_eq!(second.code(), Code::FailedPrecondition);
        assert!(second.message().contains(&rollout.name), "{second:?}");
        stack.apply(&plane, &api("b")).await;
        let ended = once(&stack, &plane, &rollout.name, State::Aborted).await;
        assert_eq!(ended.problems[0].resource, "Api/b:1");
        assert!(is_stored(&stack, &plane).await);
    });
}

#[test]
fn a_rollout_that_nobody_would_see_is_refused() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a")).await;
        let refused = begin(&stack, &plane, &api("b"), plan(&[100], false)).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let senseless = begin(&stack, &plane, &api("b"), plan(&[50], false)).await.unwrap_err();
        assert_eq!(senseless.code(), Code::InvalidArgument);
    });
}

#[test]
fn a_wave_has_gateways_of_every_control_plane() {
    check_on_etcd(async |stack, server| {
        let (one, two) = two_planes(&stack, &server).await;
        stack.apply(&one, &api("a")).await;
        let revision = stack.apply(&two, &api("z")).await.revision;
        let fleet = Fleet::of(FOUR, Script::default());
        for (name, plane) in FOUR.into_iter().zip([&one, &two, &one, &two]) {
            fleet.connect_one(&stack, plane, name).await;
        }
        // In sync with `one` they are before it has heard of what `two` wrote, too.
        four_at(&stack, &one, revision).await;
        fleet.sent();
        let rollout = begin(&stack, &one, &api("b"), plan(&[50, 100], true)).await.unwrap();
        let first = once(&stack, &two, &rollout.name, State::Paused).await;
        assert_eq!(fleet.sent(), "2: ; 2: delta +1");
        assert_eq!(first.step, 1);
        go_on(&stack, &two, &rollout.name).await;
        once(&stack, &one, &rollout.name, State::Paused).await;
        go_on(&stack, &one, &rollout.name).await;
        once(&stack, &two, &rollout.name, State::Completed).await;
        assert_eq!(fleet.sent(), "2: ; 2: delta +1");
        assert!(is_stored(&stack, &two).await);
    });
}
