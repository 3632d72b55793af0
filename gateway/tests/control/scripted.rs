//! A key manager that can be away, slow, broken, confused or silent, for gateways that have to live with
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chassis::clock::Clock;
use chassis::rpc::{Allow, Services};
use chassis::{Host, Shutdown};
use serde_json::Value;
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1 as wire;
use wire::credentials_server::{self, CredentialsServer};
use wire::introspection_server::{self, IntrospectionServer};
use wire::keys_server::{self, KeysServer};
use wire::revocation::What;
use wire::revocations_server::{self, RevocationsServer};

use crate::ground::{Ground, ended};

/// Longer than a gateway waits for any answer.
const SLOW: Duration = Duration::from_secs(30);
/// How often something is heard of revocations.
const SIGN_OF_LIFE: Duration = Duration::from_millis(100);

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// It answers after everybody has stopped waiting, and its streams say nothing.
    Slow,
    /// It answers with an error, and its streams end with one.
    Failing,
    /// It answers with what cannot be understood.
    Garbage,
    /// It says that other keys sign tokens than those that did.
    WrongKeys,
    /// It says nothing of revocations.
    Silent,
    /// It does not know the keys of its provider.
    NoProviderKeys,
}

/// What it knows.
#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    pub(crate) issuer: String,
    /// A set with the key of tokens, and one with another.
    pub(crate) keys: [String; 2],
    /// Name and issuer of the provider, and its keys likewise.
    pub(crate) provider: (String, String, [String; 2]),
    /// What is said of tokens, by key manager and token; empty is the resident one.
    pub(crate) tokens: BTreeMap<(String, String), Value>,
    /// The passwords of people.
    pub(crate) people: BTreeMap<String, String>,
    /// Issuer and `jti` of tokens that were revoked, and subjects.
    pub(crate) revoked: BTreeSet<(String, String)>,
    pub(crate) ended: BTreeSet<String>,
}

#[derive(Clone)]
struct Script {
    knowledge: Arc<Mutex<Knowledge>>,
    trouble: watch::Sender<Trouble>,
    clock: Clock,
    streams: Shutdown,
}

/// It runs.
pub(crate) struct Scripted {
    script: Script,
    host: Host,
    pub(crate) address: SocketAddr,
}

impl Scripted {
    pub(crate) async fn start(ground: &Ground, knowledge: Knowledge) -> Self {
        let host = ground.host("key-manager");
        let script = Script {
            knowledge: Arc::new(Mutex::new(knowledge)),
            trouble: watch::Sender::new(Trouble::None),
            clock: host.clock.clone(),
            streams: Shutdown::new(chassis::Readiness::default()),
        };
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = chassis::rpc::Config { listen, connections: 16 };
        let only = || Allow::only(&["gateway"]);
        let services = Services::new(turnpike_proto::DESCRIPTORS)
            .add(only(), KeysServer::new(script.clone()))
            .add(only(), RevocationsServer::new(script.clone()))
            .add(only(), IntrospectionServer::new(script.clone()))
            .add(only(), CredentialsServer::new(script.clone()));
        let address = chassis::rpc::serve(&host, &config, services).await.expect("a free port");
        Self { script, host, address }
    }

    /// From now on this is wrong with it.
    pub(crate) fn has(&self, trouble: Trouble) {
        self.script.trouble.send_replace(trouble);
    }

    pub(crate) fn knows(&self, change: impl FnOnce(&mut Knowledge)) {
        change(&mut self.script.knowledge());
    }

    /// Ends, as its clients see a crash: streams break, the port refuses.
    pub(crate) async fn ends(&self) {
        self.script.streams.request();
        self.host.shutdown.request();
        ended(&self.host).await;
    }
}

impl Script {
    fn knowledge(&self) -> MutexGuard<'_, Knowledge> {
        self.knowledge.lock().expect("what it knows")
    }

    /// What is wrong with an answer, once it would come.
    async fn trouble(&self) -> Result<Trouble, Status> {
        let trouble = *self.trouble.borrow();
        match trouble {
            Trouble::Slow => self.clock.sleep(SLOW).await,
            Trouble::Failing => return Err(Status::internal("nobody knows why")),
            _ => {}
        }
        Ok(trouble)
    }

    /// What `say` says of each trouble, as it comes; nothing twice.
    fn stream<T: Clone + PartialEq + Send + 'static>(
        &self,
        say: impl Fn(&Knowledge, Trouble) -> T + Clone + Send + 'static,
    ) -> Messages<T> {
        let mut troubles = self.trouble.subscribe();
        troubles.mark_changed();
        let knowledge = Arc::clone(&self.knowledge);
        let first = (troubles, None::<T>, knowledge, say);
        let messages = futures_util::stream::unfold(first, |state| async move {
            let (mut troubles, mut said, knowledge, say) = state;
            loop {
                troubles.changed().await.ok()?;
                let trouble = *troubles.borrow_and_update();
                let next = match trouble {
                    Trouble::Slow => continue,
                    Trouble::Failing => {
                        let broken = Err(Status::internal("nobody knows why"));
                        return Some((broken, (troubles, said, knowledge, say)));
                    }
                    trouble => say(&knowledge.lock().expect("what it knows"), trouble),
                };
                if said.as_ref() != Some(&next) {
                    said = Some(next.clone());
                    return Some((Ok(next), (troubles, said, knowledge, say)));
                }
            }
        });
        Box::pin(self.streams.ends(messages))
    }
}

/// The set that is streamed: that of the tokens, or another, or none.
fn keys(sets: &[String; 2], trouble: Trouble) -> String {
    match trouble {
        Trouble::Garbage => "}{".to_owned(),
        Trouble::WrongKeys => sets[1].clone(),
        _ => sets[0].clone(),
    }
}

#[tonic::async_trait]
impl keys_server::Keys for Script {
    type WatchStream = Messages<wire::KeySet>;

    async fn watch(
        &self,
        _: Request<wire::WatchKeysRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.trouble().await?;
        Ok(Response::new(self.stream(|known, trouble| wire::KeySet {
            issuer: known.issuer.clone(),
            jwks: keys(&known.keys, trouble),
        })))
    }

    type WatchProvidersStream = Messages<wire::ProviderKeys>;

    async fn watch_providers(
        &self,
        _: Request<wire::WatchProviderKeysRequest>,
    ) -> Result<Response<Self::WatchProvidersStream>, Status> {
        self.trouble().await?;
        Ok(Response::new(self.stream(|known, trouble| {
            let (name, issuer, sets) = &known.provider;
            let set = wire::KeySet { issuer: issuer.clone(), jwks: keys(sets, trouble) };
            let one =
                wire::ProviderKeySet { key_manager: name.clone(), keys: Some(set), read_at: None };
            let known = trouble != Trouble::NoProviderKeys;
            wire::ProviderKeys { providers: known.then_some(one).into_iter().collect() }
        })))
    }

    type WatchGatewayKeysStream = Messages<wire::GatewayKeys>;

    async fn watch_gateway_keys(
        &self,
        _: Request<wire::WatchGatewayKeysRequest>,
    ) -> Result<Response<Self::WatchGatewayKeysStream>, Status> {
        self.trouble().await?;
        Ok(Response::new(self.stream(|_, _| wire::GatewayKeys::default())))
    }

    async fn enrol_gateway_keys(
        &self,
        _: Request<wire::EnrolGatewayKeysRequest>,
    ) -> Result<Response<wire::EnrolGatewayKeysResponse>, Status> {
        self.trouble().await?;
        Ok(Response::new(wire::EnrolGatewayKeysResponse {}))
    }

    async fn missing(
        &self,
        _: Request<wire::MissingKeyRequest>,
    ) -> Result<Response<wire::MissingKeyResponse>, Status> {
        self.trouble().await?;
        Ok(Response::new(wire::MissingKeyResponse {}))
    }

    async fn list(
        &self,
        _: Request<wire::ListKeysRequest>,
    ) -> Result<Response<wire::ListKeysResponse>, Status> {
        Err(Status::unimplemented("not for gateways"))
    }

    async fn rotate(
        &self,
        _: Request<wire::RotateKeysRequest>,
    ) -> Result<Response<wire::KeySet>, Status> {
        Err(Status::unimplemented("not for gateways"))
    }

    async fn revoke(
        &self,
        _: Request<wire::RevokeKeyRequest>,
    ) -> Result<Response<wire::KeySet>, Status> {
        Err(Status::unimplemented("not for gateways"))
    }
}

impl Knowledge {
    /// The whole log; a repeated entry changes nothing.
    fn log(&self, trouble: Trouble) -> wire::WatchRevocationsResponse {
        let later = || Some(prost_types::Timestamp { seconds: i64::MAX / 2, nanos: 0 });
        let line = |issuer: &str, what| wire::Revocation {
            sequence: 0,
            issuer: issuer.to_owned(),
            issued_until: later(),
            forget_after: later(),
            what,
        };
        let tokens = self.revoked.iter();
        let tokens = tokens.map(|(issuer, jti)| line(issuer, Some(What::Jti(jti.clone()))));
        let ended = self.ended.iter();
        let ended = ended.map(|sub| line(&self.issuer, Some(What::Subject(sub.clone()))));
        // Lines that name nothing, and nobody.
        let garbage = (trouble == Trouble::Garbage)
            .then(|| [line("", None), line(&self.issuer, Some(What::Jti(String::new())))]);
        let lines = tokens.chain(ended).chain(garbage.into_iter().flatten());
        let numbered = (1..).zip(lines).map(|(sequence, one)| wire::Revocation { sequence, ..one });
        let revocations: Vec<_> = numbered.collect();
        let sequence = revocations.len() as u64;
        wire::WatchRevocationsResponse { epoch: "e".to_owned(), sequence, revocations, more: false }
    }
}

#[tonic::async_trait]
impl revocations_server::Revocations for Script {
    type WatchStream = Messages<wire::WatchRevocationsResponse>;

    async fn watch(
        &self,
        _: Request<wire::WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.trouble().await?;
        let messages = futures_util::stream::unfold(self.clone(), |script| async move {
            loop {
                script.clock.sleep(SIGN_OF_LIFE).await;
                let trouble = *script.trouble.borrow();
                match trouble {
                    Trouble::Silent | Trouble::Slow => {}
                    Trouble::Failing => {
                        return Some((Err(Status::internal("nobody knows why")), script));
                    }
                    trouble => {
                        let log = script.knowledge().log(trouble);
                        return Some((Ok(log), script));
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(self.streams.ends(messages))))
    }

    async fn revoke(
        &self,
        _: Request<wire::RevokeRequest>,
    ) -> Result<Response<wire::RevokeResponse>, Status> {
        Err(Status::unimplemented("not for gateways"))
    }
}

#[tonic::async_trait]
impl introspection_server::Introspection for Script {
    async fn introspect(
        &self,
        request: Request<wire::IntrospectRequest>,
    ) -> Result<Response<wire::IntrospectResponse>, Status> {
        let wire::IntrospectRequest { token, key_manager } = request.into_inner();
        let key_manager = if key_manager == "resident" { String::new() } else { key_manager };
        let garbage = self.trouble().await? == Trouble::Garbage;
        let known = self.knowledge().tokens.get(&(key_manager, token)).map(Value::to_string);
        let claims = if garbage { Some("}{".to_owned()) } else { known };
        Ok(Response::new(wire::IntrospectResponse {
            active: claims.is_some(),
            claims: claims.unwrap_or_default(),
            ..wire::IntrospectResponse::default()
        }))
    }
}

#[tonic::async_trait]
impl credentials_server::Credentials for Script {
    async fn authenticate(
        &self,
        request: Request<wire::AuthenticateRequest>,
    ) -> Result<Response<wire::AuthenticateResponse>, Status> {
        let wire::AuthenticateRequest { name, password, .. } = request.into_inner();
        if self.trouble().await? == Trouble::Garbage {
            // Somebody, and nobody knows who.
            let user = Some(wire::AuthenticatedUser::default());
            return Ok(Response::new(wire::AuthenticateResponse { user, locked_seconds: 0 }));
        }
        let known = self.knowledge();
        let right = known.people.get(&name).is_some_and(|expected| *expected == password);
        let user = right.then(|| wire::AuthenticatedUser {
            subject: name.clone(),
            name,
            issuer: known.issuer.clone(),
            ..wire::AuthenticatedUser::default()
        });
        Ok(Response::new(wire::AuthenticateResponse { user, locked_seconds: 0 }))
    }
}
