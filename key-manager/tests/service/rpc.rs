//! Do our other services get what they need over gRPC, and nobody else anything?

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chassis::{Clock, Host};
use key_manager::bootstrap::{assemble, tend};
use key_manager::edge;
use key_manager::endpoint::Authority;
use key_manager::store::{SqlStore, Store};
use tonic::transport::Channel;
use tonic::{Code, Streaming};
use turnpike_proto::identity::v1::audit_client::AuditClient;
use turnpike_proto::identity::v1::clients_client::ClientsClient;
use turnpike_proto::identity::v1::credentials_client::CredentialsClient;
use turnpike_proto::identity::v1::introspection_client::IntrospectionClient;
use turnpike_proto::identity::v1::keys_client::KeysClient;
use turnpike_proto::identity::v1::revocation::What;
use turnpike_proto::identity::v1::revocations_client::RevocationsClient;
use turnpike_proto::identity::v1::revoke_request::What as Named;
use turnpike_proto::identity::v1::token_endpoint_client::TokenEndpointClient;
use turnpike_proto::identity::v1::users_client::UsersClient;
use turnpike_proto::identity::v1::{
    AuthenticateRequest, AuthenticateResponse, CreateUserRequest, DeleteUserRequest,
    DisableUserRequest, ForwardRequest, ForwardResponse, HeaderField, IntrospectRequest,
    ListAuditRequest, ListKeysRequest, RegisterClientRequest, RegisterClientResponse,
    RemoveClientRequest, Revocation, RevokeKeyRequest, RevokeRequest, RotateKeysRequest,
    SetPasswordRequest, VerifyAuditRequest, WatchKeysRequest, WatchRevocationsRequest,
    WatchRevocationsResponse,
};

use crate::databases::{Scratch, each};
use crate::postgres::Server;
use crate::stand::config;

/// A key manager with its gRPC port open.
pub(crate) struct Running {
    host: Host,
    address: SocketAddr,
    _authority: Authority,
}

impl Running {
    pub(crate) async fn on(scratch: &Scratch) -> Self {
        Self::with_watchers(scratch, 8).await
    }

    async fn with_watchers(scratch: &Scratch, watchers: usize) -> Self {
        let data = scratch.folder.path();
        let mut host = Host::development("key-manager", data).expect("a host");
        host.data = data.to_owned();
        host.clock = Clock::system();
        let mut config = config();
        config.rpc.listen = "127.0.0.1:0".parse().expect("an address");
        let store = SqlStore::open(&scratch.url, &config.store, &host.clock).await;
        let store: Arc<dyn Store> = Arc::new(store.expect("a store"));
        let authority = assemble(&config, &host, store).await.expect("a key manager");
        tend(&host, &authority, host.ready.condition("store"), &config);
        let address = edge::rpc(&host, &config.rpc, watchers, &authority).await.expect("a port");
        Self { host, address, _authority: authority }
    }

    /// A channel as the service `name`.
    pub(crate) fn to(&self, scratch: &Scratch, name: &'static str) -> Channel {
        let host = Host::development(name, scratch.folder.path()).expect("a host");
        let address = format!("https://{}", self.address);
        chassis::rpc::channel(&host.tls, &address, "key-manager").expect("a channel")
    }

    async fn client(&self, scratch: &Scratch) -> RegisterClientResponse {
        let asked = RegisterClientRequest {
            name: "orders app".to_owned(),
            scopes: vec!["a".to_owned()],
            ..RegisterClientRequest::default()
        };
        let mut clients = ClientsClient::new(self.to(scratch, "control-plane"));
        clients.register(asked).await.expect("a client").into_inner()
    }

    async fn forward(&self, scratch: &Scratch, request: ForwardRequest) -> ForwardResponse {
        let mut endpoint = TokenEndpointClient::new(self.to(scratch, "gateway"));
        endpoint.forward(request).await.expect("an answer").into_inner()
    }

    async fn token(&self, scratch: &Scratch, client: &RegisterClientResponse) -> String {
        let reply = self.forward(scratch, token_request(client)).await;
        assert_eq!(reply.status, 200);
        let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        body["access_token"].as_str().expect("a token").to_owned()
    }

    async fn watch(
        &self,
        scratch: &Scratch,
        epoch: &str,
        after: u64,
    ) -> Streaming<WatchRevocationsResponse> {
        let mut log = RevocationsClient::new(self.to(scratch, "gateway"));
        let from = WatchRevocationsRequest { epoch: epoch.to_owned(), after };
        log.watch(from).await.expect("a stream").into_inner()
    }

    async fn revoke(&self, scratch: &Scratch, what: Named) -> u64 {
        let mut log = RevocationsClient::new(self.to(scratch, "admin"));
        let request = RevokeRequest { what: Some(what) };
        log.revoke(request).await.expect("an answer").into_inner().sequence
    }

    async fn active(&self, scratch: &Scratch, token: &str) -> bool {
        let mut inspection = IntrospectionClient::new(self.to(scratch, "gateway"));
        let request = IntrospectRequest { token: token.to_owned(), ..IntrospectRequest::default() };
        inspection.introspect(request).await.expect("an answer").into_inner().active
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.host.shutdown.request();
    }
}

fn token_request(client: &RegisterClientResponse) -> ForwardRequest {
    let field = |name: &str, value: &str| HeaderField {
        name: name.to_owned(),
        value: value.as_bytes().to_vec(),
    };
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        client.client_id, client.client_secret
    );
    ForwardRequest {
        method: "POST".to_owned(),
        target: "/token".to_owned(),
        headers: vec![field("content-type", "application/x-www-form-urlencoded")],
        body: form.into_bytes(),
        client_address: "192.0.2.7".to_owned(),
        secure: true,
        ..ForwardRequest::default()
    }
}

/// The next revocations; signs of life are passed over.
async fn news(stream: &mut Streaming<WatchRevocationsResponse>) -> (String, Vec<Revocation>) {
    let read = async {
        loop {
            let message = stream.message().await.expect("a message").expect("an open stream");
            if !message.revocations.is_empty() {
                return (message.epoch, message.revocations);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("news in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forwarded_request_is_answered_as_on_the_own_port() {
    each(async |scratch| {
        let running = Running::on(&scratch).await;
        let client = running.client(&scratch).await;
        assert_eq!(client.token_endpoint, "https://127.0.0.1:9453/oauth2/token");
        assert_eq!(client.issuer, "https://127.0.0.1:9453/oauth2");
        let token = running.token(&scratch, &client).await;
        assert!(running.active(&scratch, &token).await);

        let open = ForwardRequest { secure: false, ..token_request(&client) };
        let refused = running.forward(&scratch, open).await;
        assert_eq!(refused.status, 400, "a secret came in the clear");
        let header =
            HeaderField { name: "x-forwarded-for".to_owned(), value: b"127.0.0.1".to_vec() };
        let mut lying = ForwardRequest { secure: false, ..token_request(&client) };
        lying.headers.push(header);
        assert_eq!(running.forward(&scratch, lying).await.status, 400, "a header was believed");

        let wrong = ForwardRequest { body: b"grant_type=x".to_vec(), ..token_request(&client) };
        let refused = running.forward(&scratch, wrong).await;
        assert_eq!(refused.status, 401);
        assert!(refused.headers.iter().any(|field| field.name == "www-authenticate"));
        let large = ForwardRequest { body: vec![b'a'; 70_000], ..token_request(&client) };
        assert_eq!(running.forward(&scratch, large).await.status, 413);
        let head = ForwardRequest {
            method: "HEAD".to_owned(),
            target: "/oauth2/jwks?x".to_owned(),
            ..ForwardRequest::default()
        };
        let head = running.forward(&scratch, head).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_watcher_hears_of_a_revocation_and_can_resume() {
    each(async |scratch| {
        let running = Running::on(&scratch).await;
        let client = running.client(&scratch).await;
        let token = running.token(&scratch, &client).await;
        let mut one = running.watch(&scratch, "", 0).await;
        let mut two = running.watch(&scratch, "", 0).await;
        let greeting = one.message().await.expect("a message").expect("a greeting");
        assert!(greeting.revocations.is_empty() && !greeting.epoch.is_empty());

        assert_eq!(running.revoke(&scratch, Named::Token(token.clone())).await, 1);
        assert_eq!(running.revoke(&scratch, Named::Token(token.clone())).await, 0, "twice");
        assert_eq!(running.revoke(&scratch, Named::Token("garbage".to_owned())).await, 0);
        let (epoch, heard) = news(&mut one).await;
        assert_eq!(news(&mut two).await, (epoch.clone(), heard.clone()));
        assert_eq!((heard.len(), heard[0].sequence), (1, 1));
        assert!(matches!(&heard[0].what, Some(What::Jti(jti)) if jti.len() == 22));
        assert!(heard[0].issued_until.is_none() && heard[0].forget_after.is_some());
        assert!(!running.active(&scratch, &token).await);

        drop(one);
        let id = client.client_id.clone();
        assert_eq!(running.revoke(&scratch, Named::ClientId(id.clone())).await, 2);
        let mut resumed = running.watch(&scratch, &epoch, 1).await;
        let (same, heard) = news(&mut resumed).await;
        assert_eq!((same, heard.len(), heard[0].sequence), (epoch, 1, 2));
        assert!(matches!(&heard[0].what, Some(What::ClientId(named)) if *named == id));
        assert!(heard[0].issued_until.is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_key_managers_on_one_database_are_one() {
    each(async |scratch| {
        let (one, two) = (Running::on(&scratch).await, Running::on(&scratch).await);
        let client = one.client(&scratch).await;
        let token = two.token(&scratch, &client).await;
        let mut log = two.watch(&scratch, "", 0).await;
        let mut keys = KeysClient::new(two.to(&scratch, "gateway"));
        let mut keys = keys.watch(WatchKeysRequest {}).await.expect("a stream").into_inner();
        let before = keys.message().await.expect("a message").expect("a set").jwks;

        assert_eq!(one.revoke(&scratch, Named::Token(token.clone())).await, 1);
        let heard = tokio::time::timeout(Duration::from_secs(1), news(&mut log)).await;
        assert_eq!(heard.expect("within a second").1[0].sequence, 1);
        assert!(!two.active(&scratch, &token).await);

        let mut admin = KeysClient::new(one.to(&scratch, "admin"));
        let rotated =
            admin.rotate(RotateKeysRequest { at_once: true }).await.expect("rotated").into_inner();
        let soon = tokio::time::timeout(Duration::from_secs(5), keys.message()).await;
        let after = soon.expect("in time").expect("a message").expect("a set").jwks;
        assert_eq!(after, rotated.jwks);
        assert_ne!(after, before);
        let token = two.token(&scratch, &client).await;
        assert!(one.active(&scratch, &token).await);

        let soon = admin.rotate(RotateKeysRequest { at_once: false }).await.expect_err("too soon");
        assert_eq!(soon.code(), Code::FailedPrecondition);
        let listed = admin.list(ListKeysRequest {}).await.expect("keys").into_inner().keys;
        let of = |state: &str| listed.iter().find(|key| key.state == state).expect("a key").clone();
        let (active, next) = (of("active"), of("next"));
        assert_eq!((listed.len(), active.home.as_str()), (3, "store"));
        assert!(active.until.is_some() && active.until == next.until);
        admin.revoke(RevokeKeyRequest { kid: active.kid.clone() }).await.expect("revoked");
        let soon = tokio::time::timeout(Duration::from_secs(5), keys.message()).await;
        let left = soon.expect("in time").expect("a message").expect("a set").jwks;
        assert!(!left.contains(&active.kid) && left.contains(&next.kid), "{left}");
        assert!(!two.active(&scratch, &token).await);
        let unknown = RevokeKeyRequest { kid: "nothing".to_owned() };
        let refused = admin.revoke(unknown).await.expect_err("a refusal");
        assert_eq!(refused.code(), Code::NotFound);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_client_is_gone_for_everybody() {
    let scratch = Scratch::sqlite();
    let running = Running::on(&scratch).await;
    let client = running.client(&scratch).await;
    let token = running.token(&scratch, &client).await;
    let mut clients = ClientsClient::new(running.to(&scratch, "control-plane"));
    let removal = RemoveClientRequest {
        client_id: client.client_id.clone(),
        ..RemoveClientRequest::default()
    };
    clients.remove(removal.clone()).await.expect("removed");
    clients.remove(removal).await.expect("a retry is no error");
    assert_eq!(running.forward(&scratch, token_request(&client)).await.status, 401);
    assert!(!running.active(&scratch, &token).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_in_the_table_is_refused() {
    let scratch = Scratch::sqlite();
    let running = Running::on(&scratch).await;
    let register = RegisterClientRequest { name: "x".to_owned(), ..Default::default() };
    for name in ["gateway", "analytics-collector"] {
        let mut clients = ClientsClient::new(running.to(&scratch, name));
        let refused = clients.register(register.clone()).await.expect_err("a refusal");
        assert_eq!(refused.code(), Code::PermissionDenied, "{name}");
    }
    let mut keys = KeysClient::new(running.to(&scratch, "gateway"));
    let refused = keys.rotate(RotateKeysRequest { at_once: true }).await.expect_err("a refusal");
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_that_cannot_be_kept_is_refused_with_its_field() {
    let scratch = Scratch::sqlite();
    let running = Running::on(&scratch).await;
    let mut clients = ClientsClient::new(running.to(&scratch, "control-plane"));
    let good = RegisterClientRequest { name: "x".to_owned(), ..Default::default() };
    let code = vec!["authorization_code".to_owned()];
    let back = vec!["https://app.example/cb".to_owned()];
    let wrong = [
        (RegisterClientRequest { name: String::new(), ..good.clone() }, "name"),
        (RegisterClientRequest { name: "a\nb".to_owned(), ..good.clone() }, "name"),
        (
            RegisterClientRequest { grant_types: vec!["implicit".into()], ..good.clone() },
            "grant_types",
        ),
        (RegisterClientRequest { scopes: vec!["a b".into()], ..good.clone() }, "scopes"),
        (
            RegisterClientRequest { access_token_seconds: 90_000, ..good.clone() },
            "access_token_seconds",
        ),
        (
            RegisterClientRequest { access_token_algorithm: "none".into(), ..good.clone() },
            "access_token_algorithm",
        ),
        (RegisterClientRequest { grant_types: code.clone(), ..good.clone() }, "redirect_uris"),
        (RegisterClientRequest { redirect_uris: back.clone(), ..good.clone() }, "redirect_uris"),
        (
            RegisterClientRequest {
                grant_types: code.clone(),
                redirect_uris: vec!["https://*.example/cb".into()],
                ..good.clone()
            },
            "redirect_uris",
        ),
        (RegisterClientRequest { public: true, ..good.clone() }, "token_endpoint_auth_method"),
        (
            RegisterClientRequest { grant_types: vec!["refresh_token".into()], ..good.clone() },
            "grant_types",
        ),
        (
            RegisterClientRequest {
                grant_types: code.clone(),
                redirect_uris: back.clone(),
                public: true,
                refresh_policy: "static".into(),
                ..good.clone()
            },
            "refresh_policy",
        ),
        (
            RegisterClientRequest { refresh_policy: "sometimes".into(), ..good.clone() },
            "refresh_policy",
        ),
        (
            RegisterClientRequest { allowed_ips: vec!["10.0.0".into()], ..good.clone() },
            "allowed_ips",
        ),
        (
            RegisterClientRequest { allowed_ips: vec!["10.0.0.1".into(); 65], ..good.clone() },
            "allowed_ips",
        ),
        (
            RegisterClientRequest { allowed_domains: vec!["*".into()], ..good.clone() },
            "allowed_domains",
        ),
    ];
    for (asked, field) in wrong {
        let refused = clients.register(asked).await.expect_err("a refusal");
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
        assert!(refused.message().contains(field), "{field}: {}", refused.message());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_are_bounded_and_the_drain_ends_them() {
    let scratch = Scratch::sqlite();
    let running = Running::with_watchers(&scratch, 1).await;
    let mut open = running.watch(&scratch, "", 0).await;
    let mut log = RevocationsClient::new(running.to(&scratch, "gateway"));
    let refused = log.watch(WatchRevocationsRequest::default()).await.expect_err("a refusal");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    running.host.shutdown.request();
    let ended = async { while let Ok(Some(_)) = open.message().await {} };
    tokio::time::timeout(Duration::from_secs(5), ended).await.expect("the stream ends");
    let drained = tokio::time::timeout(Duration::from_secs(5), running.host.tasks.finished()).await;
    drained.expect("nothing holds up the drain");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_made_and_ended_by_those_who_may() {
    let scratch = Scratch::sqlite();
    let running = Running::on(&scratch).await;
    let made = |name: &str, password: &str| CreateUserRequest {
        name: name.to_owned(),
        password: password.to_owned(),
        claims: String::new(),
        password_hash: String::new(),
    };
    let mut stranger = UsersClient::new(running.to(&scratch, "gateway"));
    let refused = stranger.create(made("ann", "long enough")).await.expect_err("a refusal");
    assert_eq!(refused.code(), Code::PermissionDenied);

    let mut users = UsersClient::new(running.to(&scratch, "admin"));
    let ann = users.create(made(" Ann ", "long enough")).await.expect("made").into_inner();
    assert_eq!((ann.name.as_str(), ann.user_id.len()), ("ann", 22));
    let wrong = [
        (made("ANN", "long enough"), Code::AlreadyExists),
        (made("", "long enough"), Code::InvalidArgument),
        (made("ben", "short"), Code::InvalidArgument),
        (made("ben", &"x".repeat(1025)), Code::InvalidArgument),
    ];
    for (asked, code) in wrong {
        let refused = users.create(asked).await.expect_err("a refusal");
        assert_eq!(refused.code(), code, "{}", refused.message());
        assert!(!refused.message().contains("long enough"));
    }
    let user_id = ann.user_id;
    let password = "another one".to_owned();
    let set = SetPasswordRequest { user_id: user_id.clone(), password };
    users.set_password(set.clone()).await.expect("set");
    let nobody = SetPasswordRequest { user_id: "nobody".to_owned(), ..set };
    let refused = users.set_password(nobody).await.expect_err("a refusal");
    assert_eq!(refused.code(), Code::NotFound);
    let off = DisableUserRequest { user_id: user_id.clone(), enable: false };
    users.disable(off.clone()).await.expect("disabled");
    users.disable(DisableUserRequest { enable: true, ..off }).await.expect("enabled");
    let gone = DeleteUserRequest { user_id };
    users.delete(gone.clone()).await.expect("deleted");
    users.delete(gone).await.expect("a retry is no error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_hears_who_shows_a_password_and_what_they_are() {
    let scratch = Scratch::sqlite();
    let running = Running::on(&scratch).await;
    let mut users = UsersClient::new(running.to(&scratch, "admin"));
    let made = CreateUserRequest {
        name: "Ann".to_owned(),
        password: "long enough".to_owned(),
        claims: r#"{"roles":["editor"]}"#.to_owned(),
        password_hash: String::new(),
    };
    let ann = users.create(made).await.expect("made").into_inner();
    let asked = |password: &str, address: &str| AuthenticateRequest {
        name: "ann".to_owned(),
        password: password.to_owned(),
        client_address: address.to_owned(),
    };
    let mut stranger = CredentialsClient::new(running.to(&scratch, "admin"));
    let refused = stranger.authenticate(asked("long enough", "")).await.expect_err("a refusal");
    assert_eq!(refused.code(), Code::PermissionDenied);

    let mut gateway = CredentialsClient::new(running.to(&scratch, "gateway"));
    let right = gateway.authenticate(asked("long enough", "2001:db8::1")).await;
    let right = right.expect("an answer").into_inner();
    let user = right.user.expect("somebody");
    assert_eq!((user.subject, user.name.as_str()), (ann.user_id, "ann"));
    assert_eq!((user.roles, right.locked_seconds), (vec!["editor".to_owned()], 0));
    assert_eq!(user.issuer, "https://127.0.0.1:9453/oauth2");
    assert!(user.authenticated_at.expect("a time").seconds > 0);
    let wrong = gateway.authenticate(asked("wrong", "192.0.2.1")).await.expect("an answer");
    assert_eq!(wrong.into_inner(), AuthenticateResponse::default());
    let nowhere = gateway.authenticate(asked("long enough", "here")).await.expect_err("a refusal");
    assert_eq!(nowhere.code(), Code::InvalidArgument);
    for _ in 0..40 {
        gateway.authenticate(asked("wrong", "")).await.expect("an answer");
    }
    let locked = gateway.authenticate(asked("long enough", "192.0.2.9")).await;
    let locked = locked.expect("an answer").into_inner();
    assert!(locked.user.is_none() && (1..=60).contains(&locked.locked_seconds), "{locked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_hears_that_nobody_can_say_while_the_store_is_away() {
    let Some(server) = Server::start().await else {
        eprintln!("left out: no PostgreSQL in /usr/lib/postgresql");
        return;
    };
    let server = Arc::new(server);
    let scratch = Scratch::on(server.clone()).await;
    let running = Running::on(&scratch).await;
    let mut gateway = CredentialsClient::new(running.to(&scratch, "gateway"));
    let asked = AuthenticateRequest {
        name: "ann".to_owned(),
        password: "long enough".to_owned(),
        client_address: String::new(),
    };
    let nobody = gateway.authenticate(asked.clone()).await.expect("an answer").into_inner();
    assert_eq!(nobody, AuthenticateResponse::default());
    server.kill();
    let away = gateway.authenticate(asked).await.expect_err("nobody can say");
    assert_eq!(away.code(), Code::Unavailable, "{away:?}");
    server.restart().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_hears_from_where_an_opaque_token_may_be_used() {
    let scratch = Scratch::sqlite();
    let running = Running::on(&scratch).await;
    let mut clients = ClientsClient::new(running.to(&scratch, "control-plane"));
    let asked = RegisterClientRequest {
        name: "x".to_owned(),
        access_token_format: "opaque".to_owned(),
        allowed_ips: vec!["10.1.2.3/8".to_owned()],
        allowed_domains: vec!["*.shop.example".to_owned()],
        ..RegisterClientRequest::default()
    };
    let client = clients.register(asked).await.expect("a client").into_inner();
    let token = running.token(&scratch, &client).await;
    let mut inspection = IntrospectionClient::new(running.to(&scratch, "gateway"));
    let request = IntrospectRequest { token, ..IntrospectRequest::default() };
    let told = inspection.introspect(request).await.expect("an answer").into_inner();
    assert_eq!(told.allowed_ips, ["10.0.0.0/8"]);
    assert_eq!(told.allowed_domains, ["*.shop.example"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_read_and_verify_the_audit_log() {
    let scratch = Scratch::sqlite();
    let running = Running::on(&scratch).await;
    running.client(&scratch).await;
    let mut stranger = AuditClient::new(running.to(&scratch, "gateway"));
    let refused = stranger.list(ListAuditRequest::default()).await.expect_err("a refusal");
    assert_eq!(refused.code(), Code::PermissionDenied);

    let mut audit = AuditClient::new(running.to(&scratch, "admin"));
    let page = async |audit: &mut AuditClient<Channel>, after| {
        let asked = ListAuditRequest { after, limit: 1, ..ListAuditRequest::default() };
        audit.list(asked).await.expect("lines").into_inner().lines
    };
    assert_eq!(page(&mut audit, 0).await[0].event, "keys.changed");
    let line = page(&mut audit, 1).await.remove(0);
    assert_eq!((line.event.as_str(), line.outcome.as_str()), ("client.registered", "ok"));
    assert!(line.who.starts_with("control-plane/"), "{}", line.who);
    let since = Some((Clock::system().now() + Duration::from_mins(1)).into());
    let asked = ListAuditRequest { since, ..ListAuditRequest::default() };
    assert_eq!(audit.list(asked).await.expect("lines").into_inner().lines, []);
    assert_eq!(page(&mut audit, 2).await, []);

    let found = audit.verify(VerifyAuditRequest::default()).await.expect("found").into_inner();
    assert_eq!((found.lines, found.broken), (2, None));
    let mut known = found.last.expect("a line");
    assert_eq!((known.sequence, &known.hash), (2, &line.hash));
    known.hash = "another".to_owned();
    let asked = VerifyAuditRequest { known: Some(known) };
    let found = audit.verify(asked).await.expect("found").into_inner();
    assert_eq!(found.broken.expect("a break").sequence, 2);
}
