//! How does an application get its keys, and what is left when that fails?

use std::sync::{Arc, Mutex};

use chassis::Host;
use chassis::rpc::{Allow, Services};
use tonic::{Code, Request, Response, Status};
use turnpike_proto::admin::v1::application_keys_client::ApplicationKeysClient;
use turnpike_proto::admin::v1::applications_client::ApplicationsClient;
use turnpike_proto::admin::v1::{GenerateKeyRequest, GetRequest};
use turnpike_proto::identity::v1::clients_server::{Clients, ClientsServer};
use turnpike_proto::identity::v1::{
    AddClientSecretRequest, AddClientSecretResponse, FindClientRequest, FindClientResponse,
    ListClientSecretsRequest, ListClientSecretsResponse, RegisterClientRequest,
    RegisterClientResponse, RemoveClientRequest, RemoveClientResponse, RemoveClientSecretRequest,
    RemoveClientSecretResponse,
};

use crate::stack::{Stack, check};

/// A key manager that always gives the same identifier.
#[derive(Clone, Default)]
struct KeyManager {
    said: Arc<Mutex<Vec<String>>>,
}

#[tonic::async_trait]
impl Clients for KeyManager {
    async fn register(
        &self,
        request: Request<RegisterClientRequest>,
    ) -> Result<Response<RegisterClientResponse>, Status> {
        let request = request.into_inner();
        let RegisterClientRequest { name, scopes, allowed_ips, allowed_domains, .. } = request;
        let from = [allowed_ips, allowed_domains].concat().join(" ");
        self.said.lock().unwrap().push(format!("register {name} {scopes:?} from {from}"));
        Ok(Response::new(RegisterClientResponse {
            client_id: "client-1".to_owned(),
            client_secret: "shown once".to_owned(),
            token_endpoint: "https://km/oauth2/token".to_owned(),
            issuer: "https://km".to_owned(),
        }))
    }

    async fn remove(
        &self,
        request: Request<RemoveClientRequest>,
    ) -> Result<Response<RemoveClientResponse>, Status> {
        self.said.lock().unwrap().push(format!("remove {}", request.into_inner().client_id));
        Ok(Response::new(RemoveClientResponse {}))
    }

    async fn find(
        &self,
        request: Request<FindClientRequest>,
    ) -> Result<Response<FindClientResponse>, Status> {
        let FindClientRequest { client_id, key_manager } = request.into_inner();
        self.said.lock().unwrap().push(format!("find {client_id} at {key_manager}"));
        match client_id.as_str() {
            "client-2" => Ok(Response::new(FindClientResponse { asked: true })),
            _ => Err(Status::not_found("corp knows no such client")),
        }
    }

    async fn add_secret(
        &self,
        _: Request<AddClientSecretRequest>,
    ) -> Result<Response<AddClientSecretResponse>, Status> {
        Err(Status::unimplemented("nobody asks for it here"))
    }

    async fn list_secrets(
        &self,
        _: Request<ListClientSecretsRequest>,
    ) -> Result<Response<ListClientSecretsResponse>, Status> {
        Err(Status::unimplemented("nobody asks for it here"))
    }

    async fn remove_secret(
        &self,
        _: Request<RemoveClientSecretRequest>,
    ) -> Result<Response<RemoveClientSecretResponse>, Status> {
        Err(Status::unimplemented("nobody asks for it here"))
    }
}

async fn key_manager(stack: &Stack) -> (KeyManager, Host, String) {
    let host = Host::development("key-manager", stack.path()).unwrap();
    let key_manager = KeyManager::default();
    let server = ClientsServer::new(key_manager.clone());
    let services = Services::new(turnpike_proto::DESCRIPTORS);
    let services = services.add(Allow::only(&["control-plane"]), server);
    let config = chassis::rpc::Config { listen: "127.0.0.1:0".parse().unwrap(), connections: 8 };
    let address = chassis::rpc::serve(&host, &config, services).await.unwrap();
    (key_manager, host, format!("[key_manager]\naddress = \"https://{address}\"\n"))
}

fn application(name: &str) -> String {
    format!(
        "{{apiVersion: turnpike/v1, kind: Application, metadata: {{name: {name}}}, spec: {{}}}}\n"
    )
}

fn generate(application: &str) -> GenerateKeyRequest {
    GenerateKeyRequest {
        application: application.to_owned(),
        scopes: vec!["orders.read".to_owned()],
        ..GenerateKeyRequest::default()
    }
}

#[test]
fn a_key_is_registered_and_stands_at_the_application() {
    check(async |stack| {
        let (said, _host, config) = key_manager(&stack).await;
        let plane = stack.start_with("control-plane", &config).await;
        stack.apply(&plane, &application("shop")).await;
        let channel = stack.channel(&plane, "admin");
        let mut keys = ApplicationKeysClient::new(channel.clone());
        let made = keys.generate(generate("shop")).await.unwrap().into_inner();
        assert_eq!(
            (made.consumer_key.as_str(), made.consumer_secret.as_str()),
            ("client-1", "shown once")
        );
        let request = GetRequest { name: "shop".to_owned(), version: String::new() };
        let shop = ApplicationsClient::new(channel).get(request).await.unwrap().into_inner();
        assert_eq!(shop.spec.unwrap().keys[0].consumer_key, "client-1");
        assert_eq!(
            *said.said.lock().unwrap(),
            [r#"register shop (production) ["orders.read"] from "#]
        );
    });
}

#[test]
fn from_where_tokens_may_be_used_is_for_the_resident_key_manager_to_keep() {
    check(async |stack| {
        let (said, _host, config) = key_manager(&stack).await;
        let plane = stack.start_with("control-plane", &config).await;
        let provider = "{apiVersion: turnpike/v1, kind: KeyManager, metadata: {name: corp}, spec: \
                        {issuer: old, anyAudience: true, connector: {address: \
                        'https://127.0.0.1:7002'}}}\n";
        stack.apply(&plane, &format!("{}---\n{provider}", application("shop"))).await;
        let mut keys = ApplicationKeysClient::new(stack.channel(&plane, "admin"));
        let restricted = GenerateKeyRequest {
            allowed_ips: vec!["10.0.0.0/8".to_owned()],
            allowed_domains: vec!["*.shop.example".to_owned()],
            ..generate("shop")
        };
        for consumer_key in ["", "client-2"] {
            let (key_manager, consumer_key) = ("corp".to_owned(), consumer_key.to_owned());
            let asked = GenerateKeyRequest { key_manager, consumer_key, ..restricted.clone() };
            let refused = keys.generate(asked).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        }
        keys.generate(restricted).await.unwrap();
        let kept = r#"register shop (production) ["orders.read"] from 10.0.0.0/8 *.shop.example"#;
        assert_eq!(*said.said.lock().unwrap(), [kept]);
    });
}

#[test]
fn a_client_that_its_provider_does_not_know_is_not_mapped() {
    check(async |stack| {
        let (said, _host, config) = key_manager(&stack).await;
        let plane = stack.start_with("control-plane", &config).await;
        let provider = "{apiVersion: turnpike/v1, kind: KeyManager, metadata: {name: corp}, spec: \
                        {issuer: old, anyAudience: true, connector: {address: \
                        'https://127.0.0.1:7002'}}}\n";
        stack.apply(&plane, &format!("{}---\n{provider}", application("shop"))).await;
        let channel = stack.channel(&plane, "admin");
        let mut keys = ApplicationKeysClient::new(channel.clone());
        let mut map = async |client: &str| {
            let (key_manager, consumer_key) = ("corp".to_owned(), client.to_owned());
            let asked = GenerateKeyRequest { key_manager, consumer_key, ..generate("shop") };
            keys.generate(asked).await.map(|made| made.into_inner().consumer_key)
        };
        let refused = map("client-20").await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
        assert!(refused.message().contains("no such client"), "{refused:?}");
        assert_eq!(map("client-2").await.unwrap(), "client-2");
        let request = GetRequest { name: "shop".to_owned(), version: String::new() };
        let shop = ApplicationsClient::new(channel).get(request).await.unwrap().into_inner();
        let [key] = shop.spec.unwrap().keys.try_into().unwrap();
        assert_eq!((key.key_manager.as_str(), key.consumer_key.as_str()), ("corp", "client-2"));
        let said = said.said.lock().unwrap();
        assert_eq!(*said, ["find client-20 at corp", "find client-2 at corp"]);
    });
}

#[test]
fn a_client_that_cannot_be_added_is_removed_again() {
    check(async |stack| {
        let (said, _host, config) = key_manager(&stack).await;
        let plane = stack.start_with("control-plane", &config).await;
        stack.apply(&plane, &format!("{}---\n{}", application("one"), application("two"))).await;
        let mut keys = ApplicationKeysClient::new(stack.channel(&plane, "admin"));
        keys.generate(generate("one")).await.unwrap();
        // The same identifier again: it belongs to one application only.
        let refused = keys.generate(generate("two")).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(said.said.lock().unwrap().last().unwrap(), "remove client-1");
    });
}

#[test]
fn without_a_key_manager_the_answer_is_unavailable_and_nothing_has_changed() {
    check(async |stack| {
        let away = "[key_manager]\naddress = \"https://127.0.0.1:1\"\n";
        let plane = stack.start_with("control-plane", away).await;
        let before = stack.apply(&plane, &application("shop")).await.revision;
        let mut keys = ApplicationKeysClient::new(stack.channel(&plane, "admin"));
        let refused = keys.generate(generate("shop")).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        assert!(refused.message().contains("key manager"), "{refused:?}");
        let unknown = keys.generate(generate("nobody")).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);
        assert_eq!(stack.apply(&plane, &application("shop")).await.revision, before);
    });
}
