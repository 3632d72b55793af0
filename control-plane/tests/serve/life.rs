//! How do APIs and products live, and how do new versions come into being?

use std::fmt::Write as _;

use tonic::{Code, Status};
use turnpike_proto::admin::v1::apis_client::ApisClient;
use turnpike_proto::admin::v1::lifecycle_action::Action;
use turnpike_proto::admin::v1::lifecycle_client::LifecycleClient;
use turnpike_proto::admin::v1::subscriptions_client::SubscriptionsClient;
use turnpike_proto::admin::v1::{
    ChangeLifecycleRequest, ChangeLifecycleResponse, GetLifecycleRequest, GetRequest,
    LifecycleStatus, ListRequest, NewVersionRequest,
};
use turnpike_proto::config::v1::{ApiSpec, lifecycle};

use crate::stack::{Plane, Stack, api, check};

/// One who looks after lives.
struct Keeper {
    client: LifecycleClient<tonic::transport::Channel>,
    apis: ApisClient<tonic::transport::Channel>,
    subscriptions: SubscriptionsClient<tonic::transport::Channel>,
}

impl Keeper {
    fn of(stack: &Stack, plane: &Plane) -> Self {
        let channel = stack.channel(plane, "admin");
        Self {
            client: LifecycleClient::new(channel.clone()),
            apis: ApisClient::new(channel.clone()),
            subscriptions: SubscriptionsClient::new(channel),
        }
    }

    async fn step(&mut self, id: &str, action: Action) -> Result<ChangeLifecycleResponse, Status> {
        self.step_with(id, action, ChangeLifecycleRequest::default()).await
    }

    async fn step_with(
        &mut self,
        id: &str,
        action: Action,
        more: ChangeLifecycleRequest,
    ) -> Result<ChangeLifecycleResponse, Status> {
        let (name, version) = id.split_once(':').unwrap();
        let (name, version) = (name.to_owned(), version.to_owned());
        let request = ChangeLifecycleRequest { name, version, action: action.into(), ..more };
        self.client.change(request).await.map(tonic::Response::into_inner)
    }

    async fn status(&mut self, id: &str) -> LifecycleStatus {
        let (name, version) = id.split_once(':').unwrap();
        let request = GetLifecycleRequest { name: name.to_owned(), version: version.to_owned() };
        self.client.get(request).await.unwrap().into_inner()
    }

    async fn new_version(
        &mut self,
        id: &str,
        new: &str,
        more: NewVersionRequest,
    ) -> Result<(), Status> {
        let (name, version) = id.split_once(':').unwrap();
        let (name, version, new_version) = (name.to_owned(), version.to_owned(), new.to_owned());
        let request = NewVersionRequest { name, version, new_version, ..more };
        self.client.new_version(request).await.map(drop)
    }

    async fn api(&mut self, id: &str) -> ApiSpec {
        let (name, version) = id.split_once(':').unwrap();
        let request = GetRequest { name: name.to_owned(), version: version.to_owned() };
        self.apis.get(request).await.unwrap().into_inner().spec.unwrap()
    }

    /// Each as `application api state`.
    async fn rights(&mut self) -> Vec<String> {
        let page = self.subscriptions.list(ListRequest::default()).await.unwrap().into_inner();
        let said = page.items.into_iter().map(|item| {
            let spec = item.spec.unwrap();
            let called = if spec.api_product.is_empty() { &spec.api } else { &spec.api_product };
            format!("{} {called} {}", spec.application, spec.state().as_str_name())
        });
        let mut said: Vec<String> = said.collect();
        said.sort();
        said
    }
}

fn actions(status: &LifecycleStatus) -> String {
    let actions = status.actions.iter().map(|one| one.action().as_str_name());
    actions.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_life_goes_from_step_to_step_and_other_steps_are_refused() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &api("a").replace("PUBLISHED", "CREATED")).await;
        let mut keeper = Keeper::of(&stack, &plane);
        assert_eq!(actions(&keeper.status("a:1").await), "publish deploy_as_prototype");
        let refused = keeper.step("a:1", Action::Retire).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let said =
            "retire is no step from CREATED; what may be done is publish, deploy_as_prototype";
        assert!(refused.message().contains(said), "{}", refused.message());
        for (action, state) in [
            (Action::DeployAsPrototype, lifecycle::State::Prototyped),
            (Action::DemoteToCreated, lifecycle::State::Created),
            (Action::Publish, lifecycle::State::Published),
            (Action::Block, lifecycle::State::Blocked),
            (Action::RePublish, lifecycle::State::Published),
            (Action::Deprecate, lifecycle::State::Deprecated),
            (Action::Retire, lifecycle::State::Retired),
        ] {
            let changed = keeper.step("a:1", action).await.unwrap();
            assert_eq!((changed.state(), keeper.status("a:1").await.state()), (state, state));
        }
        assert_eq!(actions(&keeper.status("a:1").await), "");
        let refused = keeper.step("a:1", Action::Publish).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let refused = keeper.step("a:1", Action::None).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(keeper.step("b:1", Action::Publish).await.unwrap_err().code(), Code::NotFound);
    });
}

#[test]
fn a_file_writes_only_states_that_steps_lead_to() {
    check(async |stack| {
        let plane = stack.start().await;
        let state = |state: &str| api("a").replace("PUBLISHED", state);
        for good in ["PUBLISHED", "CREATED", "BLOCKED", "PROTOTYPED", "DEPRECATED"] {
            let answer = stack.apply(&plane, &state(good)).await;
            assert_eq!(answer.problems, [], "{good}");
        }
        let answer = stack.apply(&plane, &state("PUBLISHED")).await;
        let said = plan::describe(&answer.problems[0]);
        assert_eq!(
            said,
            "Api/a:1: spec.lifecycle: no step leads from DEPRECATED to PUBLISHED; what comes next is RETIRED"
        );
        assert_eq!(stack.apply(&plane, &state("RETIRED")).await.problems, []);
        assert_eq!(stack.apply(&plane, &state("DEPRECATED")).await.problems.len(), 1);
        assert_eq!(stack.apply(&plane, &state("RETIRED")).await.problems, []);
    });
}

const SHOP: &str = "
{apiVersion: turnpike/v1, kind: Api, metadata: {name: orders, version: '1'}, spec: {context: /orders, defaultVersion: true, lifecycle: PUBLISHED, endpoints: {production: {urls: ['http://127.0.0.1:1/']}}}}
---
{apiVersion: turnpike/v1, kind: Application, metadata: {name: shop}, spec: {}}
---
{apiVersion: turnpike/v1, kind: Application, metadata: {name: web}, spec: {}}
---
{apiVersion: turnpike/v1, kind: Application, metadata: {name: late}, spec: {}}
---
{apiVersion: turnpike/v1, kind: Subscription, metadata: {name: one}, spec: {application: shop, api: 'orders:1'}}
---
{apiVersion: turnpike/v1, kind: Subscription, metadata: {name: two}, spec: {application: web, api: 'orders:1', state: BLOCKED}}
---
{apiVersion: turnpike/v1, kind: Subscription, metadata: {name: three}, spec: {application: late, api: 'orders:1', state: ON_HOLD}}
";

#[test]
fn a_new_version_serves_nobody_until_it_is_published_with_what_belongs_to_it() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, SHOP).await;
        let mut keeper = Keeper::of(&stack, &plane);
        let default = NewVersionRequest { default_version: true, ..Default::default() };
        keeper.new_version("orders:1", "2", default.clone()).await.unwrap();
        let twice = keeper.new_version("orders:1", "2", default).await.unwrap_err();
        assert_eq!(twice.code(), Code::InvalidArgument);
        let made = keeper.api("orders:2").await;
        assert_eq!((made.lifecycle(), made.default_version), (lifecycle::State::Created, false));
        assert!(keeper.api("orders:1").await.default_version, "the old one serves");
        let status = keeper.status("orders:2").await;
        let checks: Vec<_> = status.actions[0].checks.iter().map(|it| it.touches.clone()).collect();
        let subscriptions = ["Subscription/one".to_owned(), "Subscription/two".to_owned()];
        assert_eq!(checks, [vec!["Api/orders:1".to_owned()], subscriptions.to_vec()]);
        let all = ChangeLifecycleRequest { deprecate_old_versions: true, ..Default::default() };
        let changed = keeper.step_with("orders:2", Action::Publish, all.clone()).await.unwrap();
        assert_eq!(
            (changed.deprecated, changed.subscriptions),
            (vec!["Api/orders:1".to_owned()], 2)
        );
        let (old, new) = (keeper.api("orders:1").await, keeper.api("orders:2").await);
        assert_eq!((old.lifecycle(), old.default_version), (lifecycle::State::Deprecated, false));
        assert_eq!((new.lifecycle(), new.default_version), (lifecycle::State::Published, true));
        assert_eq!(
            keeper.rights().await,
            [
                "late orders:1 ON_HOLD",
                "shop orders:1 UNBLOCKED",
                "shop orders:2 UNBLOCKED",
                "web orders:1 BLOCKED",
                "web orders:2 BLOCKED"
            ]
        );
        let late = keeper.step_with("orders:2", Action::Publish, all).await.unwrap_err();
        assert_eq!(late.code(), Code::InvalidArgument, "the list belongs to the first time");
    });
}

#[test]
fn where_resubscription_is_required_no_subscription_goes_along() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, SHOP).await;
        let mut keeper = Keeper::of(&stack, &plane);
        let required = NewVersionRequest { require_resubscription: true, ..Default::default() };
        keeper.new_version("orders:1", "2", required).await.unwrap();
        keeper.new_version("orders:1", "3", NewVersionRequest::default()).await.unwrap();
        assert_eq!(keeper.step("orders:2", Action::Publish).await.unwrap().subscriptions, 0);
        let told = ChangeLifecycleRequest { require_resubscription: true, ..Default::default() };
        let changed = keeper.step_with("orders:3", Action::Publish, told).await.unwrap();
        assert_eq!((changed.subscriptions, keeper.rights().await.len()), (0, 3));
        assert!(keeper.api("orders:1").await.default_version, "nobody has said otherwise");
    });
}

#[test]
fn thousands_of_subscriptions_go_along_and_a_second_try_finds_them() {
    check(async |stack| {
        let plane = stack.start().await;
        let mut text = api("a");
        for n in 0..1200 {
            let _ = write!(
                text,
                "---\n{{apiVersion: turnpike/v1, kind: Application, metadata: {{name: app{n}}}, spec: {{}}}}\n---\n\
                 {{apiVersion: turnpike/v1, kind: Subscription, metadata: {{name: s{n}}}, spec: {{application: app{n}, api: 'a:1'}}}}\n"
            );
        }
        assert_eq!(stack.apply(&plane, &text).await.problems, []);
        let mut keeper = Keeper::of(&stack, &plane);
        keeper.new_version("a:1", "2", NewVersionRequest::default()).await.unwrap();
        assert_eq!(keeper.step("a:2", Action::Publish).await.unwrap().subscriptions, 1200);
        keeper.step("a:2", Action::DemoteToCreated).await.unwrap();
        assert_eq!(keeper.step("a:2", Action::Publish).await.unwrap().subscriptions, 0);
    });
}

#[test]
fn a_product_lives_as_an_api_does_and_says_when_its_apis_have_changed() {
    check(async |stack| {
        let plane = stack.start().await;
        let product = "{apiVersion: turnpike/v1, kind: ApiProduct, metadata: {name: p, version: '1'}, \
                       spec: {context: /p, apis: [{name: a, version: '1'}]}}\n";
        stack.apply(&plane, &format!("{}---\n{product}", api("a"))).await;
        let mut keeper = Keeper::of(&stack, &plane);
        assert_eq!(keeper.status("p:1").await.outdated_by, Vec::<String>::new());
        assert_eq!(
            keeper.step("p:1", Action::Publish).await.unwrap().state(),
            lifecycle::State::Published
        );
        stack.apply(&plane, &api("a").replace("spec: {", "spec: {description: new, ")).await;
        assert_eq!(keeper.status("p:1").await.outdated_by, ["Api/a:1"]);
        keeper.new_version("p:1", "2", NewVersionRequest::default()).await.unwrap();
        assert_eq!(actions(&keeper.status("p:2").await), "publish deploy_as_prototype");
    });
}
