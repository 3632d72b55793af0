//! What waits for a decision, who decides, and what never decides by itself?

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chassis::Host;
use chassis::pki::ClientAuth;
use chassis::rpc::{Allow, Services};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tonic::transport::Channel;
use tonic::{Code, Status};
use turnpike_proto::admin::v1::application_keys_client::ApplicationKeysClient;
use turnpike_proto::admin::v1::applications_client::ApplicationsClient;
use turnpike_proto::admin::v1::history_client::HistoryClient;
use turnpike_proto::admin::v1::lifecycle_action::Action;
use turnpike_proto::admin::v1::lifecycle_client::LifecycleClient;
use turnpike_proto::admin::v1::subscriptions_client::SubscriptionsClient;
use turnpike_proto::admin::v1::workflow_requests_client::WorkflowRequestsClient;
use turnpike_proto::admin::v1::{
    ApplyRequest, ChangeLifecycleRequest, DecideWorkflowRequest, GenerateApiKeyRequest,
    GetLifecycleRequest, GetRequest, ListWorkflowRequest, RollbackRequest,
};
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::workflow_request_spec::State as Standing;
use turnpike_proto::config::v1::{
    Metadata, Resource, SubscriptionSpec, WorkflowRequest, WorkflowRequestSpec, application_spec,
    lifecycle, subscription_spec,
};
use turnpike_proto::workflow::v1::decider_server::{Decider, DeciderServer};
use turnpike_proto::workflow::v1::{DecideRequest, DecideResponse, decide_response};

use crate::history::lines;
use crate::people::{token, with};
use crate::stack::{Plane, Stack, api, check, resources, tier};

/// One who asks, and one who decides.
pub(crate) struct Desk {
    pub(crate) applications: ApplicationsClient<Channel>,
    pub(crate) keys: ApplicationKeysClient<Channel>,
    lives: LifecycleClient<Channel>,
    requests: WorkflowRequestsClient<Channel>,
    pub(crate) subscriptions: SubscriptionsClient<Channel>,
}

impl Desk {
    fn of(stack: &Stack, plane: &Plane) -> Self {
        let channel = stack.channel(plane, "admin");
        Self {
            applications: ApplicationsClient::new(channel.clone()),
            keys: ApplicationKeysClient::new(channel.clone()),
            lives: LifecycleClient::new(channel.clone()),
            requests: WorkflowRequestsClient::new(channel.clone()),
            subscriptions: SubscriptionsClient::new(channel),
        }
    }

    /// What is stored after a subscription with this content was put.
    pub(crate) async fn subscribe(&mut self, spec: &str) -> SubscriptionSpec {
        let text = format!(
            "{{apiVersion: turnpike/v1, kind: Subscription, metadata: {{name: s}}, spec: {{{spec}}}}}"
        );
        let Some(Any::Subscription(one)) = resources(&text).remove(0).resource else { panic!() };
        self.subscriptions.put(one).await.unwrap().into_inner().spec.unwrap()
    }

    pub(crate) async fn subscription(&mut self) -> SubscriptionSpec {
        let request = GetRequest { name: "s".into(), ..Default::default() };
        self.subscriptions.get(request).await.unwrap().into_inner().spec.unwrap()
    }

    pub(crate) async fn waiting(&mut self) -> Vec<WorkflowRequest> {
        let request = ListWorkflowRequest::default();
        self.requests.list(request).await.unwrap().into_inner().items
    }

    async fn all(&mut self) -> Vec<WorkflowRequestSpec> {
        let request = ListWorkflowRequest { all: true, ..Default::default() };
        let items = self.requests.list(request).await.unwrap().into_inner().items;
        items.into_iter().filter_map(|item| item.spec).collect()
    }

    /// Decides about the one request that waits.
    pub(crate) async fn decide(&mut self, approve: bool) -> Result<WorkflowRequestSpec, Status> {
        let waiting = self.waiting().await;
        assert_eq!(waiting.len(), 1, "{waiting:?}");
        let id = waiting[0].metadata.clone().unwrap().name;
        self.decide_about(&id, approve).await
    }

    async fn decide_about(
        &mut self,
        id: &str,
        approve: bool,
    ) -> Result<WorkflowRequestSpec, Status> {
        let request = DecideWorkflowRequest { id: id.to_owned(), reason: "so it is".to_owned() };
        let client = &mut self.requests;
        let answer =
            if approve { client.approve(request).await } else { client.reject(request).await };
        answer.map(|decided| decided.into_inner().spec.unwrap())
    }

    /// Waits until the only request there is stands so.
    async fn until(&mut self, standing: Standing) -> WorkflowRequestSpec {
        loop {
            let all = self.all().await;
            if let [one] = all.as_slice()
                && one.state() == standing
            {
                return one.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// One that lets whoever asked decide.
fn workflow(events: &str, executor: &str) -> String {
    format!(
        "{{apiVersion: turnpike/v1, kind: Workflow, metadata: {{name: ask}}, spec: {{events: \
         [{events}], {executor}, ownRequests: true}}}}\n"
    )
}

const APP: &str =
    "{apiVersion: turnpike/v1, kind: Application, metadata: {name: shop}, spec: {}}\n";

/// A control plane with an API, an application, and a workflow about `events`.
pub(crate) async fn asking(
    stack: &Stack,
    events: &str,
    executor: &str,
    settings: &str,
) -> (Plane, Desk) {
    let plane = stack.start_with("control-plane", settings).await;
    let offer = api("a").replace("spec: {", "spec: {tiers: [Gold, Unlimited], ");
    let secret =
        "{apiVersion: turnpike/v1, kind: Secret, metadata: {name: signed}, spec: {value: key}}\n";
    let all =
        [tier("Gold", 5), offer, APP.to_owned(), secret.to_owned(), workflow(events, executor)];
    assert_eq!(stack.apply(&plane, &all.join("---\n")).await.problems, []);
    let desk = Desk::of(stack, &plane);
    (plane, desk)
}

pub(crate) const SUBSCRIBED: &str = "application: shop, api: 'a:1'";

#[test]
fn a_subscription_is_on_hold_until_somebody_approves_it_also_after_a_restart() {
    check(async |stack| {
        let (plane, mut desk) = asking(&stack, "SUBSCRIPTION_CREATION", "approval: {}", "").await;
        let put = desk.subscribe(&format!("{SUBSCRIBED}, state: UNBLOCKED")).await;
        assert_eq!(put.state(), subscription_spec::State::OnHold);
        plane.stop().await;
        let plane = stack.start().await;
        stack.apply(&plane, &tier("more", 1)).await;
        let mut desk = Desk::of(&stack, &plane);
        let again = desk.subscribe(&format!("{SUBSCRIBED}, tier: Gold")).await;
        assert_eq!(again.state(), subscription_spec::State::OnHold, "asking again is no approval");
        let decided = desk.decide(true).await.unwrap();
        assert_eq!((decided.state(), decided.reason.as_str()), (Standing::Approved, "so it is"));
        assert!(decided.decided_by.starts_with("admin"), "{decided:?}");
        assert_eq!(desk.subscription().await.state(), subscription_spec::State::Unblocked);
        assert_eq!(desk.subscription().await.tier, "Gold");
        assert_eq!(desk.waiting().await, []);
    });
}

#[test]
fn a_subscription_that_was_refused_stays_so_whatever_its_owner_writes() {
    check(async |stack| {
        let (_plane, mut desk) = asking(&stack, "SUBSCRIPTION_CREATION", "approval: {}", "").await;
        desk.subscribe(SUBSCRIBED).await;
        let id = desk.waiting().await[0].metadata.clone().unwrap().name;
        assert_eq!(desk.decide(false).await.unwrap().state(), Standing::Rejected);
        let again = desk.subscribe(&format!("{SUBSCRIBED}, state: UNBLOCKED")).await;
        assert_eq!(again.state(), subscription_spec::State::Rejected);
        let late = desk.decide_about(&id, true).await.unwrap_err();
        assert_eq!(late.code(), Code::FailedPrecondition, "it is decided once");
        assert_eq!(desk.decide_about("none", true).await.unwrap_err().code(), Code::NotFound);
    });
}

#[test]
fn whoever_asked_does_not_approve_it_unless_the_workflow_says_so() {
    check(async |stack| {
        let (plane, mut desk) = asking(&stack, "SUBSCRIPTION_CREATION", "approval: {}", "").await;
        let strict = workflow("SUBSCRIPTION_CREATION", "approval: {}");
        let strict = strict.replace(", ownRequests: true", "");
        assert_eq!(stack.apply(&plane, &strict).await.problems, []);
        let tokens = ["ci admin ann", "night admin ann", "boss admin bob"];
        let mut bearers = Vec::new();
        for text in tokens {
            bearers.push(with(&stack, &plane, &token(&stack, &plane, text).await));
        }
        let Some(Any::Subscription(one)) = resources(
            "{apiVersion: turnpike/v1, kind: Subscription, metadata: {name: s}, spec: \
             {application: shop, api: 'a:1'}}",
        )
        .remove(0)
        .resource
        else {
            panic!()
        };
        SubscriptionsClient::new(bearers[0].clone()).put(one).await.unwrap();
        let id = desk.waiting().await[0].metadata.clone().unwrap().name;
        let asked = DecideWorkflowRequest { id: id.clone(), reason: String::new() };
        // Under whatever name she comes, and whatever she may.
        for bearer in &bearers[..2] {
            let mut requests = WorkflowRequestsClient::new(bearer.clone());
            let refused = requests.approve(asked.clone()).await.unwrap_err();
            assert_eq!(refused.code(), Code::PermissionDenied);
            assert!(refused.message().contains("token:ci has asked for it"), "{refused:?}");
        }
        assert_eq!(desk.subscription().await.state(), subscription_spec::State::OnHold);
        let mut requests = WorkflowRequestsClient::new(bearers[2].clone());
        let decided = requests.approve(asked).await.unwrap().into_inner().spec.unwrap();
        assert_eq!(decided.decided_by, "token:boss");
        assert_eq!(desk.subscription().await.state(), subscription_spec::State::Unblocked);
        let tried = loop {
            let mut found = lines(&stack, &plane).await;
            found.retain(|line| line.event == "change.refused");
            if found.len() >= 2 {
                break found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(tried[0].details["resources"], format!("WorkflowRequest/{id}"));

        // What somebody asked for they may take back.
        desk.subscribe(&format!("{SUBSCRIBED}, tier: Gold")).await;
        let Some(Any::Application(app)) = resources(APP).remove(0).resource else { panic!() };
        let both = workflow("SUBSCRIPTION_CREATION, APPLICATION_CREATION", "approval: {}");
        stack.apply(&plane, &both.replace(", ownRequests: true", "")).await;
        let mut app = app;
        app.metadata.as_mut().unwrap().name = "mine".to_owned();
        desk.applications.put(app).await.unwrap();
        assert_eq!(desk.decide(true).await.unwrap_err().code(), Code::PermissionDenied);
        assert_eq!(desk.decide(false).await.unwrap().state(), Standing::Rejected);
    });
}

#[test]
fn another_tier_is_asked_for_and_the_old_one_holds() {
    check(async |stack| {
        let (_plane, mut desk) = asking(&stack, "SUBSCRIPTION_UPDATE", "approval: {}", "").await;
        let put = desk.subscribe(SUBSCRIBED).await;
        assert_eq!(
            put.state(),
            subscription_spec::State::Unblocked,
            "new ones are not asked about"
        );
        let put = desk.subscribe(&format!("{SUBSCRIBED}, tier: Gold")).await;
        assert_eq!((put.tier.as_str(), desk.waiting().await.len()), ("", 1));
        assert_eq!(desk.decide(true).await.unwrap().wanted, "Gold");
        assert_eq!(desk.subscription().await.tier, "Gold");
    });
}

#[test]
fn a_pending_application_gets_no_keys() {
    check(async |stack| {
        let (_plane, mut desk) = asking(&stack, "APPLICATION_CREATION", "approval: {}", "").await;
        let text = APP.replace("shop", "new");
        let Some(Any::Application(new)) = resources(&text).remove(0).resource else { panic!() };
        let stored = desk.applications.put(new.clone()).await.unwrap().into_inner();
        assert_eq!(stored.spec.unwrap().state(), application_spec::State::Pending);
        let key = GenerateApiKeyRequest { application: "new".to_owned(), ..Default::default() };
        let refused = desk.keys.generate_api_key(key.clone()).await.unwrap_err();
        assert!(refused.message().contains("is PENDING has no keys"), "{refused:?}");
        let again = desk.applications.put(new).await.unwrap().into_inner();
        assert_eq!(again.spec.unwrap().state(), application_spec::State::Pending);
        desk.decide(true).await.unwrap();
        desk.keys.generate_api_key(key).await.unwrap();
    });
}

#[test]
fn a_step_in_the_life_of_an_api_waits_and_is_overtaken_by_another_one() {
    check(async |stack| {
        let (plane, mut desk) = asking(&stack, "API_STATE", "approval: {}", "").await;
        let step = |action: Action| ChangeLifecycleRequest {
            name: "a".to_owned(),
            version: "1".to_owned(),
            action: action.into(),
            ..Default::default()
        };
        let life = GetLifecycleRequest { name: "a".to_owned(), version: "1".to_owned() };
        let asked = desk.lives.change(step(Action::Block)).await.unwrap().into_inner();
        assert_eq!(asked.state(), lifecycle::State::Published);
        let status = desk.lives.get(life.clone()).await.unwrap().into_inner();
        assert_eq!((status.waiting, status.waiting_action), (asked.waiting, Action::Block.into()));
        let twice = desk.lives.change(step(Action::Deprecate)).await.unwrap_err();
        assert_eq!(twice.code(), Code::FailedPrecondition);
        desk.decide(true).await.unwrap();
        let status = desk.lives.get(life).await.unwrap().into_inner();
        assert_eq!(status.state(), lifecycle::State::Blocked);
        desk.lives.change(step(Action::RePublish)).await.unwrap();
        stack.apply(&plane, &api("a").replace("PUBLISHED", "DEPRECATED")).await;
        let decided = desk.decide(true).await.unwrap();
        assert_eq!(decided.state(), Standing::Overtaken, "a file has said otherwise meanwhile");
    });
}

#[test]
fn a_file_is_not_asked_about_and_cannot_forge_a_request() {
    check(async |stack| {
        let (plane, mut desk) =
            asking(&stack, "SUBSCRIPTION_CREATION, API_STATE", "approval: {}", "").await;
        let text = "{apiVersion: turnpike/v1, kind: Subscription, metadata: {name: s}, spec: \
                    {application: shop, api: 'a:1'}}";
        assert_eq!(stack.apply(&plane, text).await.problems, []);
        assert_eq!(desk.subscription().await.state(), subscription_spec::State::Unblocked);
        let forged = WorkflowRequest {
            metadata: Some(Metadata { name: "w1".to_owned(), ..Metadata::default() }),
            spec: Some(WorkflowRequestSpec::default()),
            ..WorkflowRequest::default()
        };
        let resources = vec![Resource { resource: Some(Any::WorkflowRequest(forged)) }];
        let mut client = turnpike_proto::admin::v1::apply_client::ApplyClient::new(
            stack.channel(&plane, "admin"),
        );
        let request = ApplyRequest { resources, ..ApplyRequest::default() };
        let answer = client.apply(request).await.unwrap().into_inner();
        assert_eq!(answer.problems[0].reason, "only the control plane writes it");
        assert_eq!(desk.all().await, []);
    });
}

#[test]
fn what_nobody_decides_expires_and_is_refused() {
    check(async |stack| {
        let executor = "approval: {}, expiresAfter: 1s";
        let (_plane, mut desk) = asking(&stack, "SUBSCRIPTION_CREATION", executor, "").await;
        desk.subscribe(SUBSCRIBED).await;
        let expired = desk.until(Standing::Expired).await;
        assert_eq!(expired.reason, "nobody has decided in time");
        assert_eq!(desk.subscription().await.state(), subscription_spec::State::Rejected);
    });
}

/// What a program was asked by HTTP: signature and body.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// A program that answers with one of these after the other, and with the last from then on.
async fn program(host: &Host, answers: &'static [(u16, &'static str)]) -> (String, Asked) {
    let asked = Asked::default();
    let config = chassis::https::Config {
        listen: ([127, 0, 0, 1], 0).into(),
        certificate: String::new(),
        key: String::new(),
        connections: 16,
    };
    let heard = asked.clone();
    let answer = move |request: Request<Incoming>| {
        let heard = heard.clone();
        async move {
            let signature = request.headers().get("turnpike-signature").cloned();
            let signature = signature.map(|it| it.to_str().unwrap_or_default().to_owned());
            let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
            let body = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            let (status, text) = answers[heard.len().min(answers.len() - 1)];
            heard.push((signature.unwrap_or_default(), body));
            let mut response = Response::new(Full::new(Bytes::from(text)));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        }
    };
    let address = chassis::https::serve(host, &config, ClientAuth::None, answer).await.unwrap();
    (format!("https://{address}/decide"), asked)
}

/// A control plane whose subscriptions a program decides about by HTTP.
async fn asking_program(
    stack: &Stack,
    answers: &'static [(u16, &'static str)],
) -> (Plane, Desk, Asked) {
    let host = Host::development("workflow", stack.path()).unwrap();
    let (url, asked) = program(&host, answers).await;
    let executor = format!("http: {{url: '{url}', secret: signed}}");
    let authorities = stack.path().join("pki/ca.pem");
    let settings = format!("[workflow]\nauthorities = \"{}\"\n", authorities.display());
    let (plane, desk) = asking(stack, "SUBSCRIPTION_CREATION", &executor, &settings).await;
    (plane, desk, asked)
}

#[test]
fn a_program_is_asked_again_until_it_answers_and_an_error_approves_nothing() {
    check(async |stack| {
        let answers: &[_] =
            &[(500, "approve"), (200, "<html>"), (200, r#"{"decision":"approve"}"#)];
        let (_plane, mut desk, asked) = asking_program(&stack, answers).await;
        desk.subscribe(SUBSCRIBED).await;
        let decided = desk.until(Standing::Approved).await;
        assert_eq!((decided.tries, decided.decided_by.as_str()), (3, "workflow/ask"));
        assert_eq!(desk.subscription().await.state(), subscription_spec::State::Unblocked);
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(asked.len(), 3);
        let (signature, body) = &asked[0];
        let (t, v1) = signature.split_once(",v1=").unwrap();
        let t = t.strip_prefix("t=").unwrap();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"key");
        let signed = aws_lc_rs::hmac::sign(&key, format!("{t}.{body}").as_bytes());
        let hex: Vec<String> = signed.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let hex = hex.concat();
        assert_eq!(v1, hex);
        let question: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(question["event"], "SUBSCRIPTION_CREATION");
        assert_eq!(
            (&question["subject"], &question["api"]),
            (&"Subscription/s".into(), &"a:1".into())
        );
    });
}

#[test]
fn a_program_may_refuse_or_leave_the_decision_for_later() {
    check(async |stack| {
        let refuses: &[_] = &[(200, r#"{"decision":"reject","reason":"no"}"#)];
        let (_plane, mut desk, _) = asking_program(&stack, refuses).await;
        desk.subscribe(SUBSCRIBED).await;
        assert_eq!(desk.until(Standing::Rejected).await.reason, "no");
        assert_eq!(desk.subscription().await.state(), subscription_spec::State::Rejected);
    });
    check(async |stack| {
        let (_plane, mut desk, asked) = asking_program(&stack, &[(200, "{}")]).await;
        desk.subscribe(SUBSCRIBED).await;
        while !desk.until(Standing::Waiting).await.accepted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(desk.subscription().await.state(), subscription_spec::State::OnHold);
        desk.decide(true).await.unwrap();
        assert_eq!(desk.subscription().await.state(), subscription_spec::State::Unblocked);
        assert_eq!(asked.lock().unwrap_or_else(PoisonError::into_inner).len(), 1);
    });
}

/// Approves what Gold is asked for, and refuses everything else.
#[derive(Debug)]
struct Golden;

#[tonic::async_trait]
impl Decider for Golden {
    async fn decide(
        &self,
        request: tonic::Request<DecideRequest>,
    ) -> Result<tonic::Response<DecideResponse>, Status> {
        let golden = request.get_ref().tier == "Gold";
        let decision = if golden {
            decide_response::Decision::Approve
        } else {
            decide_response::Decision::Reject
        };
        let reason = "by tier".to_owned();
        Ok(tonic::Response::new(DecideResponse { decision: decision.into(), reason }))
    }
}

#[test]
fn a_program_decides_over_grpc() {
    check(async |stack| {
        let host = Host::development("workflow", stack.path()).unwrap();
        let config = chassis::rpc::Config { listen: ([127, 0, 0, 1], 0).into(), connections: 16 };
        let services = Services::new(turnpike_proto::DESCRIPTORS)
            .add(Allow::only(&["control-plane"]), DeciderServer::new(Golden));
        let address = chassis::rpc::serve(&host, &config, services).await.unwrap();
        let executor = format!("grpc: {{address: 'https://{address}'}}");
        let (_plane, mut desk) = asking(&stack, "SUBSCRIPTION_CREATION", &executor, "").await;
        desk.subscribe(&format!("{SUBSCRIBED}, tier: Gold")).await;
        assert_eq!(desk.until(Standing::Approved).await.reason, "by tier");
        assert_eq!(desk.subscription().await.state(), subscription_spec::State::Unblocked);
    });
}

#[test]
fn what_was_decided_stays_decided_when_everything_is_put_back() {
    check(async |stack| {
        let (plane, mut desk) = asking(&stack, "APPLICATION_CREATION", "approval: {}", "").await;
        let text = APP.replace("shop", "new");
        let Some(Any::Application(new)) = resources(&text).remove(0).resource else { panic!() };
        let stored = desk.applications.put(new).await.unwrap().into_inner();
        let revision = stored.metadata.unwrap().revision;
        desk.decide(true).await.unwrap();
        let key = GenerateApiKeyRequest { application: "new".to_owned(), ..Default::default() };
        desk.keys.generate_api_key(key).await.unwrap();
        let mut history = HistoryClient::new(stack.channel(&plane, "admin"));
        let back = RollbackRequest { all: true, revision, ..Default::default() };
        history.rollback(back).await.unwrap();
        let get = GetRequest { name: "new".to_owned(), ..Default::default() };
        let spec = desk.applications.get(get).await.unwrap().into_inner().spec.unwrap();
        assert_eq!((spec.state(), spec.api_keys.len()), (application_spec::State::Approved, 1));
        let all = desk.all().await;
        assert_eq!(
            all.iter().map(WorkflowRequestSpec::state).collect::<Vec<_>>(),
            [Standing::Approved]
        );
    });
}
