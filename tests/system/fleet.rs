//! A system of three gateways beside that of its command line, callers of every kind, and the ways to
//! end what they may.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use harness::{Backend, Client, Gateway, Link, Stack, eventually};
use tonic::transport::Channel;
use turnpike_proto::admin::v1::DeleteRequest;
use turnpike_proto::admin::v1::deny_policies_client::DenyPoliciesClient;
use turnpike_proto::admin::v1::subscriptions_client::SubscriptionsClient;
use turnpike_proto::config::v1::subscription_spec::State;
use turnpike_proto::config::v1::{
    DenyPolicy, DenyPolicySpec, Metadata, Subscription, SubscriptionSpec,
};
use turnpike_proto::identity::v1::clients_client::ClientsClient;
use turnpike_proto::identity::v1::revocations_client::RevocationsClient;
use turnpike_proto::identity::v1::revoke_request::What;
use turnpike_proto::identity::v1::users_client::UsersClient;
use turnpike_proto::identity::v1::{CreateUserRequest, RegisterClientRequest, RevokeRequest};

pub(crate) const GATEWAYS: usize = 3;
/// No change takes longer to reach a gateway.
pub(crate) const BOUND: Duration = Duration::from_secs(5);
pub(crate) const REVOKED: &str = "401 900901";
pub(crate) const BLOCKED: &str = "401 900907";
pub(crate) const DENIED: &str = "403 900805";
/// Where callers come from unless somebody says otherwise.
pub(crate) const HOME: &str = "198.51.100.1";

/// The system.
pub(crate) struct Fleet {
    pub(crate) stack: Stack,
    pub(crate) gateways: Vec<Gateway>,
    /// The way of each gateway to the key manager.
    pub(crate) links: Vec<Link>,
    pub(crate) backend: Backend,
    /// Everything that is published.
    resources: String,
}

/// An application with a client of the key manager.
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) client: String,
    secret: String,
}

/// A call that is made again and again.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) target: String,
    pub(crate) token: String,
    /// The address of the caller.
    pub(crate) from: String,
}

/// What is ended, and how it is refused then.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Token(String),
    Client(String),
    User(String),
    /// All tokens of an application.
    Application(String),
    Deny(DenyPolicySpec),
    Subscription {
        application: String,
        api: String,
    },
}

impl End {
    /// A policy that names what `change` says.
    pub(crate) fn deny(change: impl FnOnce(&mut DenyPolicySpec)) -> Self {
        let mut spec = DenyPolicySpec::default();
        change(&mut spec);
        Self::Deny(spec)
    }

    pub(crate) const fn refusal(&self) -> &'static str {
        match self {
            Self::Token(_) | Self::Client(_) | Self::User(_) | Self::Application(_) => REVOKED,
            Self::Deny(_) => DENIED,
            Self::Subscription { .. } => BLOCKED,
        }
    }
}

impl Fleet {
    /// A system of so many gateways. `BACKEND` in the `resources` is where a backend is.
    pub(crate) async fn start(count: usize, resources: &str) -> Self {
        let people = ("key-manager", "[login]\npassword_grant = true\n");
        let (stack, backend) = (Stack::start_uncounted(&[people]).await, Backend::start("b").await);
        let resources = resources.replace("BACKEND", &backend.url());
        let (mut gateways, mut links) = (Vec::new(), Vec::new());
        for number in 1..=count {
            let link = Link::to(&stack.rpc("key-manager")).await;
            let name = format!("gateway-{number}");
            gateways.push(Gateway::through(&stack, &name, &link.address()).await);
            links.push(link);
        }
        Self { stack, gateways, links, backend, resources }
    }

    /// An application that has subscribed to these APIs of version 1.0.0, once `publish` was said.
    pub(crate) async fn app(&mut self, name: &str, apis: &[&str]) -> App {
        let asked = RegisterClientRequest {
            name: name.to_owned(),
            grant_types: vec!["client_credentials".to_owned(), "password".to_owned()],
            ..RegisterClientRequest::default()
        };
        let mut clients = ClientsClient::new(self.stack.channel("control-plane", "key-manager"));
        let made = clients.register(asked).await.expect("a client").into_inner();
        let keys = [format!("resident/{}", made.client_id)];
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.resources += &harness::resources::application(name, &keys);
        for api in apis {
            self.resources += &harness::resources::subscription(name, api, "Unlimited");
        }
        App { name: name.to_owned(), client: made.client_id, secret: made.client_secret }
    }

    /// Makes an account; the answer is the `sub` of its tokens.
    pub(crate) async fn person(&self, name: &str) -> String {
        let request = CreateUserRequest {
            name: name.to_owned(),
            password: "correct horse".to_owned(),
            ..CreateUserRequest::default()
        };
        let mut users = UsersClient::new(self.stack.channel("admin", "key-manager"));
        users.create(request).await.expect("an account").into_inner().user_id
    }

    /// Puts everything in force.
    pub(crate) async fn publish(&self) {
        self.stack.apply(&self.resources).await;
    }

    /// A token of the application for itself, or for the person.
    pub(crate) async fn token(&self, app: &App, person: Option<&str>) -> String {
        let shown = STANDARD.encode(format!("{}:{}", app.client, app.secret));
        let fields = [
            ("authorization", &*format!("Basic {shown}")),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let form = person.map_or_else(
            || "grant_type=client_credentials".to_owned(),
            |name| format!("grant_type=password&username={name}&password=correct+horse"),
        );
        let answer = self.stack.client().call("POST", "/oauth2/token", &fields, form).await;
        let token = answer.json()["access_token"].as_str().map(str::to_owned);
        token.unwrap_or_else(|| panic!("no token: {answer:?}"))
    }

    /// Ends something; when this returns it is durable.
    pub(crate) async fn end(&self, name: &str, end: &End) {
        match end.clone() {
            End::Token(token) => self.revoke(What::Token(token)).await,
            End::Client(id) => self.revoke(What::ClientId(id)).await,
            End::User(subject) => self.revoke(What::Subject(subject)).await,
            End::Application(name) => {
                self.stack.turnpike(&["revoke", "--app", &name]).await;
            }
            End::Deny(spec) => {
                let policy = DenyPolicy {
                    metadata: Some(named(name)),
                    spec: Some(spec),
                    ..DenyPolicy::default()
                };
                self.denials().put(policy).await.expect("a policy");
            }
            End::Subscription { application, api } => {
                self.subscription(&application, &api, State::Blocked).await;
            }
        }
    }

    /// Takes back what can be taken back.
    pub(crate) async fn lift(&self, name: &str, end: &End) {
        match end.clone() {
            End::Deny(_) => {
                let request = DeleteRequest { name: name.to_owned(), ..DeleteRequest::default() };
                self.denials().delete(request).await.expect("a policy less");
            }
            End::Subscription { application, api } => {
                self.subscription(&application, &api, State::Unblocked).await;
            }
            _ => {}
        }
    }

    async fn revoke(&self, what: What) {
        let request = RevokeRequest { what: Some(what) };
        let mut client = RevocationsClient::new(self.stack.channel("admin", "key-manager"));
        let answer = client.revoke(request).await.expect("revoked").into_inner();
        assert!(answer.sequence > 0, "there was nothing to revoke");
    }

    fn denials(&self) -> DenyPoliciesClient<Channel> {
        DenyPoliciesClient::new(self.stack.channel("admin", "control-plane"))
    }

    async fn subscription(&self, application: &str, api: &str, state: State) {
        let subscription = Subscription {
            metadata: Some(named(&format!("{application}-{api}"))),
            spec: Some(SubscriptionSpec {
                application: application.to_owned(),
                api: format!("{api}:1.0.0"),
                tier: "Unlimited".to_owned(),
                state: state.into(),
                ..SubscriptionSpec::default()
            }),
            ..Subscription::default()
        };
        let mut client = SubscriptionsClient::new(self.stack.channel("admin", "control-plane"));
        client.put(subscription).await.expect("a subscription");
    }

    /// Waits until each of these gateways answers a call so.
    pub(crate) async fn becomes(&self, gateways: &[usize], call: &Call, expected: &str) {
        for number in gateways {
            let what = format!("{call:?} at gateway {number}: {expected}");
            eventually(&what, 2 * BOUND, async || {
                let said = said(&mut self.gateways[*number].client(), call).await;
                (said.as_deref() == Some(expected)).then_some(())
            })
            .await;
        }
    }
}

impl Call {
    pub(crate) fn new(target: &str, token: &str) -> Self {
        Self { target: target.to_owned(), token: token.to_owned(), from: HOME.to_owned() }
    }

    pub(crate) fn from(self, address: &str) -> Self {
        Self { from: address.to_owned(), ..self }
    }
}

/// `200`, or status and number; `None`: there was no answer.
pub(crate) async fn said(client: &mut Client, call: &Call) -> Option<String> {
    let bearer = format!("Bearer {}", call.token);
    let fields = [("authorization", &*bearer), ("x-forwarded-for", &call.from)];
    let answer = client.try_call("GET", &call.target, &fields, Bytes::new()).await.ok()?;
    Some(if answer.status == 200 { "200".to_owned() } else { answer.verdict() })
}

fn named(name: &str) -> Metadata {
    Metadata { name: name.to_owned(), ..Metadata::default() }
}
