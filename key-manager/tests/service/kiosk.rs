//! A grant handler of a test's own, which says what it is told to say.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chassis::Host;
use chassis::rpc::{Allow, Config, Services, serve};
use key_manager::config::GrantPluginConfig;
use key_manager::domain::User;
use key_manager::endpoint::Reply;
use key_manager::registration::{Application, Registered};
use serde_json::Value;
use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1::approve::Subject;
use turnpike_proto::identity::v1::grant_decision::Decision;
use turnpike_proto::identity::v1::grant_handler_server::{GrantHandler, GrantHandlerServer};
use turnpike_proto::identity::v1::{
    Approve, DescribeGrantHandlerRequest, GrantDecision, GrantDescriptor, GrantParameter,
    GrantRequest,
};

use crate::browser::{CALLBACK, encode};
use crate::databases::Scratch;
use crate::stand::{BEGIN, Dressed, Stand, config, json, part, post, said, text};

pub(crate) const TYPE: &str = "urn:example:grant-type:voucher";

/// What the handler does when it is asked.
#[derive(Clone)]
pub(crate) enum Does {
    Say(GrantDecision),
    Fail,
    Hang,
}

/// The handler, and what it was asked.
#[derive(Clone)]
pub(crate) struct Handler {
    pub(crate) descriptor: Arc<Mutex<GrantDescriptor>>,
    pub(crate) does: Arc<Mutex<Does>>,
    pub(crate) asked: Arc<Mutex<Vec<GrantRequest>>>,
}

#[tonic::async_trait]
impl GrantHandler for Handler {
    async fn describe(
        &self,
        _: Request<DescribeGrantHandlerRequest>,
    ) -> Result<Response<GrantDescriptor>, Status> {
        Ok(Response::new(self.descriptor.lock().expect("a lock").clone()))
    }

    async fn validate(
        &self,
        request: Request<GrantRequest>,
    ) -> Result<Response<GrantDecision>, Status> {
        self.asked.lock().expect("a lock").push(request.into_inner());
        let does = self.does.lock().expect("a lock").clone();
        match does {
            Does::Say(decision) => Ok(Response::new(decision)),
            Does::Fail => Err(Status::internal("broken")),
            Does::Hang => std::future::pending().await,
        }
    }
}

/// A key manager with that handler.
pub(crate) struct Kiosk {
    pub(crate) stand: Stand,
    pub(crate) handler: Handler,
    pub(crate) ann: User,
    /// The operator's own, which nobody is asked for.
    pub(crate) client: Registered,
    /// Somebody else's.
    pub(crate) foreign: Registered,
}

pub(crate) fn descriptor() -> GrantDescriptor {
    let voucher =
        GrantParameter { name: "voucher".to_owned(), longest: 64, secret: true, required: true };
    GrantDescriptor {
        grant_types: vec![TYPE.to_owned()],
        parameters: vec![voucher],
        may_refresh: true,
        error_codes: vec!["voucher_used".to_owned()],
        claims: ["kiosk", "sub", "roles", "undeclared"].map(str::to_owned).to_vec(),
        ..GrantDescriptor::default()
    }
}

/// What is configured for a handler at `address`.
pub(crate) fn plugin(address: SocketAddr) -> GrantPluginConfig {
    GrantPluginConfig {
        name: "kiosk".to_owned(),
        address: format!("https://{address}"),
        types: vec![TYPE.to_owned()],
        claims: vec!["kiosk".to_owned()],
        consent: false,
        timeout: Duration::from_secs(1),
        at_once: 4,
    }
}

/// An approval of Ann.
pub(crate) fn ann() -> Approve {
    let subject = Some(Subject::UserName("Ann".to_owned()));
    Approve { subject, ..Approve::default() }
}

pub(crate) fn application(first_party: bool) -> Application {
    Application {
        name: "till".to_owned(),
        grant_types: [TYPE, "refresh_token", "authorization_code"].map(str::to_owned).to_vec(),
        redirect_uris: vec![CALLBACK.to_owned()],
        scopes: ["openid", "a", "b"].map(str::to_owned).to_vec(),
        first_party,
        ..Application::default()
    }
}

impl Kiosk {
    pub(crate) async fn on(scratch: &Scratch) -> Self {
        Self::with(scratch, descriptor(), |_, _| {}).await
    }

    /// With other words of the handler, and another configuration.
    pub(crate) async fn with(
        scratch: &Scratch,
        descriptor: GrantDescriptor,
        change: impl FnOnce(&mut GrantPluginConfig, &mut key_manager::config::LoginConfig),
    ) -> Self {
        let handler = Handler {
            descriptor: Arc::new(Mutex::new(descriptor)),
            does: Arc::new(Mutex::new(Does::Fail)),
            asked: Arc::default(),
        };
        let data = scratch.folder.path();
        let host = Host::development("kiosk", data).expect("a host");
        let service = GrantHandlerServer::new(handler.clone());
        let services =
            Services::new(turnpike_proto::DESCRIPTORS).add(Allow::only(&["key-manager"]), service);
        let listen = Config { listen: ([127, 0, 0, 1], 0).into(), connections: 16 };
        let address = serve(&host, &listen, services).await.expect("a port");
        let (mut config, mut plugin) = (config(), plugin(address));
        change(&mut plugin, &mut config.login);
        config.plugins.grants = vec![plugin];
        let stand = Stand::with(scratch, data, BEGIN, config).await;
        for handler in stand.authority.grants.handlers() {
            handler.describe().await.expect("a description");
        }
        let ann = stand.person().await;
        let client = stand.register(application(true)).await;
        let foreign = stand.register(application(false)).await;
        Self { stand, handler, ann, client, foreign }
    }

    pub(crate) fn does(&self, does: Does) {
        *self.handler.does.lock().expect("a lock") = does;
    }

    pub(crate) fn says(&self, decision: Decision) {
        self.does(Does::Say(GrantDecision { decision: Some(decision) }));
    }

    /// How often the handler was asked.
    pub(crate) fn times(&self) -> usize {
        self.handler.asked.lock().expect("a lock").len()
    }

    pub(crate) async fn ask(&self, client: &Registered, more: &[(&str, &str)]) -> Reply {
        let mut pairs = vec![("grant_type", TYPE), ("voucher", "V-1")];
        for change in more {
            pairs.retain(|(name, _)| name != &change.0);
            pairs.push(*change);
        }
        pairs.retain(|(_, value)| !value.is_empty());
        let request = post("/oauth2/token", &encode(&pairs));
        let request = request.basic(client.client.id.as_str(), &client.secret);
        self.stand.ask(&request.header("user-agent", "till/7")).await
    }

    /// What becomes of a request of `client` when the handler says that: the refusal, or scope, audience
    /// and life of the token, "refresh" if there is a refresh token, and its claims beside the usual.
    pub(crate) async fn outcome(
        &self,
        client: &Registered,
        decision: Decision,
        more: &[(&str, &str)],
    ) -> String {
        self.says(decision);
        let reply = self.ask(client, more).await;
        if reply.status() != 200 {
            return said(&reply);
        }
        let body = json(&reply);
        let claims = part(&text(&body, "access_token"), 1);
        let mut others = claims.as_object().expect("claims").clone();
        for usual in [
            "iss",
            "sub",
            "aud",
            "client_id",
            "iat",
            "exp",
            "jti",
            "scope",
            "auth_time",
            "acr",
            "amr",
            "km",
        ] {
            others.remove(usual);
        }
        let others =
            if others.is_empty() { String::new() } else { Value::from(others).to_string() };
        let refresh = body.get("refresh_token").map_or("", |_| "refresh");
        let scope = body.get("scope").and_then(Value::as_str).unwrap_or("-");
        let aud = claims["aud"].as_str().expect("one audience");
        let line = format!("{scope} | {aud} {} {refresh} {others}", body["expires_in"]);
        line.trim_end().to_owned()
    }
}
